"""What the corpus itself says: was this written, how often, where, and what usually comes next.

    asked    how often prompt, target and foil occur, alone and together
    match    the longest stretch of prompt and target that occurs
    spans    the stretches that documents hold word for word, with these documents
    tokens   every token of prompt and target: the corpus's probability beside the model's
    next     what follows the prompt, in the corpus and by the model

The corpus's probability of a token is that after the longest ending of what stands before it
that occurs in the corpus and goes on (an infinity-gram estimate: Liu et al., "Infini-gram:
Scaling Unbounded n-gram Language Models to a Trillion Tokens", 2024, section 2). The two
probabilities of a token can stand side by side only where model and corpus have one vocabulary;
else the corpus reads the text with its own tokens and the model's column is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from whence.core import Behavior
from whence.core.records import finite
from whence.corpus import Corpus, Index, TraceSettings, spellings, trace
from whence.models import EncodedBehavior, Model, Row, Score, encode, log_probabilities

VERSION = 2
_DOCUMENTS = 5
_NEXT = 5
_SPANS = 6
_AROUND = 24


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """Prompt and target as the corpus reads them.

    Attributes:
        tokens: of both.
        prompt: how many of them are the prompt's.
        texts: the letters of each.
        before: special tokens that the model alone sees before them.
        shared: whether the model reads the same tokens.
    """

    tokens: tuple[int, ...]
    prompt: int
    texts: tuple[str, ...]
    before: tuple[int, ...]
    shared: bool


def corpus_says(corpus: Corpus, model: Model, behavior: Behavior) -> dict[str, Any]:
    """All that the text alone says of a behavior, as plain data."""
    index = corpus.index()
    encoded = encode(model, behavior)
    read = _read(corpus, model, encoded)
    whole = encoded.prompt + encoded.target
    return {
        "version": VERSION,
        "asked": _asked(corpus, index, encoded),
        "match": _match(corpus, index, np.array(read.tokens, np.int64)),
        "spans": _spans(corpus, index, whole),
        "tokens": _tokens(index, model, read, corpus),
        "next": _next(corpus, index, read, model, behavior),
    }


def _read(corpus: Corpus, model: Model, encoded: EncodedBehavior) -> _Read:
    if model.tokenizer.get_vocab() == corpus.tokenizer.get_vocab():
        special = [t for t, s in zip(encoded.prompt_ids, encoded.is_special, strict=True) if s]
        own = [t for t, s in zip(encoded.prompt_ids, encoded.is_special, strict=True) if not s]
        tokens = (*own, *encoded.target_ids)
        texts = tuple(corpus.decode([t]) for t in tokens)
        return _Read(tokens, len(own), texts, tuple(special), shared=True)
    prompt, whole = corpus.encode(encoded.prompt), corpus.encode(encoded.prompt + encoded.target)
    texts = tuple(corpus.decode([t]) for t in whole.tolist())
    return _Read(tuple(whole.tolist()), min(len(prompt), len(whole)), texts, (), shared=False)


def _asked(corpus: Corpus, index: Index, encoded: EncodedBehavior) -> list[dict[str, Any]]:
    """Occurrences of what was asked; a text is counted as `whence corpus count` counts it."""
    parts = {
        "prompt": encoded.prompt,
        "target": encoded.target,
        "foil": encoded.foil,
        "prompt and target": encoded.prompt + encoded.target,
        "prompt and foil": None if encoded.foil is None else encoded.prompt + encoded.foil,
    }
    return [
        {
            "what": what,
            "text": text.strip(),
            "count": int(index.count_many(spellings(corpus, text.strip())).sum()),
        }
        for what, text in parts.items()
        if text is not None and text.strip()
    ]


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


def _spans(corpus: Corpus, index: Index, whole: str) -> list[dict[str, Any]]:
    """The rarest spans, with what stands around them in their most relevant documents."""
    settings = TraceSettings(keep=1.0, documents=_DOCUMENTS)
    found = trace(corpus, whole, settings=settings, index=index)
    return [
        {
            "start": span.start,
            "end": span.end,
            "text": span.text,
            "tokens": span.tokens,
            "count": span.count,
            "documents": [
                {
                    "id": source.id,
                    "offset": source.offset,
                    "relevance": round(source.relevance, 6),
                    **dict(
                        zip(
                            ("before", "match", "after"),
                            found.context(span, source, _AROUND),
                            strict=True,
                        )
                    ),
                }
                for source in span.documents
            ],
        }
        for span in found.spans[:_SPANS]
    ]


def _tokens(index: Index, model: Model, read: _Read, corpus: Corpus) -> list[dict[str, Any]]:
    said = index.infinity_probabilities(read.tokens)
    models = _model_says(model, read) if read.shared else [None] * len(read.tokens)
    return [
        {
            "id": token,
            "text": text,
            "part": "prompt" if i < read.prompt else "target",
            "corpus": finite(float(said.probability[i])),
            "model": models[i],
            "context": corpus.decode(read.tokens[i - int(said.length[i]) : i])
            if said.length[i]
            else "",
            "context_tokens": int(said.length[i]),
            "context_count": int(said.context_count[i]),
            "count": int(said.count[i]),
        }
        for i, (token, text) in enumerate(zip(read.tokens, read.texts, strict=True))
    ]


def _model_says(model: Model, read: _Read) -> list[float | None]:
    """The model's probability of each token; None for a first one that nothing predicts."""
    first = len(read.before)
    ids = (*read.before, *read.tokens)
    scores = tuple(Score(i - 1, ids[i], 1) for i in range(max(first, 1), len(ids)))
    row = Row(ids[:-1], tuple(range(len(ids) - 1)), len(ids) - 1, scores)
    with torch.no_grad():
        found: list[float | None] = log_probabilities(model, [row]).exp().tolist()
    return [*([None] * (len(read.tokens) - len(found))), *found]


def _next(
    corpus: Corpus, index: Index, read: _Read, model: Model, behavior: Behavior
) -> dict[str, Any]:
    context, (tokens, counts) = _longest_that_goes_on(index, read.tokens[: read.prompt])
    total = int(counts.sum())
    share = {int(t): int(c) / total for t, c in zip(tokens, counts, strict=True)}
    target = read.tokens[read.prompt] if len(read.tokens) > read.prompt else None
    common = list(share)[:_NEXT]
    first, *others = _model_says_next(model, behavior, common if read.shared else [])
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


def _longest_that_goes_on(index: Index, prompt: tuple[int, ...]) -> tuple[Any, Any]:
    """The longest ending of a prompt that something follows, and what does."""
    # The context of one token more is that ending, whichever token it is.
    length = int(index.infinity_probabilities((*prompt, 0)).length[-1])
    context = prompt[len(prompt) - length :]
    return np.array(context, np.int64), index.next(context)


def _model_says_next(model: Model, behavior: Behavior, tokens: list[int]) -> list[float]:
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
