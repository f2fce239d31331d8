"""MAGIC of bergson: the derivative through a training of its own, on handed-over files.

    PEER/bin/python benchmarks/documents_peer_magic.py DIR/text-smooth-handoff --behaviors 16

In an environment of its own: `pip install bergson==2.5.1`. It cannot read a recorded training, so
it trains again, from the same weights by the same recipe as far as its trainer goes: one document
a row (where ours packs short ones), a cosine that ends at 0 (ours at a tenth), and weight decay
of norms too. With one pass its steps hold the same documents as ours. The slope is at weights 1.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
from bergson.config.config import DataConfig, LRScheduleConfig, QuerySetConfig
from bergson.data import load_scores
from bergson.magic.cli import run_magic
from bergson.magic.config import MagicConfig
from datasets import Dataset
from documents_peer import Clock, Documents, Queries, arguments, write
from documents_peer_bergson import sequences

SEED = 42


def main() -> None:
    chosen = arguments()
    place = chosen.place
    os.environ["WANDB_MODE"] = "disabled"
    documents, queries = Documents(place), Queries(place, chosen.behaviors)
    training = json.loads((place / "training.json").read_text())
    handed = before_shuffling(training["first_pass"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [(documents.rows[i].tolist(), 1) for i in handed]
        data = sequences(rows, folder / "documents")
        asked = sequences([(row["ids"], row["first"]) for row in queries.rows], folder / "queries")
        clock = Clock()
        run_magic(settings(training, str(place / "start"), data, asked, folder / "run"))
        slopes = np.asarray(load_scores(folder / "run" / "scores")[:], dtype=np.float64)
        values = np.zeros((len(queries), len(documents)))
        values[:, handed] = -slopes.T  # of losses, which fall where a document supports
        values *= np.array([len(row["ids"]) - row["first"] for row in queries.rows])[:, None]
        write(place, "bergson-magic", queries.by_behavior(values), "bergson", clock)


def before_shuffling(wanted: list[int]) -> list[int]:
    """The order in which documents must be given for the library's shuffle to make this one."""
    places = Dataset.from_dict({"i": range(len(wanted))}).shuffle(seed=SEED)["i"]
    given = [0] * len(wanted)
    for place, document in zip(places, wanted, strict=True):
        given[place] = document
    return given


def settings(training: dict, start: str, data: str, asked: str, place: Path) -> MagicConfig:
    recipe = training["recipe"]
    return MagicConfig(
        run_path=str(place),
        model=start,
        data=DataConfig(dataset=data),
        query=QuerySetConfig(dataset=asked, aggregation="none"),
        lr_schedule=LRScheduleConfig(
            lr=recipe["learning_rate"],
            lr_scheduler_type=recipe["schedule"],
            warmup_steps=training["warmup_steps"],
        ),
        batch_size=training["documents_a_step"],
        num_epochs=round(recipe["epochs"]),
        seed=SEED,
        adam_beta1=recipe["betas"][0],
        adam_beta2=recipe["betas"][1],
        adam_eps=0.0,
        eps_root=recipe["epsilon"],
        weight_decay=recipe["weight_decay"],
        max_grad_norm=recipe["clip"],
        wandb_project="",
    )


if __name__ == "__main__":
    main()
