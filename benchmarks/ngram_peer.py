"""The n-gram model beside KenLM's: the probability of every token, from the same tokens.

python benchmarks/ngram_peer.py CORPUS FOLDER_OF_KENLM [--order 3]

Every tenth document is held out; both models are made of the others, one document a sentence.
KenLM's vocabulary is padded to ours, so that both spread the rest of the mass over as many.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from whence.corpus import open_corpus
from whence.corpus.ngrams import fit_ngrams


def lines(corpus, documents):
    bounds = [corpus.offsets[i : i + 2] for i in documents]
    return [" ".join(map(str, corpus.tokens[a:b].tolist())) + "\n" for a, b in bounds]


def kenlm(folder, order, padded, taught, asked, room):
    """Natural logarithms of KenLM's probabilities, and whether it knows the token."""
    arpa = room / "model.arpa"
    make = [folder / "lmplz", "-o", order, "--vocab_pad", padded, "-S", "500M", "-T", room]
    made = "".join(taught)
    with arpa.open("w") as out:
        subprocess.run(
            list(map(str, make)), input=made, stdout=out, stderr=subprocess.DEVNULL,
            text=True, check=True,
        )  # fmt: skip
    said = subprocess.run(
        [str(folder / "query"), "-v", "word", str(arpa)],
        input="".join(asked), capture_output=True, text=True, check=True,
    )  # fmt: skip
    parts = [part for line in said.stdout.splitlines() for part in line.split("\t")]
    entries = [part.split() for part in parts if "=" in part]
    found = [(float(e[2]) * np.log(10), int(e[0].rpartition("=")[2]) != 0) for e in entries]
    return np.array([p for p, _ in found]), np.array([known for _, known in found])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("kenlm", type=Path)
    parser.add_argument("--order", type=int, default=3)
    given = parser.parse_args()
    corpus = open_corpus(given.corpus)
    held = np.arange(corpus.n_documents) % 10 == 9
    asked = np.flatnonzero(held)
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        model = fit_ngrams(corpus, room / "ours", given.order, documents=~held)
        pieces = [corpus.tokens[corpus.offsets[i] : corpus.offsets[i + 1]] for i in asked]
        ours = np.concatenate([model.log_probabilities(piece) for piece in pieces])
        theirs, known = kenlm(
            given.kenlm,
            given.order,
            corpus.vocabulary_size + 2,
            lines(corpus, np.flatnonzero(~held)),
            lines(corpus, asked),
            room,
        )
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    difference = np.abs(ours - theirs)
    print(
        json.dumps(
            {
                "order": given.order,
                "tokens": len(ours),
                "unknown_to_kenlm": int((~known).sum()),
                "largest_difference_nats": float(difference[known].max()),
                "mean_difference_nats": float(difference[known].mean()),
                "largest_difference_unknown": float(difference[~known].max(initial=0)),
                "perplexity": float(np.exp(-ours.mean())),
                "perplexity_kenlm": float(np.exp(-theirs.mean())),
                "discounts": model.record.get("discounts"),
            }
        )
    )


if __name__ == "__main__":
    main()
