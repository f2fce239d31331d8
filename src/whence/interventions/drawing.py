"""What stands in the place of tokens that were taken away: others, drawn from a language model.

    own predictions    the next-token distribution of the very model that is explained
    n-gram model       that of the corpus alone, smoothed

A token is drawn after those before it, drawn ones included, from left to right: what comes out
is a likely beginning that happens to keep the tokens that stay. What stands behind a gap has no say
in it. The token that was taken away may come back by its own probability: the mean over draws is
then the value when that token is not known.

Draws of different removals use the same random numbers at the same place, so that two removals
that differ little give texts that differ little, and no result depends on the batch it was made in.

References: Kim et al. 2020, "Interpretation of NLP models through input marginalization", eq. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float64

from whence.core.errors import InterventionError
from whence.core.seeds import generator
from whence.corpus import NgramModel
from whence.models import Model, Row, Score, distributions, plan

Prefix = tuple[int, ...]
Propose = Callable[[Sequence[Prefix]], Float64[np.ndarray, "prefix token"]]
"""Probabilities of the next token after each prefix."""


def own_predictions(model: Model, batch_size: int) -> Propose:
    """The model's own next-token distributions; special tokens are never drawn.

    Before the first token of a tokenizer without a start token stands its end token, behind which
    texts begin in training.

    Args:
        model: the model.
        batch_size: prefixes in one forward pass.
    """
    allowed = _allowed(model)

    def propose(prefixes: Sequence[Prefix]) -> Float64[np.ndarray, "prefix token"]:
        rows = [_row(_begun(model, prefix)) for prefix in prefixes]
        found = np.zeros((len(rows), model.vocabulary_size))
        with torch.no_grad():
            for batch in plan([len(row.ids) for row in rows], batch_size):
                chosen = distributions(model, [rows[i] for i in batch])
                found[batch] = chosen.double().exp().cpu().numpy()
        found *= allowed
        found /= found.sum(axis=1, keepdims=True)
        return found

    return propose


def ngram_predictions(model: Model, ngrams: NgramModel) -> Propose:
    """The next-token distributions of a corpus's n-gram model; a text does not end in the middle.

    Args:
        model: whose tokens are drawn.
        ngrams: of a corpus with the model's tokenizer.

    Raises:
        InterventionError: its vocabulary is another one.
    """
    size = ngrams.symbols.vocabulary
    if size != len(model.tokenizer):
        raise InterventionError(
            "ngrams",
            expected=f"an n-gram model of the model's own {len(model.tokenizer)} tokens",
            got=f"one of {size} tokens",
            fix="Build the corpus with the model's tokenizer: whence corpus build --tokenizer.",
        )
    allowed = _allowed(model)
    special = [i for i in model.tokenizer.all_special_ids if i < size]

    def propose(prefixes: Sequence[Prefix]) -> Float64[np.ndarray, "prefix token"]:
        found = np.zeros((len(prefixes), model.vocabulary_size))
        for row, prefix in zip(found, prefixes, strict=True):
            # Special tokens stand between documents, in which none of them occurs.
            own = [token for token in prefix if token not in special]
            row[:size] = ngrams.distribution(own)[:size]
        found *= allowed
        found /= found.sum(axis=1, keepdims=True)
        return found

    return propose


def draw(
    ids: Sequence[int],
    stays: Bool[np.ndarray, "subset token"],
    propose: Propose,
    *,
    draws: int,
    seed: int,
) -> list[list[Prefix]]:
    """Fill what was taken away, several times.

    Args:
        ids: the prompt's tokens.
        stays: which of them stay under each removal.
        propose: what could stand at a place.
        draws: how often each removal is filled.
        seed: of all draws.

    Returns:
        For each removal its fillings, each as long as the prompt.
    """
    texts = [[tuple(ids)] * draws for _ in stays]
    for place in np.flatnonzero(~stays.all(axis=0)).tolist():
        gone = np.flatnonzero(~stays[:, place]).tolist()
        prefixes = list(dict.fromkeys(texts[s][k][:place] for s in gone for k in range(draws)))
        cumulative = np.cumsum(propose(prefixes), axis=1)
        where = {prefix: i for i, prefix in enumerate(prefixes)}
        dice = generator(seed, "draw", place).random(draws)
        for s in gone:
            for k in range(draws):
                text = texts[s][k]
                row = cumulative[where[text[:place]]]
                token = int(np.searchsorted(row, dice[k] * row[-1], side="right"))
                texts[s][k] = (*text[:place], token, *text[place + 1 :])
    return texts


def _begun(model: Model, prefix: Prefix) -> Prefix:
    """The prefix, or what texts begin behind where there is none.

    Raises:
        InterventionError: the tokenizer has no token for that.
    """
    if prefix:
        return prefix
    for name in ("bos_token_id", "eos_token_id"):
        token = getattr(model.tokenizer, name, None)
        if token is not None:
            return (int(token),)
    raise InterventionError(
        "removal",
        expected="something before the first token that predicts it",
        got="a tokenizer without a start or an end token",
        fix='Keep the first token, or choose removal="sample-ngrams".',
    )


def _row(prefix: Prefix) -> Row:
    return Row(prefix, tuple(range(len(prefix))), len(prefix), (Score(len(prefix) - 1, 0, 1),))


def _allowed(model: Model) -> Bool[np.ndarray, " token"]:
    """Tokens that may be drawn: those that the tokenizer has, special ones left out."""
    allowed = np.zeros(model.vocabulary_size, dtype=bool)
    allowed[list(model.tokenizer.get_vocab().values())] = True
    allowed[model.tokenizer.all_special_ids] = False
    return allowed
