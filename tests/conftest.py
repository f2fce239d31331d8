"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before any room is imported: no test may ask the network, or fight over cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder with `pyproject.toml`."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of third-party data: `WHENCE_DATA`, or a checkout's neighbour."""
    place = Path(os.environ.get("WHENCE_DATA") or ROOT.parent / "shared" / "data")
    if not place.is_dir():
        pytest.skip(f"no real data at {place}; set WHENCE_DATA to its folder")
    return place
