"""TRAK of traker, one checkpoint, on handed-over files.

    PEER/bin/python benchmarks/documents_peer_traker.py DIR/text-smooth-handoff

In an environment of its own: `pip install torch==2.13.0 traker==0.3.2 transformers`. The output of
a sequence is the mean log-odds of its predicted tokens. Without a GPU the library's only projector
is the plain one, whose matrix is held whole: hence at most 512 dimensions.
"""

from __future__ import annotations

import tempfile

import torch
from documents_peer import (
    NOTHING,
    Clock,
    Documents,
    Queries,
    arguments,
    dimensions,
    open_model,
    write,
)
from torch.utils.data import DataLoader
from trak import TRAKer
from trak.modelout_functions import AbstractModelOutput
from trak.projectors import BasicSingleBlockProjector, ProjectionType


class NextTokens(AbstractModelOutput):
    def __init__(self):
        super().__init__()

    @staticmethod
    def get_output(model, weights, buffers, ids, targets):
        arguments = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
        found = torch.func.functional_call(
            model, (weights, buffers), kwargs={**arguments, "use_cache": False}
        ).logits[0]
        said = targets != NOTHING
        log_p = found.log_softmax(-1).gather(1, targets.clamp(min=0)[:, None])[:, 0]
        odds = log_p - torch.log1p(-log_p.exp().clamp(max=1 - 1e-6))
        return (odds * said).sum() / said.sum()

    def get_out_to_loss_grad(self, model, weights, buffers, batch):
        ids, targets = batch
        with torch.no_grad():
            arguments = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            found = torch.func.functional_call(
                model, (weights, buffers), kwargs={**arguments, "use_cache": False}
            ).logits
            said = targets != NOTHING
            p = found.softmax(-1).gather(2, targets.clamp(min=0)[..., None])[..., 0]
            return (((1 - p) * said).sum(1) / said.sum(1))[:, None]


class Kept(BasicSingleBlockProjector):
    """The library frees the matrix before targets are scored, and does not make it again."""

    def free_memory(self) -> None:
        pass


def main() -> None:
    chosen = arguments()
    place = chosen.place
    documents, queries = Documents(place), Queries(place, chosen.behaviors)
    model = open_model(place)
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        count = sum(p.numel() for p in model.parameters())
        projector = Kept(
            grad_dim=count,
            proj_dim=dimensions(documents),
            seed=0,
            proj_type=ProjectionType.rademacher,
            device="cpu",
        )
        traker = TRAKer(
            model=model,
            task=NextTokens(),
            train_set_size=len(documents),
            save_dir=folder,
            device="cpu",
            projector=projector,
            proj_dim=dimensions(documents),
            use_half_precision=False,
        )
        state = model.state_dict()
        traker.load_checkpoint(state, model_id=0)
        for batch in DataLoader(documents, batch_size=16):
            traker.featurize((batch["ids"], batch["targets"]), num_samples=len(batch["ids"]))
        traker.finalize_features()
        traker.start_scoring_checkpoint("queries", state, 0, num_targets=len(queries))
        for batch in DataLoader(queries, batch_size=16):
            traker.score((batch["ids"], batch["targets"]), num_samples=len(batch["ids"]))
        values = traker.finalize_scores("queries").T
        write(place, "traker-trak", queries.by_behavior(values), "traker", clock)


if __name__ == "__main__":
    main()
