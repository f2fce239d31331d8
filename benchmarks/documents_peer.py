"""What every peer's script shares: reading the handed-over files and writing scores.

Imports nothing of Whence, so that it runs in any peer's environment.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM

NOTHING = -100


class Documents(Dataset):
    """One sequence a document, padded to the longest."""

    def __init__(self, place: Path) -> None:
        found = np.load(place / "documents.npz")
        ids, offsets = torch.from_numpy(found["ids"]), found["offsets"]
        self.rows = [ids[a:b] for a, b in pairwise(offsets)]
        self.longest = max(map(len, self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        row = self.rows[i]
        ids = torch.zeros(self.longest, dtype=torch.long)
        targets = torch.full((self.longest,), NOTHING)
        ids[: len(row)] = row
        targets[: len(row) - 1] = row[1:]
        seen = (torch.arange(self.longest) < len(row)).long()
        return {"ids": ids, "targets": targets, "seen": seen}


class Queries(Dataset):
    """One continuation of a behavior; a behavior with a foil has two, of opposite signs."""

    def __init__(self, place: Path, behaviors: int | None = None) -> None:
        behaviors = json.loads((place / "queries.json").read_text())[:behaviors]
        self.rows = [row for rows in behaviors for row in rows]
        self.owner = np.array([b for b, rows in enumerate(behaviors) for _ in rows])
        self.signs = np.array([row["sign"] for row in self.rows])
        self.behaviors = len(behaviors)
        self.longest = max(len(row["ids"]) for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        row, first = self.rows[i]["ids"], self.rows[i]["first"]
        ids = torch.zeros(self.longest, dtype=torch.long)
        targets = torch.full((self.longest,), NOTHING)
        ids[: len(row)] = torch.tensor(row)
        targets[first - 1 : len(row) - 1] = ids[first : len(row)]
        seen = (torch.arange(self.longest) < len(row)).long()
        return {"ids": ids, "targets": targets, "seen": seen}

    def by_behavior(self, values: np.ndarray) -> np.ndarray:
        """Scores of behaviors from those of their continuations: a foil's count against it."""
        found = np.zeros((self.behaviors, values.shape[1]))
        np.add.at(found, self.owner, values * self.signs[:, None])
        return found


def logits(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """A causal model cannot see the padding behind a row, so none needs a mask."""
    return model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits


def loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Of documents or queries: the sum over what is predicted, nats."""
    found = logits(model, batch["ids"]).flatten(0, 1)
    return torch.nn.functional.cross_entropy(
        found, batch["targets"].flatten(), reduction="sum", ignore_index=NOTHING
    )


def dimensions(documents: Documents) -> int:
    """Of TRAK's random space: fewer than documents, or its kernel has no inverse."""
    return min(512, len(documents) // 2)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path, help="folder that documents_handoff.py wrote")
    parser.add_argument("--behaviors", type=int, default=None, help="the first so many")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    return chosen


def open_model(place: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(place / "model", attn_implementation="eager").eval()


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), processor_seconds()


def processor_seconds() -> float:
    """Of this process and of those that it started and waited for."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def write(place: Path, name: str, values: np.ndarray, package: str, clock: Clock, **more) -> None:
    """Write scores, positive where the document supports the behavior."""
    folder = place / name
    folder.mkdir(exist_ok=True)
    np.save(folder / "values.npy", values.astype(np.float64))
    record = {
        "method": name,
        "version": version(package),
        "seconds": time.perf_counter() - clock.wall,
        "processor_seconds": processor_seconds() - clock.cpu,
        "peak_mb": max(
            resource.getrusage(who).ru_maxrss * 1024 / 1e6
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ),
        **more,
    }
    (folder / "scores.json").write_text(json.dumps(record, indent=1))
    print(json.dumps(record))
