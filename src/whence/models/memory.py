"""How much memory a forward pass takes, known before it starts.

Counted for scoring without a graph: what is alive at the widest point of one layer, beside
the logits that are read. With r rows of p positions, width d, MLP width m, h heads:

    stream      r p (6 d + 3 m)             the residual stream, a norm, queries, keys, values
    states      4 r p m n                   Mamba: n numbers for each of the m columns
                2 r c q^2 s n               Mamba 2: s heads, in c = p / q pieces, rounded up
    attention   2 r h p^2 + 2 r p^2         scores before and after a step, the mask; eager only
    logits      3 r k V                     k places read, V tokens: logits, copy, softmax

times the bytes of one number. It is an estimate (within a factor of two in tests), meant to
choose a batch size that goes into a plan; the batch size then never depends on the memory
that happens to be free.
"""

from __future__ import annotations

import math
from typing import Any

from whence.core.errors import PlanError
from whence.models.opened import Model
from whence.models.rows import BATCH_SIZE


def memory_needed(model: Model, n_rows: int, length: int, n_read: int = 1) -> int:
    """Bytes beyond the parameters that one forward pass takes.

    Args:
        model: the model.
        n_rows: sequences in it.
        length: tokens of the longest.
        n_read: places whose predictions are read: the tokens of a target.
    """
    config = model.config
    d, h = config.hidden_size, getattr(config, "num_attention_heads", None) or 0
    names = ("intermediate_size", "ffn_dim", "n_inner")
    wide = getattr(config, "expand", 4) * d
    m = next((w for name in names if (w := getattr(config, name, None))), wide)
    stream = n_rows * length * (6 * d + 3 * m)
    states = 0 if h else _states(config, n_rows, length, m)
    eager = config._attn_implementation == "eager"
    attention = (2 * h + 2) * n_rows * length**2 if eager else 0
    logits = 3 * n_rows * n_read * model.vocabulary_size
    size: Any = model.dtype.itemsize
    return int((stream + states + attention + logits) * max(size, 4))


def _states(config: Any, n_rows: int, length: int, columns: int) -> int:
    """Numbers that the states of one state-space layer take, without its optional kernels."""
    piece = getattr(config, "chunk_size", None)
    if piece is None:
        return int(4 * n_rows * length * columns * config.state_size)
    pieces = math.ceil(length / piece)
    return int(2 * n_rows * pieces * piece**2 * config.num_heads * config.state_size)


def batch_size_within(model: Model, budget: int, length: int, n_read: int = 1) -> int:
    """The largest batch size, at most the usual one, that stays within a budget.

    Args:
        model: the model.
        budget: bytes beyond the parameters.
        length: tokens of the longest sequence.
        n_read: places whose predictions are read.

    Raises:
        PlanError: one sequence alone needs more.
    """
    one = memory_needed(model, 1, length, n_read)
    if one > budget:
        raise PlanError(
            "memory",
            expected=f"at least {one / 2**20:.0f} MiB for one sequence of {length} tokens",
            got=f"a budget of {budget / 2**20:.0f} MiB",
            fix="Allow more memory or shorten the prompt.",
        )
    return min(BATCH_SIZE, budget // one)
