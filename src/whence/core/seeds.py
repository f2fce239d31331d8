"""Seeds that depend on names, never on the order of calls."""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, *names: str | int) -> int:
    """A seed in [0, 2^63) for one named purpose, from the seed of the whole."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator for one named purpose."""
    return np.random.default_rng(derive(seed, *names))
