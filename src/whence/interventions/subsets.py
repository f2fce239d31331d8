"""Random subsets of causes, for whatever fits or judges by them.

Row i depends on the seed and on i alone, so that a longer draw begins with the shorter one:
more subsets can be added to those already measured.

    equal   every subset keeps the same number of causes, so that how *many* were removed
            tells nothing, and only *which* does; what a judge wants
    free    every cause is kept with the same probability, independently of the others; then
            a sum of effects can be told from a constant, which a regression wants
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool

from whence.core.errors import MethodError
from whence.core.seeds import generator

Sizes = Literal["equal", "free"]


def random_subsets(
    causes: int, count: int, *, share: float = 0.5, sizes: Sizes = "equal", seed: int = 0
) -> Bool[np.ndarray, "subset cause"]:
    """Draw subsets to keep.

    Args:
        causes: how many there are.
        count: how many subsets.
        share: of the causes that a subset keeps (on average, where sizes are free).
        sizes: "equal" or "free".
        seed: decides.

    Returns:
        One row a subset; False marks what is taken away. No row keeps everything or nothing.

    Raises:
        MethodError: the share is not between 0 and 1, or there are fewer than two causes.
    """
    if not 0 < share < 1 or causes < 2 or count < 0:
        raise MethodError(
            "subsets",
            expected="a share between 0 and 1, and at least two causes",
            got=f"share {share}, {causes} causes, {count} subsets",
            fix="Half of the causes is the usual share.",
        )
    keep = np.zeros((count, causes), dtype=bool)
    kept = min(max(round(share * causes), 1), causes - 1)
    for number, row in enumerate(keep):
        rng = generator(seed, "subset", number)
        if sizes == "equal":
            row[rng.choice(causes, kept, replace=False)] = True
            continue
        while row.all() or not row.any():
            row[:] = rng.random(causes) < share
    return keep
