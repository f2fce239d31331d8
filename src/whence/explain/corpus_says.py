"""What the corpus itself says: was this written, how often, and what usually comes next."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from whence.core import Behavior
from whence.corpus import Corpus, Index
from whence.models import Model, Row, Score, encode, log_probabilities

_DOCUMENTS = 5
_NEXT = 5


def corpus_says(corpus: Corpus, model: Model, behavior: Behavior) -> dict[str, Any]:
    """The longest exact match of prompt and target, and the corpus's own next token.

    The corpus's probability is that of the target's first token after the longest ending of
    the prompt that occurs in the corpus at all (an infinity-gram estimate: Liu et al.,
    "Infini-gram", 2024, sec. 2); the model's stands beside it.
    """
    index = corpus.index()
    encoded = encode(model, behavior)
    prompt = corpus.encode(encoded.prompt)
    whole = corpus.encode(encoded.prompt + encoded.target)
    return {
        "match": _match(corpus, index, whole),
        "next": _next(corpus, index, prompt, whole, model, behavior),
    }


def _match(corpus: Corpus, index: Index, whole: Int[np.ndarray, " n"]) -> dict[str, Any]:
    match = index.longest_match(whole)
    found = whole[match.start : match.end]
    where = index.locate(found, limit=_DOCUMENTS) if len(found) else []
    return {
        "text": _text(corpus, found),
        "tokens": len(found),
        "count": match.count,
        "documents": [{"id": corpus.ids[o.document], "offset": o.offset} for o in where],
    }


def _next(
    corpus: Corpus,
    index: Index,
    prompt: Int[np.ndarray, " n"],
    whole: Int[np.ndarray, " m"],
    model: Model,
    behavior: Behavior,
) -> dict[str, Any]:
    start = 0
    while start < len(prompt) and index.count(prompt[start:]) == 0:
        start += 1
    context = prompt[start:]
    tokens, counts = index.next(context) if len(context) else _unigrams(corpus)
    total = int(counts.sum())
    share = {int(t): int(c) / total for t, c in zip(tokens, counts, strict=True)}
    target = int(whole[len(prompt)]) if len(whole) > len(prompt) else None
    # The two vocabularies must be one for a token's two probabilities to stand side by side.
    same = model.tokenizer.get_vocab() == corpus.tokenizer.get_vocab()
    common = list(share)[:_NEXT]
    first, *others = _model_says(model, behavior, common if same else [])
    models = dict(zip(common, others, strict=False))
    return {
        "context": _text(corpus, context),
        "count": total,
        "target": "" if target is None else _text(corpus, np.array([target])),
        "corpus_probability": 0.0 if target is None else share.get(target, 0.0),
        "model_probability": first,
        "top": [
            {"text": _text(corpus, np.array([t])), "corpus": share[t], "model": models.get(t)}
            for t in common
        ],
    }


def _unigrams(corpus: Corpus) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    counts = np.bincount(np.asarray(corpus.tokens), minlength=corpus.vocabulary_size)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    return order, counts[order]


def _model_says(model: Model, behavior: Behavior, tokens: list[int]) -> list[float]:
    """Probability, after the prompt, of the target's first token and then of others."""
    encoded = encode(model, Behavior(behavior.prompt, behavior.target))
    last = len(encoded.prompt_ids) - 1
    scores = tuple(Score(last, t, 1) for t in (encoded.target_ids[0], *tokens))
    row = Row(encoded.prompt_ids, tuple(range(last + 1)), last + 1, scores)
    with torch.no_grad():
        found: list[float] = log_probabilities(model, [row]).exp().tolist()
    return found


def _text(corpus: Corpus, tokens: Int[np.ndarray, " n"]) -> str:
    return str(corpus.tokenizer.decode([int(t) for t in tokens])) if len(tokens) else ""
