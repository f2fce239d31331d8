"""EK-FAC of kronfluence, with its own defaults, on handed-over files.

    PEER/bin/python benchmarks/documents_peer_kronfluence.py DIR/text-smooth-handoff

In an environment of its own: `pip install torch==2.13.0 kronfluence==1.0.1 transformers`.
It covers linear layers; embeddings and norms it leaves out.
"""

from __future__ import annotations

import tempfile

import torch
from documents_peer import Clock, Documents, Queries, arguments, logits, loss, open_model, write
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task


class Language(Task):
    def compute_train_loss(self, batch, model, sample=False):
        if not sample:
            return loss(model, batch)
        found = logits(model, batch["ids"]).flatten(0, 1)
        with torch.no_grad():
            drawn = torch.multinomial(found.softmax(-1), 1).flatten()
            drawn[batch["targets"].flatten() < 0] = -100
        return torch.nn.functional.cross_entropy(found, drawn, reduction="sum")

    def compute_measurement(self, batch, model):
        return loss(model, batch)

    def get_influence_tracked_modules(self):
        return None

    def get_attention_mask(self, batch):
        return batch["seen"]


def main() -> None:
    chosen = arguments()
    place = chosen.place
    documents, queries = Documents(place), Queries(place, chosen.behaviors)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        task = Language()
        model = prepare_model(open_model(place), task)
        analyzer = Analyzer("ekfac", model, task, cpu=True, output_dir=folder, disable_tqdm=True)
        analyzer.fit_all_factors(
            "ekfac",
            documents,
            per_device_batch_size=16,
            factor_args=FactorArguments(strategy="ekfac"),
        )
        analyzer.compute_pairwise_scores(
            "scores",
            "ekfac",
            queries,
            documents,
            per_device_query_batch_size=8,
            per_device_train_batch_size=16,
            score_args=ScoreArguments(),
        )
        values = analyzer.load_pairwise_scores("scores")["all_modules"].numpy()
        write(place, "kronfluence-ekfac", queries.by_behavior(values), "kronfluence", clock)


if __name__ == "__main__":
    main()
