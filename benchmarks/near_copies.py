"""How many near copies are found: edited copies planted among documents, against all pairs.

python benchmarks/near_copies.py FILE.jsonl... [--documents 300] [--threshold 0.8]
"""

import argparse
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np

from whence.corpus import BuildSettings, RawDocument, build_from_documents, near_duplicates
from whence.corpus.sketches import Sketcher, candidates, shingles


def pieces(paths, count, random):
    """Stretches of real text, of 20 to 2,000 words."""
    lines = [line for path in paths for line in Path(path).read_text().splitlines()]
    words = [word for line in lines for word in json.loads(line)["text"].split()]
    lengths = np.geomspace(20, 2000, count).astype(int)
    starts = random.integers(0, len(words) - 2000, count)
    return [words[s : s + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True)]


def edited(words, share, random):
    changed = list(words)
    for k in np.flatnonzero(random.random(len(words)) < share).tolist():
        changed[k] = f"edit{random.integers(0, 1000)}"
    return changed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+")
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--threshold", type=float, default=0.8)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    base = pieces(given.files, given.documents, random)
    # A changed word changes five runs: these shares lie on both sides of the threshold.
    shares = random.uniform(0, (1 - given.threshold) / 4, len(base))
    copies = [edited(words, share, random) for words, share in zip(base, shares, strict=True)]
    texts = [" ".join(words) for words in [*base, *copies]]
    runs = [shingles(text) for text in texts]
    near = {
        (i, j)
        for i, j in itertools.combinations(range(len(texts)), 2)
        if len(runs[i] & runs[j]) >= given.threshold * len(runs[i] | runs[j])
    }
    sketches = np.array([Sketcher()(text) for text in texts])
    offered = set(candidates(sketches, given.threshold))
    with tempfile.TemporaryDirectory() as name:
        documents = (RawDocument(f"d{i}", text) for i, text in enumerate(texts))
        settings = BuildSettings(tokenizer="bytes")
        corpus = build_from_documents(documents, Path(name) / "c", settings)
        joined = {
            pair
            for group in near_duplicates(corpus, given.threshold)
            for pair in itertools.combinations(group, 2)
        }
    record = {"documents": len(texts), "near": len(near), "offered": len(offered)}
    print(json.dumps({**record, "found": len(near & joined), "joined": len(joined)}))


if __name__ == "__main__":
    main()
