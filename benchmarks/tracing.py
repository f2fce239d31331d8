"""How long tracing takes, and an n-gram model.

    python benchmarks/tracing.py CORPUS [--tokens 256] [--texts 50] [--order 5]

Texts are put together from pieces of the corpus's own documents, eight to a text, so that each
holds long spans. Prints JSON: milliseconds a text (median, 90th percentile), warm, for the spans
alone, the whole trace and one with near-verbatim matches; seconds and bytes of an n-gram model;
microseconds a token of its perplexity. Thread and core counts are the machine's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from whence.core.seeds import generator
from whence.corpus import Corpus, TraceSettings, fit_ngrams, open_corpus, perplexity, trace
from whence.corpus.trace.spans import candidates

PIECES = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--tokens", type=int, default=256, help="of a text")
    parser.add_argument("--texts", type=int, default=50)
    parser.add_argument("--order", type=int, default=5)
    options = parser.parse_args()
    corpus = open_corpus(options.corpus)
    texts = made(corpus, options.texts, options.tokens)
    index, plain, near = corpus.index(), TraceSettings(), TraceSettings(edits=2)
    found = {
        "corpus tokens": corpus.n_tokens,
        "spans": milliseconds(texts, lambda t: candidates(corpus, index, t, plain)),
        "trace": milliseconds(texts, lambda t: trace(corpus, t)),
        "trace with near matches": milliseconds(texts, lambda t: trace(corpus, t, settings=near)),
        "n-grams": ngrams(corpus, options.order, texts),
    }
    print(json.dumps(found, indent=1))


def made(corpus: Corpus, count: int, tokens: int) -> list[str]:
    """Texts of pieces of documents."""
    rng = generator(0, "texts")
    long = np.flatnonzero(corpus.lengths > tokens // PIECES)
    texts = []
    for _ in range(count):
        pieces = []
        for which in rng.choice(long, PIECES).tolist():
            there = corpus.document(which).tokens
            start = int(rng.integers(len(there) - tokens // PIECES))
            pieces.append(corpus.decode(there[start : start + tokens // PIECES]))
        texts.append("".join(pieces))
    return texts


def milliseconds(texts: Sequence[str], work: Callable[[str], Any]) -> dict[str, float]:
    """Of one text, each seen once before."""
    for text in texts[:5]:
        work(text)
    taken = []
    for text in texts:
        start = time.perf_counter()
        work(text)
        taken.append(1e3 * (time.perf_counter() - start))
    return {"median": float(np.median(taken)), "p90": float(np.percentile(taken, 90))}


def ngrams(corpus: Corpus, order: int, texts: Sequence[str]) -> dict[str, Any]:
    """Making a model, and using it."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        model = fit_ngrams(corpus, Path(folder) / "model", order)
        seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in model.path.iterdir())
        start = time.perf_counter()
        found = perplexity(corpus, model, texts)
        each = 1e6 * (time.perf_counter() - start) / found.tokens
    return {
        "order": order,
        "seconds": seconds,
        "bytes": size,
        "kinds": model.record["ngrams"],
        "microseconds a token": each,
    }


if __name__ == "__main__":
    main()
