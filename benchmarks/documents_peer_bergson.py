"""EK-FAC of bergson, with its own defaults, on handed-over files.

    PEER/bin/python benchmarks/documents_peer_bergson.py DIR/text-smooth-handoff

In an environment of its own: `pip install bergson==2.5.1`. It covers linear layers; embeddings,
norms and the output layer it leaves out.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from bergson.config.config import (
    DataConfig,
    HessianConfig,
    HessianPipelineConfig,
    IndexConfig,
    PreprocessConfig,
    QuerySetConfig,
    ScoreConfig,
)
from bergson.data import load_scores
from bergson.hessians.pipeline import hessian_pipeline
from datasets import Dataset
from documents_peer import Clock, Documents, Queries, arguments, write


def sequences(rows, place: Path) -> str:
    """Token ids and labels as a dataset on disk; labels stand at the token that is predicted."""
    made = {"input_ids": [], "labels": [], "length": []}
    for ids, first in rows:
        made["input_ids"].append(ids)
        made["labels"].append([-100] * first + ids[first:])
        made["length"].append(len(ids))
    Dataset.from_dict(made).save_to_disk(str(place))
    return str(place)


def main() -> None:
    chosen = arguments()
    place = chosen.place
    documents, queries = Documents(place), Queries(place, chosen.behaviors)
    positions = json.loads((place / "model" / "config.json").read_text())["max_position_embeddings"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = sequences([(row.tolist(), 1) for row in documents.rows], folder / "documents")
        asked = sequences([(row["ids"], row["first"]) for row in queries.rows], folder / "queries")
        clock = Clock()
        index = IndexConfig(
            run_path=str(folder / "run"),
            model=str(place / "model"),
            data=DataConfig(dataset=data),
            token_batch_size=positions,  # it takes no more than one row of the model at a time
        )
        hessian_pipeline(
            index,
            HessianConfig(method="kfac", ev_correction=True),
            ScoreConfig(),
            PreprocessConfig(),
            HessianPipelineConfig(query=QuerySetConfig(dataset=asked, aggregation="none")),
        )
        values = np.asarray(load_scores(folder / "run" / "scores")[:], dtype=np.float64).T
        write(place, "bergson-ekfac", queries.by_behavior(values), "bergson", clock)


if __name__ == "__main__":
    main()
