"""What stands in the place of a component: activations of other texts, or their mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from whence.core.errors import InterventionError
from whence.interventions.hooks import Place, attached
from whence.models import EncodedPrompt, Model, Row, Score, encode_prompt, log_probabilities, plan


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


def mean_activations(
    model: Model, places: Sequence[Place], texts: Sequence[str], batch_size: int
) -> list[Tensor]:
    """The mean contribution at each place over all tokens of some texts.

    Tokens that the tokenizer adds by itself are seen by the others but not counted; a text
    longer than the context is cut. Sums are in float64, so the mean of many is exact enough.

    Returns:
        One tensor [width] a place, in the model's own type.

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
        found = activations(model, places, chosen)
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
