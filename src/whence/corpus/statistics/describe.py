"""All the statistics of a corpus in one record, whole and by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from whence.corpus.groups import group_by
from whence.corpus.statistics.characters import CLASSES
from whence.corpus.statistics.duplicates import Duplicates, clusters, find_duplicates
from whence.corpus.statistics.languages import CHARACTERS, PIECES
from whence.corpus.statistics.measures import Measures, measure
from whence.corpus.statistics.ngrams import count_tokens, top_ngrams
from whence.corpus.statistics.personal import PERSONAL
from whence.corpus.statistics.repeats import Copy, Repeats, find_repeats
from whence.corpus.statistics.words import WordCount, fit_zipf
from whence.corpus.store import Corpus

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_SHOWN = 10
_CHARACTERS_SHOWN = 160
_RANKS = 40


@dataclass(frozen=True, slots=True)
class DescribeSettings:
    """What to count.

    Attributes:
        by: a metadata field; every measure is then told for each of its values too.
        ngrams: lengths of the n-grams whose most frequent ones are listed.
        top: how many n-grams and words are listed.
        near: near copies share at least this much of their runs of five words.
        repeat: stretches of at least this many tokens count as repeated.
        languages: tell languages (an extra).
    """

    by: str | None = None
    ngrams: tuple[int, ...] = (1, 2, 3, 5)
    top: int = 20
    near: float = 0.8
    repeat: int = 32
    languages: bool = False


def describe(corpus: Corpus, settings: DescribeSettings | None = None) -> dict[str, Any]:
    """Count a corpus through and through.

    Texts are streamed; in memory are a row of numbers for each document, the kinds of words,
    and two bytes a token while repeats are looked for.

    Returns:
        A record of plain values; `whole` and each of `slices` have the same fields.

    Raises:
        CorpusError: there is no such metadata field.
        MissingExtraError: languages are asked for, and py3langid is not installed.
    """
    settings = settings or DescribeSettings()
    names, slice_of = _slices(corpus, settings.by)
    whole, parts = WordCount(), [WordCount() for _ in names]

    def count(document: int, found: list[str]) -> None:
        whole.add(found)
        if slice_of[document] >= 0:
            parts[slice_of[document]].add(found)

    measures = measure(corpus, languages=settings.languages, hear=count)
    duplicates = find_duplicates(corpus, settings.near)
    repeats = find_repeats(corpus, settings.repeat, _SHOWN)
    everything = np.ones(corpus.n_documents, bool)
    row = _Rows(measures, duplicates, repeats, settings.top)
    return {
        "whence": "statistics",
        "version": 1,
        "corpus": {"path": str(corpus.path), "digest": corpus.digest},
        "settings": {**asdict(settings), "ngrams": list(settings.ngrams)},
        "language_sample": {"pieces": PIECES, "characters": CHARACTERS},
        "whole": row.tell(everything, whole),
        "tokens": _tokens(corpus),
        "ngrams": {str(n): _ngrams(corpus, n, settings.top) for n in settings.ngrams},
        "personal_examples": measures.examples,
        "duplicate_clusters": _clusters(corpus, duplicates),
        "longest_copies": [_copy(corpus, copy) for copy in repeats.longest],
        "by": settings.by,
        "slices": {
            name: row.tell(slice_of == k, part)
            for k, (name, part) in enumerate(zip(names, parts, strict=True))
        },
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What is known of each document, to be summed up over any of them."""

    measures: Measures
    duplicates: Duplicates
    repeats: Repeats
    top: int

    def tell(self, chosen: Bool[np.ndarray, " document"], words: WordCount) -> dict[str, Any]:
        some = self.measures.of(chosen)
        others = np.arange(len(chosen))[chosen]
        characters = some.characters.sum(axis=0)
        return {
            "documents": int(chosen.sum()),
            "tokens": int(some.tokens.sum()),
            "bytes": int(some.bytes.sum()),
            "lengths": {"tokens": _spread(some.tokens), "bytes": _spread(some.bytes)},
            "words": _words(words, self.top),
            "characters": dict(zip(CLASSES, characters.tolist(), strict=True)),
            "languages": _languages(some),
            "personal": _personal(some),
            "duplicates": {
                "equal": int((self.duplicates.equal[chosen] != others).sum()),
                "near": int((self.duplicates.near[chosen] != others).sum()),
                "threshold": self.duplicates.threshold,
            },
            "repeats": {
                "length": self.repeats.length,
                "tokens": int(self.repeats.repeated[chosen].sum()),
                "copied": int(self.repeats.copied[chosen].sum()),
            },
        }


