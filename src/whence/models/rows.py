"""Sequences scored in batches: the one path on which every value is computed.

A *row* is one sequence with the log-probabilities that are read from it. A behavior is one
row, or two when target and foil need different inputs. Plain values, values under removed
components and values of shortened prompts all go through `run_rows`, so that they differ
in what was removed and in nothing else.

Rows are sorted by length and cut into batches of a fixed size: the plan depends on the
rows alone. Shorter rows are padded on the right. A causal model cannot see what is to the
right, so the padding needs no mask; a mask of ones is still given, because without one
transformers takes jumps in the position ids for borders between packed texts.

A row's value does not depend on its batch beyond the rounding of the matrix products
(about 1e-6 nats in float32). The same list of rows gives the same bits.

A pass may go on from keys and values that an earlier one left (`past`): then only the tokens
behind them are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from whence.core.errors import ModelError
from whence.core.progress import progress
from whence.models.encoding import EncodedBehavior
from whence.models.opened import Model

BATCH_SIZE = 32
"""Rows in one forward pass, unless told otherwise."""

_LONG_WORK = 20  # batches; shorter work shows no bar

Around = Callable[[Int[np.ndarray, " row"]], AbstractContextManager[DynamicCache | None]]
Read = Callable[[Int[np.ndarray, " row"], DynamicCache | None], Float[np.ndarray, " row"]]


@dataclass(frozen=True, slots=True)
class Score:
    """One log-probability to read.

    Attributes:
        index: place in the row whose prediction is read.
        token: the token whose log-probability it is.
        sign: +1 for a target's, -1 for a foil's.
    """

    index: int
    token: int
    sign: int


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence and what is read from it.

    Attributes:
        ids: its tokens.
        positions: the position of each token.
        prompt: how many of them are the prompt's.
        scores: what is read.
        unseen: places that the attention mask hides from all others.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    prompt: int
    scores: tuple[Score, ...]
    unseen: tuple[int, ...] = ()


def rows_of(
    encoded: EncodedBehavior,
    prompt_ids: Sequence[int] | None = None,
    positions: Sequence[int] | None = None,
    unseen: Sequence[int] = (),
) -> tuple[Row, ...]:
    """The rows whose values add up to a behavior's value.

    Args:
        encoded: the behavior.
        prompt_ids: tokens that stand in the place of the prompt's, for example fewer.
        positions: positions of those tokens and of the first one after them; 0, 1, 2, ...
            when not given.
        unseen: places of those tokens that the attention mask hides; the continuation is then
            predicted from the last one that is seen.
    """
    prompt = encoded.prompt_ids if prompt_ids is None else tuple(prompt_ids)
    places = range(len(prompt) + 1) if positions is None else positions
    hidden = tuple(unseen)
    rows = [_row(prompt, places, encoded.target_ids, +1, hidden)]
    if encoded.foil_ids is not None:
        foil = _row(prompt, places, encoded.foil_ids, -1, hidden)
        long, short = sorted((rows[0], foil), key=lambda row: -len(row.ids))
        if long.ids[: len(short.ids)] == short.ids:  # one forward pass answers both
            scores = rows[0].scores + foil.scores
            return (Row(long.ids, long.positions, long.prompt, scores, hidden),)
        rows.append(foil)
    return tuple(rows)


def _row(
    prompt: tuple[int, ...],
    places: Sequence[int],
    continuation: tuple[int, ...],
    sign: int,
    unseen: tuple[int, ...],
) -> Row:
    ids = prompt + continuation[:-1]
    after = range(places[len(prompt)], places[len(prompt)] + len(continuation) - 1)
    last = max(i for i in range(len(prompt)) if i not in unseen)
    reads = (last, *range(len(prompt), len(ids)))
    scores = tuple(Score(i, t, sign) for i, t in zip(reads, continuation, strict=True))
    return Row(ids, (*places[: len(prompt)], *after), len(prompt), scores, unseen)


def plan(lengths: Sequence[int], batch_size: int) -> list[Int[np.ndarray, " row"]]:
    """Which rows go together: sorted by length, longest first, cut into batches."""
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def run_rows(
    model: Model,
    rows: Sequence[Row],
    *,
    batch_size: int = BATCH_SIZE,
    around: Around | None = None,
    read: Read | None = None,
) -> Float[np.ndarray, " row"]:
    """The value of every row, in nats: the signed sum of its log-probabilities.

    Args:
        model: the model.
        rows: what to compute.
        batch_size: rows in one forward pass; part of a plan, since it can change last bits.
        around: makes a context around each forward pass, from the numbers of the rows in it; it
            gives the past that the pass goes on from, or None.
        read: computes another value in one forward pass, from the numbers of its rows and the past.

    Raises:
        ModelError: the batch size is not positive.
    """
    if batch_size < 1:
        raise ModelError(
            "batch_size",
            expected="a positive number",
            got=str(batch_size),
            fix="Give the number of sequences in one forward pass.",
        )
    values = np.zeros(len(rows))
    batches = plan([len(row.ids) for row in rows], batch_size)
    with torch.no_grad():
        for batch in progress(batches, "measuring") if len(batches) > _LONG_WORK else batches:
            chosen = [rows[i] for i in batch]
            with nullcontext() if around is None else around(batch) as past:
                values[batch] = (
                    _signed_sums(model, chosen, past) if read is None else read(batch, past)
                )
    return values


def _signed_sums(
    model: Model, rows: Sequence[Row], past: DynamicCache | None
) -> Float[np.ndarray, " row"]:
    found = log_probabilities(model, rows, past=past).double().cpu().numpy()
    values, start = np.zeros(len(rows)), 0
    for i, row in enumerate(rows):
        part = found[start : start + len(row.scores)]
        values[i] = sum(x * s.sign for x, s in zip(part, row.scores, strict=True))
        start += len(row.scores)
    return values


def log_probabilities(
    model: Model,
    rows: Sequence[Row],
    inputs_embeds: Float[Tensor, "row position width"] | None = None,
    past: DynamicCache | None = None,
) -> Float[Tensor, " score"]:
    """One forward pass: every score of every row, in order, differentiable.

    Args:
        model: the model.
        rows: padded on the right to the longest.
        inputs_embeds: stands in the place of the tokens' embeddings.
        past: keys and values of the rows' first tokens; those of the others are added to it.
    """
    tokens = [score.token for row in rows for score in row.scores]
    picked = torch.tensor(tokens, dtype=torch.long, device=model.device)
    found = distributions(model, rows, inputs_embeds, past)
    return found.gather(1, picked[:, None]).squeeze(1)


def distributions(
    model: Model,
    rows: Sequence[Row],
    inputs_embeds: Float[Tensor, "row position width"] | None = None,
    past: DynamicCache | None = None,
) -> Float[Tensor, "score token"]:
    """One forward pass: log-probabilities of all tokens wherever a score is read, in order.

    Logits are computed only at places that some row reads, in the model's own type; the
    softmax is in float32 (float64 for a model in float64).

    Args:
        model: the model.
        rows: padded on the right to the longest.
        inputs_embeds: stands in the place of the tokens' embeddings.
        past: keys and values of the rows' first tokens; those of the others are added to it.
    """
    width = max(len(row.ids) for row in rows)
    begin = 0 if past is None else past.get_seq_length()
    device = model.device

    def padded(lists: list[tuple[int, ...]]) -> Int[Tensor, "row position"]:
        full = [x[begin:] + x[-1:] * (width - max(len(x), begin)) for x in lists]
        return torch.tensor(full, dtype=torch.long, device=device)

    kept = sorted({score.index for row in rows for score in row.scores})
    assert begin <= min(kept, default=begin)
    slot = {index: i for i, index in enumerate(kept)}
    flat = [(i, slot[s.index]) for i, row in enumerate(rows) for s in row.scores]
    where = torch.tensor(flat, dtype=torch.long, device=device).reshape(-1, 2)
    what = (
        {"input_ids": padded([row.ids for row in rows])}
        if inputs_embeds is None
        else {"inputs_embeds": inputs_embeds}
    )
    if model.takes_positions:
        what["position_ids"] = padded([row.positions for row in rows])
    else:
        _check_positions(model, rows)
    logits = model.module(
        **what,
        attention_mask=_mask(rows, width, device),
        logits_to_keep=torch.tensor(kept, dtype=torch.long, device=device) - begin,
        **({"use_cache": False} if past is None else {"use_cache": True, "past_key_values": past}),
    ).logits
    picked = logits[where[:, 0], where[:, 1]]
    precise = torch.promote_types(picked.dtype, torch.float32)
    return torch.log_softmax(picked.to(precise), dim=-1)


def _check_positions(model: Model, rows: Sequence[Row]) -> None:
    """Complain about positions with gaps where the model cannot be told of them."""
    if any(row.positions != tuple(range(len(row.ids))) for row in rows):
        raise ModelError(
            model.architecture,
            expected="a model that can be told the positions of its tokens",
            got="one that counts them itself",
            fix="Let the tokens behind a removed one move up, or replace it.",
        )


def _mask(rows: Sequence[Row], width: int, device: torch.device) -> Int[Tensor, "row position"]:
    mask = torch.ones(len(rows), width, dtype=torch.long, device=device)
    for i, row in enumerate(rows):
        mask[i, list(row.unseen)] = 0
    return mask
