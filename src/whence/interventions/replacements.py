"""What stands in the place of a component: activations of other texts, or their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from whence.core.errors import InterventionError
from whence.interventions.hooks import Place, attached
from whence.models import EncodedPrompt, Model, Row, Score, encode_prompt, log_probabilities, plan

MOST_KEPT = 2**30
"""Bytes of kept activations of other prompts."""


def activations(model: Model, places: Sequence[Place], rows: Sequence[Row]) -> list[Tensor]:
    """What components contribute at each place, nothing taken away.

    Returns:
        One tensor [row, position, width] a place; for a layer its output minus its input.
    """
    found: dict[int, Tensor] = {}

    def read(i: int, x: Tensor, base: Tensor | None) -> Tensor:
        found[i] = x if base is None else x - base
        return x

    with torch.no_grad(), attached(places, len(rows), read):
        log_probabilities(model, rows)
    return [found[i] for i in range(len(places))]


class OtherActivations:
    """What components contribute on the other prompts of some rows, one prompt a turn.

    Computed once and kept where that takes at most `MOST_KEPT` bytes, otherwise batch by batch.
    """

    def __init__(
        self,
        model: Model,
        places: Sequence[Place],
        patched: Mapping[tuple[Row, int], Row],
        batch_size: int,
        *,
        reuse: bool,
    ) -> None:
        """Compute what can be kept.

        Args:
            model: the model.
            places: where activations are read.
            patched: each row and turn -> the row with the other prompt in the place of its own.
            batch_size: rows in one forward pass.
            reuse: whether to keep anything at all.
        """
        self._model = model
        self._places = places
        self._patched = patched
        self._kept: dict[Row, list[Tensor]] = {}
        different = list(dict.fromkeys(patched.values()))
        for batch in plan([len(row.ids) for row in different], batch_size) if reuse else ():
            rows = [different[i] for i in batch]
            found = activations(model, places, rows)
            if sum(x.nbytes for x in found) / len(rows) * len(different) > MOST_KEPT:
                break
            for k, row in enumerate(rows):
                self._kept[row] = [x[k, : len(row.ids)] for x in found]

    def __call__(
        self, batch: Sequence[Row], turns: Int[np.ndarray, " row"], places: Sequence[int]
    ) -> list[Tensor]:
        """For each of some places a tensor [row, position, width]."""
        pairs = zip(batch, turns.tolist(), strict=True)
        rows = [self._patched[row, turn] for row, turn in pairs]
        if all(row in self._kept for row in rows):
            kept = [self._kept[row] for row in rows]
            return [pad_sequence([own[i] for own in kept], batch_first=True) for i in places]
        different = list(dict.fromkeys(rows))
        number = {row: i for i, row in enumerate(different)}
        where = torch.tensor([number[row] for row in rows], device=self._model.device)
        found = activations(self._model, [self._places[i] for i in places], different)
        return [x[where] for x in found]


def mean_activations(
    model: Model,
    read: Callable[[list[Row]], Sequence[Tensor]],
    texts: Sequence[str],
    batch_size: int,
) -> list[Tensor]:
    """The mean over all tokens of some texts of whatever is read at every token.

    Tokens that the tokenizer adds by itself are seen by the others but not counted; a text
    longer than the context is cut. Sums are in float64, so the mean of many is exact enough.

    Args:
        model: the model.
        read: gives tensors [row, position, width] for some rows.
        texts: what is read.
        batch_size: rows in one forward pass.

    Returns:
        One tensor [width] for each that `read` gives, in the model's own type.

    Raises:
        InterventionError: the texts have no token at all.
    """
    encoded = [encode_prompt(model, text) for text in texts]
    rows = [_row(text, model.context) for text in encoded]
    total: list[Tensor] = []
    count = 0
    for batch in plan([len(row.ids) for row in rows], batch_size):
        chosen = [rows[i] for i in batch]
        width = len(chosen[0].ids)
        counted = torch.zeros(len(batch), width, 1, dtype=torch.bool)
        for k, i in enumerate(batch):
            own = [not special for special in encoded[i].is_special[:width]]
            counted[k, : len(own), 0] = torch.tensor(own)
        there = counted.to(model.device)
        found = read(chosen)
        sums = [torch.where(there, x, 0).double().sum(dim=(0, 1)) for x in found]
        total = [a + b for a, b in zip(total, sums, strict=True)] if total else sums
        count += int(counted.sum())
    if not count:
        raise InterventionError(
            "reference",
            expected="texts with at least one token",
            got=f"{len(texts)} texts without any",
            fix="Give some usual texts.",
        )
    return [(x / count).to(model.dtype) for x in total]


def _row(text: EncodedPrompt, context: int) -> Row:
    ids = text.ids[:context]
    # Something must be read from a row; what, does not matter here.
    return Row(ids, tuple(range(len(ids))), len(ids), (Score(0, 0, 1),))
