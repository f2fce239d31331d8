"""How much memory a sweep over components or edges takes, and the batch that keeps within it.

A sweep is many forward passes in batches of r rows. Beyond the model's own parameters

    one pass     `models.memory_needed` of r rows
    kept         the stream at each layer where passes begin, of every row; once
    others       what heads and MLPs give on the other prompts of every row, as many as are drawn;
                 with edges what every sender adds, of the rows themselves too; once
    edges        (3 S + 4 R) numbers a token: what each of S senders adds, stands for it and
                 would change; what each of the R receivers of one layer reads, and its norm
    gradients    of edges: the pass, once for each layer, whose graph is kept

For edges that is what gradients (EAP) take; cutting them takes about a third of it.
All that is kept is so only as long as it takes at most half of the whole, and what would take
more than `MOST_KEPT` is computed again in every batch. The estimate is right within
a factor of two in tests. The batch follows from it and goes into the record, so that equal
settings give equal bytes whatever memory is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whence.core import Behavior
from whence.core.errors import PlanError
from whence.interventions.resuming import MOST_KEPT
from whence.models import BATCH_SIZE, Model, Row, encode, encode_prompt, memory_needed, rows_of

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a budget of memory leads to.

    Attributes:
        batch_size: rows in one forward pass.
        reuse: whether passes may begin in the middle, with streams that are kept.
        memory: bytes that this takes, beyond the parameters.
    """

    batch_size: int
    reuse: bool
    memory: int


def sweep_within(
    model: Model,
    behaviors: Sequence[Behavior],
    memory: int | None = None,
    *,
    edges: bool = False,
    reference: Sequence[str] = (),
    others: int = 0,
) -> Sweep:
    """The largest batch, at most the usual one, with which a sweep stays within a budget.

    Args:
        model: the model.
        behaviors: each with a target; the longest decides.
        memory: bytes beyond the parameters; None means that the usual batch is taken, whatever
            it needs.
        edges: whether edges are cut and differentiated, or components replaced.
        reference: texts over which means are taken, in batches of the same size.
        others: other prompts that stand in the place of each prompt (draws, for "resample").

    Raises:
        PlanError: one row alone needs more.
        BehaviorError: a behavior cannot be measured.
    """
    rows = [row for behavior in behaviors for row in rows_of(encode(model, behavior))]
    texts = [min(model.context, len(encode_prompt(model, text).ids)) for text in reference]
    length = max([len(row.ids) for row in rows] + texts)
    read = max(len(row.scores) for row in rows)
    one, kept = _row_needs(model, length, read, edges), _kept(model, rows, edges, others)
    if memory is None:
        return Sweep(BATCH_SIZE, True, kept + BATCH_SIZE * one)
    reuse = kept <= memory // 2
    left = memory - kept if reuse else memory
    if one > left:
        raise PlanError(
            "--memory",
            expected=f"at least {one / _MIB:.1f} MiB for one row of {length} tokens",
            got=f"{memory / _MIB:.1f} MiB",
            fix="Allow more memory, or shorten the prompt.",
        )
    batch_size = min(BATCH_SIZE, left // one)
    return Sweep(batch_size, reuse, batch_size * one + (kept if reuse else 0))


def _row_needs(model: Model, length: int, read: int, edges: bool) -> int:
    """Bytes for one row."""
    plain = memory_needed(model, 1, length, read)
    if not edges:
        return plain
    streams = model.streams
    senders = 1 + sum(layer.sites.n_heads + 1 for layer in streams)
    receivers = max(layer.sites.n_heads + 2 * layer.n_keys for layer in streams)
    numbers = length * int(model.config.hidden_size) * (3 * senders + 4 * receivers)
    return plain * len(streams) + numbers * max(model.dtype.itemsize, 4)


def _kept(model: Model, rows: Sequence[Row], edges: bool, others: int) -> int:
    """Bytes of what is kept of every row: streams at which passes may begin, and other prompts'."""
    tokens = sum(len(row.ids) for row in dict.fromkeys(rows))
    layers = model.sites.layers
    one = tokens * int(model.config.hidden_size) * model.dtype.itemsize
    if edges:
        senders = 1 + sum(layer.n_heads + 1 for layer in layers)
        of_one = one * (senders + len(layers) + 1)
        both = of_one * (1 + others)
        return both if both <= MOST_KEPT else of_one if of_one <= MOST_KEPT else 0
    streams, of_others = one * (len(layers) - 1), one * 2 * len(layers) * others
    return sum(size for size in (streams, of_others) if size <= MOST_KEPT)