def _slices(corpus: Corpus, by: str | None) -> tuple[list[str], Int64[np.ndarray, " document"]]:
    slice_of = np.full(corpus.n_documents, -1, np.int64)
    groups: Mapping[str, Sequence[int]] = group_by(corpus, by) if by is not None else {}
    for k, documents in enumerate(groups.values()):
        slice_of[list(documents)] = k
    return list(groups), slice_of


def _spread(values: Int64[np.ndarray, " document"]) -> dict[str, Any]:
    found = np.quantile(values, QUANTILES) if len(values) else np.zeros(len(QUANTILES))
    power, counts = np.unique(np.floor(np.log2(values)).astype(int), return_counts=True)
    return {
        "mean": float(values.mean()) if len(values) else 0.0,
        "quantiles": {str(q): float(v) for q, v in zip(QUANTILES, found, strict=True)},
        "bins": [
            [1 << k, (2 << k) - 1, n] for k, n in zip(power.tolist(), counts.tolist(), strict=True)
        ],
    }


def _words(counted: WordCount, top: int) -> dict[str, Any]:
    growth, frequencies = counted.growth(), counted.frequencies()
    tail = fit_zipf(frequencies)
    ranks = np.unique(np.geomspace(1, max(1, len(frequencies)), _RANKS).astype(int))
    ranked = sorted(counted.kinds.items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "read": counted.read,
        "kinds": len(counted.kinds),
        "once": int((frequencies == 1).sum()),
        "top": [{"word": word, "count": count} for word, count in ranked[:top]],
        "growth": {**asdict(growth), "read": list(growth.read), "kinds": list(growth.kinds)},
        "ranks": [[int(r), int(frequencies[r - 1])] for r in ranks if r <= len(frequencies)],
        "zipf": None if tail is None else asdict(tail),
    }


def _languages(some: Measures) -> dict[str, dict[str, int]] | None:
    if not some.languages:
        return None
    codes, where = np.unique(np.array(some.languages), return_inverse=True)
    documents = np.bincount(where)
    tokens = np.bincount(where, weights=some.tokens).astype(np.int64)
    return {
        str(codes[k]): {"documents": int(documents[k]), "tokens": int(tokens[k])}
        for k in np.argsort(-documents, kind="stable")
    }


def _personal(some: Measures) -> dict[str, dict[str, int]]:
    return {
        kind: {"matches": int(column.sum()), "documents": int((column > 0).sum())}
        for kind, column in zip(PERSONAL, some.personal.T, strict=True)
    }


def _tokens(corpus: Corpus) -> dict[str, int]:
    counts = count_tokens(corpus)
    used = int((counts > 0).sum())
    return {"vocabulary": corpus.vocabulary_size, "used": used, "once": int((counts == 1).sum())}


def _ngrams(corpus: Corpus, n: int, top: int) -> list[dict[str, Any]]:
    return [
        {"tokens": list(g.tokens), "text": corpus.decode(g.tokens), "count": g.count}
        for g in top_ngrams(corpus, n, top)
    ]


def _clusters(corpus: Corpus, duplicates: Duplicates) -> dict[str, Any]:
    told = {}
    for name, first in (("equal", duplicates.equal), ("near", duplicates.near)):
        found = clusters(first)
        told[name] = {
            "clusters": len(found),
            "largest": [
                {"documents": len(group), "first": [corpus.ids[i] for i in group[:5]]}
                for group in found[:_SHOWN]
            ],
        }
    return told


def _copy(corpus: Corpus, copy: Copy) -> dict[str, Any]:
    start = int(corpus.offsets[copy.document]) + copy.offset
    text = corpus.decode(corpus.tokens[start : start + copy.tokens])
    return {
        "tokens": copy.tokens,
        "text": text[:_CHARACTERS_SHOWN],
        "document": corpus.ids[copy.document],
        "offset": copy.offset,
        "original": corpus.ids[copy.original],
        "original_offset": copy.original_offset,
    }
