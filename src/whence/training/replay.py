"""A replay: the same training with other document weights, opened from its folder.

RUN/replays/KEY/
    replay.json      run, weights, start, seed
    weights.npy      one weight a document
    journal.jsonl    all steps, those before the start copied from the run
    model/           the last state, as a checkpoint
    checkpoints/     the states in between, when they were asked for
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from whence.core.errors import DamagedError
from whence.core.records import check_sizes, manifest, read_json
from whence.models import Model, open_model
from whence.training.checkpoints import Checkpoint
from whence.training.journal import JOURNAL, read_journal

RECORD = "replay.json"
WEIGHTS = "weights.npy"
MODEL = "model"


@dataclass(frozen=True, eq=False, slots=True)
class Replay:
    """One training with other document weights.

    Attributes:
        path: its folder.
        record: `replay.json`.
        checkpoints: kept states, the run's own up to the start; only the last when states in
            between were not asked for.
    """

    path: Path
    record: dict[str, Any]
    checkpoints: tuple[Checkpoint, ...]

    @property
    def weights_digest(self) -> str:
        """Digest of the weights."""
        return str(self.record["weights"])

    @property
    def weights(self) -> Float[np.ndarray, " document"]:
        """The loss weight of each document."""
        found: Float[np.ndarray, " document"] = np.load(self.path / WEIGHTS, allow_pickle=False)
        return found

    @property
    def start(self) -> int:
        """The step from whose state it started."""
        return int(self.record["start"])

    @property
    def model_digest(self) -> str:
        """Digest of the final weights' file; equal to the run's exactly when the bytes are."""
        return str(manifest(self.path / MODEL)["model.safetensors"]["digest"])

    def model(self) -> Model:
        """The model that the training ended with."""
        return open_model(self.path / MODEL)

    def journal(self) -> list[dict[str, Any]]:
        """The record of each step."""
        return read_journal(self.path / JOURNAL)


def open_replay(path: Path, before: tuple[Checkpoint, ...] = ()) -> Replay:
    """Open a finished replay.

    Args:
        path: its folder.
        before: the run's checkpoints.

    Raises:
        DamagedError: a file is missing or truncated.
    """
    try:
        check_sizes(path)
        record = read_json(path / RECORD)
    except DamagedError as error:
        raise DamagedError(
            error.place,
            expected=error.expected,
            got=error.got,
            fix=f"Delete {path}: the replay is made again when it is needed.",
        ) from None
    rates = {c.step: c.learning_rate for c in before}
    last = max(rates, default=0)
    own = [
        (int(p.name.removeprefix("step-")), p)
        for p in sorted((path / "checkpoints").glob("step-*"))
    ]
    own.append((record["steps"], path / MODEL))
    nan = float("nan")
    kept = [c for c in before if c.step <= record["start"] and record["keep_checkpoints"]]
    kept += [Checkpoint(step, p, rates.get(step, rates.get(last, nan))) for step, p in own]
    return Replay(path, record, tuple(kept))
