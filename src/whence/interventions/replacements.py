"""What stands in the place of a component: activations of other texts, or their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from whence.core.errors import InterventionError
from whence.core.records import digest
from whence.interventions.hooks import Place, attached
from whence.models import EncodedPrompt, Model, Row, Score, encode_prompt, log_probabilities, plan

Replacement = Literal["zero", "mean", "other"]


def check_replacement(replacement: str, reference: object, other_prompt: object) -> None:
    """Complain about a replacement that is unknown or lacks its texts.

    Raises:
        InterventionError: it is.
    """
    if replacement not in get_args(Replacement):
        raise InterventionError(
            "replacement",
            expected=f"one of {', '.join(get_args(Replacement))}",
            got=repr(replacement),
            fix="Say what stands in the place of a component.",
        )
    if replacement == "mean" and not reference:
        raise InterventionError(
            "reference",
            expected="texts to take the mean activation over",
            got="none",
            fix='Pass reference=[...], or choose replacement="zero".',
        )
    if replacement == "other" and not other_prompt:
        raise InterventionError(
            "other_prompt",
            expected="the prompt that activations are taken from",
            got="none",
            fix='Pass other_prompt="...".',
        )


def about_replacement(
    replacement: str, reference: Sequence[str], other_prompt: str | Mapping[str, str] | None
) -> dict[str, Any]:
    """The texts that a replacement rests on, as JSON."""
    if replacement == "mean":
        return {"reference": {"texts": len(reference), "digest": digest(list(reference))}}
    if replacement == "other":
        given = other_prompt
        return {"other_prompt": given if isinstance(given, str) else dict(given or {})}
    return {}


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


def other_tokens(
    model: Model, given: str | Mapping[str, str] | None, prompt: str, length: int
) -> tuple[int, ...]:
    """The tokens of the other prompt that belongs to a prompt.

    Args:
        model: the model.
        given: the other prompt of all prompts, or of each.
        prompt: the prompt.
        length: how many tokens it has.

    Raises:
        InterventionError: there is none, or it has another length.
    """
    other = given if isinstance(given, str) else (given or {}).get(prompt)
    if other is None:
        raise InterventionError(
            "other_prompt",
            expected=f"another prompt for {prompt!r}",
            got="none",
            fix="Add one to other_prompt.",
        )
    ids = encode_prompt(model, other).ids
    if len(ids) != length:
        raise InterventionError(
            "other_prompt",
            expected=f"{length} tokens, as many as {prompt!r} has",
            got=f"{len(ids)} tokens in {other!r}",
            fix="Reword one of them until both have the same number of tokens.",
        )
    return ids


def with_other(row: Row, other: tuple[int, ...]) -> Row:
    """A row with another prompt and the same continuation."""
    return Row(other + row.ids[row.prompt :], row.positions, row.prompt, row.scores)
