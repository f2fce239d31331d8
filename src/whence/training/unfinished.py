"""What a pass back through a run has found so far, kept on disk so that a kill costs minutes.

RUN/.through-run/KEY/step-*    the adjoint before that step, and what was found after it

KEY is made of everything that can change what is found. A finished pass leaves nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from whence.core.arrays import save_array
from whence.core.environment import code_digest
from whence.core.errors import RunError
from whence.core.records import building, check_digests, digest
from whence.training.checkpoints import folder_name
from whence.training.loop import SAVE_EVERY_SECONDS
from whence.training.replay import Replay
from whence.training.run import Run

if TYPE_CHECKING:
    from whence.training.reverse import Reversal, Split

UNFINISHED = ".through-run"


def states_of(run: Run, at: Replay | None) -> dict[int, Path]:
    """The kept states of a run, or of a replay, by step."""
    checkpoints = run.checkpoints if at is None else at.checkpoints
    states = {c.step: c.path for c in checkpoints}
    if at is not None and (at.record["seed"] is not None or 0 not in states):
        raise RunError(
            str(at.path),
            expected="a replay of the run's own seed, with its states in between",
            got="another seed" if at.record["seed"] is not None else "the last state alone",
            fix="Replay with keep_checkpoints=True.",
        )
    return states


def key_of(
    run: Run,
    weights: Float[np.ndarray, " document"],
    finals: Mapping[str, Tensor],
    split: Split | None,
    tokens: bool,
) -> str:
    """A name made of everything that can change what is found."""
    ends = [t.detach().cpu().contiguous() for t in finals.values()]
    record = {
        "run": run.digest,
        "weights": digest(np.ascontiguousarray(weights).tobytes()),
        "finals": [digest(t.view(torch.uint8).numpy().tobytes()) for t in ends],
        "split": None if split is None else list(split.parts),
        "tokens": tokens,
        "code": code_digest(),
    }
    return digest(record).removeprefix("sha256:")[:32]


def go_on(job: Reversal) -> None:
    """Take up what an interrupted pass had found."""
    kept = min(job.place.glob("step-*"), key=lambda p: p.name, default=None)
    if kept is None:
        return
    check_digests(kept)
    tensors = load_file(kept / "adjoint.safetensors", device=job.run.recipe.device)
    for name in ("parameters", "first", "second"):
        ours = getattr(job.adjoint, name)
        setattr(job.adjoint, name, [tensors[f"{name}.{i}"] for i in range(len(ours))])
    job.found = np.load(kept / "found.npy", allow_pickle=False)
    job.at = int(kept.name.removeprefix("step-"))
    job.shown.update(job.run.steps - job.at)


def save_now_and_then(job: Reversal) -> None:
    """Keep what was found so far, if the last time is long ago."""
    if time.perf_counter() - job.saved <= SAVE_EVERY_SECONDS:
        return
    tensors = {
        f"{name}.{i}": tensor.contiguous()
        for name in ("parameters", "first", "second")
        for i, tensor in enumerate(getattr(job.adjoint, name))
    }
    with building(job.place / folder_name(job.at)) as temporary:
        save_file(tensors, temporary / "adjoint.safetensors")
        save_array(temporary / "found.npy", job.found)
    for old in job.place.glob("step-*"):
        if old.name > folder_name(job.at):  # the pass goes backwards
            shutil.rmtree(old, ignore_errors=True)
    job.saved = time.perf_counter()
