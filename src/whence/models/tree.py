"""Many rows that begin alike: what they share is computed once.

Rows that come from one prompt, with other tokens replaced in each, share their beginnings with one
another. Sorted, they are the leaves of a tree whose inner nodes are beginnings that some of them
share, and a token's keys and values depend on its node alone. A batch of such rows is passed piece
by piece, from left to right: each *different* beginning of a piece once, with the keys and values
of the piece before it.

Adding n tokens one after another, in any order, makes n + 1 rows in which about half of all tokens
stand in a beginning that was there before; so does leaving out each token alone.

A row's value is that of its whole pass to rounding (see `past`); the same rows give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from transformers import DynamicCache

from whence.core.progress import progress
from whence.models.opened import Model
from whence.models.past import keys_and_values, past_of
from whence.models.rows import BATCH_SIZE, Row, Score, log_probabilities, run_rows

PIECE = 16
"""Tokens of one piece at least. Shorter ones share more and take more passes: of Shapley's subsets
of 64 tokens, pieces of 16 compute 0.61 of all tokens, where 0.49 are different."""

_WORTH = 0.25
"""Share of tokens that must be saved for a batch to be passed in pieces."""

_LONG_WORK = 20  # batches; shorter work shows no bar


def run_alike(
    model: Model, rows: Sequence[Row], *, batch_size: int = BATCH_SIZE
) -> Float[np.ndarray, " row"]:
    """The value of every row, in nats, as `run_rows` gives it.

    Args:
        model: the model.
        rows: what to compute; they may come in any order.
        batch_size: rows in one forward pass; of pieces, which are shorter, twice as many.
    """
    if not model.goes_on or batch_size < 2:
        return run_rows(model, rows, batch_size=batch_size)
    together = 2 * batch_size
    tokens = [_tokens(row) for row in rows]
    order = sorted(range(len(rows)), key=tokens.__getitem__)
    batches = [order[i : i + together] for i in range(0, len(order), together)]
    values = np.zeros(len(rows))
    with torch.no_grad():
        for batch in progress(batches, "measuring") if len(batches) > _LONG_WORK else batches:
            chosen = [rows[i] for i in batch]
            shared = np.array([_shared(tokens[i], tokens[j]) for i, j in pairwise(batch)], int)
            if shared.sum() < _WORTH * sum(len(row.ids) for row in chosen):
                values[batch] = run_rows(model, chosen, batch_size=batch_size)
            else:
                values[batch] = _in_pieces(model, chosen, shared)
    return values


Tokens = tuple[tuple[int, int, bool], ...]


def _tokens(row: Row) -> Tokens:
    """All that later tokens see of a row: each token, its position, and whether it is hidden."""
    hidden = set(row.unseen)
    both = enumerate(zip(row.ids, row.positions, strict=True))
    return tuple((token, position, i in hidden) for i, (token, position) in both)


def _shared(a: Tokens, b: Tokens) -> int:
    """How many first tokens two rows share."""
    if a == b:
        return len(a)
    both = enumerate(zip(a, b, strict=False))
    return next((i for i, (x, y) in both if x != y), min(len(a), len(b)))


def _in_pieces(
    model: Model, rows: Sequence[Row], shared: Int[np.ndarray, " pair"]
) -> Float[np.ndarray, " row"]:
    """Values of sorted rows, piece by piece from left to right.

    Args:
        model: the model.
        rows: sorted by their tokens, so that rows that begin alike are neighbours.
        shared: how many first tokens each row but the last shares with the next.
    """
    lengths = np.array([len(row.ids) for row in rows])
    # Equal rows stay together to the end, wherever it is.
    equal = (shared == lengths[:-1]) & (shared == lengths[1:])
    parts = np.where(equal, lengths.max(), shared)
    values, node = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
    past, begin = DynamicCache(), 0
    while begin < lengths.max():
        fork = parts[parts >= begin].min(initial=lengths.max())
        end = min(max(begin + PIECE, int(fork)), int(lengths.max()))
        going = np.flatnonzero(lengths > begin)
        beginning = np.concatenate([[0], np.cumsum(parts < end)])[going]
        _, first, number = np.unique(beginning, return_index=True, return_inverse=True)
        if begin:
            parent = torch.from_numpy(node[going[first]]).to(model.device)
            past = past_of([(k[parent], v[parent]) for k, v in keys_and_values(past)])
        node[going] = number
        heads = [rows[i] for i in going[first].tolist()]
        chosen = [rows[i] for i in going.tolist()]
        values[going] += _piece(model, heads, chosen, number, (begin, end), past)
        begin = end
    return values


def _piece(
    model: Model,
    heads: Sequence[Row],
    rows: Sequence[Row],
    number: Int[np.ndarray, " row"],
    piece: tuple[int, int],
    past: DynamicCache,
) -> Float[np.ndarray, " row"]:
    """What rows read within one piece, nats.

    Args:
        model: the model.
        heads: one row of each different beginning.
        rows: all rows.
        number: the beginning of each.
        piece: its first token, and one past its last.
        past: keys and values of what is before, for each beginning.
    """
    begin, end = piece
    own = [[s for s in row.scores if begin <= s.index < end] for row in rows]
    asked = sorted(
        {(int(n), s.index, s.token) for n, scores in zip(number, own, strict=True) for s in scores}
    )
    read: list[list[Score]] = [[] for _ in heads]
    for n, index, token in asked:
        read[n].append(Score(index, token, 1))
    cut = [
        replace(
            row,
            ids=row.ids[:end],
            positions=row.positions[:end],
            scores=tuple(scores),
            unseen=tuple(i for i in row.unseen if i < end),
        )
        for row, scores in zip(heads, read, strict=True)
    ]
    said = log_probabilities(model, cut, past=past).double().tolist()
    answers = dict(zip(asked, said, strict=True))
    return np.array(
        [
            sum(s.sign * answers[int(n), s.index, s.token] for s in scores)
            for n, scores in zip(number, own, strict=True)
        ],
        dtype=np.float64,
    )
