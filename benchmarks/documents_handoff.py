"""A setting as plain files, for peers that live in environments of their own.

    python benchmarks/documents_handoff.py --setting text --folder DIR

DIR/text-smooth-handoff/
    model/           the last checkpoint, as Hugging Face writes it
    start/           the first one, before any update
    training.json    what lies between: the recipe, and the documents in the order of the first pass
    documents.npz    ids: all documents' tokens, framed as in training; offsets: where each begins
    queries.json     for each behavior its sequences: ids, where its continuation begins, and sign
    ids.json         document ids

A peer writes NAME/values.npy (behavior x document; positive: the document supports the behavior)
and NAME/scores.json (method, version, seconds, peak_mb) beside them; `documents_judged.py` reads
that.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from documents_settings import Setting, options, setting

from whence.core.records import write_json
from whence.models import encode
from whence.training import Run
from whence.training.pieces import piece_tokens, pieces


def main() -> None:
    parser = options()
    parser.description = __doc__
    chosen = parser.parse_args()
    found = setting(chosen.setting, chosen.recipe, chosen.folder, chosen.size)
    place = chosen.folder / f"{chosen.setting}-{chosen.recipe}-handoff"
    hand_over(found, place)
    print(place)


def hand_over(found: Setting, place: Path) -> None:
    run, corpus = found.run, found.run.corpus()
    shutil.copytree(run.checkpoint().path, place / "model", dirs_exist_ok=True)
    shutil.copytree(run.checkpoint(0).path, place / "start", dirs_exist_ok=True)
    write_json(place / "training.json", training(run))
    whole = pieces(corpus, run.recipe.context)
    if len(whole) != corpus.n_documents:
        raise SystemExit("a document is longer than the context: peers take one sequence each")
    ids, lengths = piece_tokens(corpus, whole), whole.lengths
    np.savez(place / "documents.npz", ids=ids, offsets=np.concatenate([[0], np.cumsum(lengths)]))
    model = run.model()
    rows = []
    for encoded in (encode(model, behavior) for behavior in found.behaviors):
        ends = [(encoded.target_ids, 1), (encoded.foil_ids, -1)]
        rows.append(
            [
                {
                    "ids": [*encoded.prompt_ids, *end],
                    "first": len(encoded.prompt_ids),
                    "sign": sign,
                }
                for end, sign in ends
                if end is not None
            ]
        )
    write_json(place / "queries.json", rows)
    write_json(place / "ids.json", list(corpus.ids))


def training(run: Run) -> dict[str, Any]:
    """What a peer that trains for itself needs to do as the run did."""
    order = run.order
    first_pass = order.document[: len(set(order.document.tolist()))]
    return {
        "recipe": run.recipe.to_json(),
        "steps": run.steps,
        "warmup_steps": run.plan.warmup,
        "documents_a_step": round(len(order) / run.steps),
        "first_pass": [int(i) for i in first_pass],
    }


if __name__ == "__main__":
    main()
