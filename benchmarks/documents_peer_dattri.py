"""TRAK of dattri, one checkpoint, on handed-over files.

    PEER/bin/python benchmarks/documents_peer_dattri.py DIR/text-smooth-handoff

In an environment of its own: `pip install torch==2.13.0 dattri==0.3.0 transformers`. The output of
a sequence is the mean log-odds of its predicted tokens, its probability their mean probability.
"""

from __future__ import annotations

import torch
from dattri.algorithm.trak import TRAKAttributor
from dattri.task import AttributionTask
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


class Pairs(torch.utils.data.Dataset):
    """Ids and targets as a tuple, which is what the library takes."""

    def __init__(self, inner):
        self.inner = inner

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, i):
        found = self.inner[i]
        return found["ids"], found["targets"]


def main() -> None:
    chosen = arguments()
    place = chosen.place
    documents, queries = Documents(place), Queries(place, chosen.behaviors)
    model = open_model(place)

    def log_p(parameters, data):
        ids, targets = data
        given = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
        found = torch.func.functional_call(
            model, parameters, kwargs={**given, "use_cache": False}
        ).logits[0]
        said = targets != NOTHING
        return found.log_softmax(-1).gather(1, targets.clamp(min=0)[:, None])[:, 0], said

    def odds(parameters, data):
        found, said = log_p(parameters, data)
        return ((found - torch.log1p(-found.exp().clamp(max=1 - 1e-6))) * said).sum() / said.sum()

    def probability(parameters, data):
        found, said = log_p(parameters, data)
        return (found.exp() * said).sum() / said.sum()

    clock = Clock()
    task = AttributionTask(loss_func=odds, model=model, checkpoints=model.state_dict())
    trak = TRAKAttributor(
        task=task,
        correct_probability_func=probability,
        device="cpu",
        projector_kwargs={"device": "cpu", "proj_dim": dimensions(documents)},
    )
    trak.cache(DataLoader(Pairs(documents), batch_size=16, shuffle=False))
    with torch.no_grad():
        found = trak.attribute(DataLoader(Pairs(queries), batch_size=16, shuffle=False))
    write(place, "dattri-trak", queries.by_behavior(found.T.numpy()), "dattri", clock)


if __name__ == "__main__":
    main()
