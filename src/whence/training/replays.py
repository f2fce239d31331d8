"""Training again with other document weights.

The weight of a document acts from the first step that sees the document. Up to there a
replay repeats the run bit by bit, so it starts from the run's last checkpoint before, and
copies the journal up to it. A finished replay is sealed under a key made of everything
that can change it, and is never made twice; an interrupted one goes on where it stopped.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from whence.core.arrays import save_array
from whence.core.environment import versions
from whence.core.errors import RunError
from whence.core.locks import hold
from whence.core.records import building, digest, write_bytes, write_json
from whence.training.architectures import build_module
from whence.training.checkpoints import State, folder_name, load_checkpoint
from whence.training.journal import JOURNAL
from whence.training.loop import CHECKPOINTS, Task, advance, finish, latest, resume
from whence.training.numerics import DTYPES, machine, numerics
from whence.training.order import Order, draw_order
from whence.training.pieces import pieces
from whence.training.replay import MODEL, RECORD, WEIGHTS
from whence.training.run import REPLAYS, Run
from whence.training.stacked import whole_batches

PROBED = 4
"""Steps that are compared where a run comes from another machine or other versions."""


@dataclass(frozen=True, eq=False, slots=True)
class Wanted:
    """One replay, fully said.

    Attributes:
        weights: one a document.
        start: step of the run's checkpoint it starts from.
        late: whether weights act only from `start` on although they matter earlier.
        seed: of another initialisation and order, or None.
        keep_checkpoints: keep the states in between.
        stacked: made in a stack whose bits are not those of a replay made alone.
    """

    weights: Float[np.ndarray, " document"]
    start: int
    late: bool
    seed: int | None
    keep_checkpoints: bool
    stacked: bool = False

    def record(self, run: Run) -> dict[str, Any]:
        """What is written to `replay.json`."""
        return {
            "whence": "replay",
            "version": 1,
            "run": run.digest,
            "weights": digest(np.ascontiguousarray(self.weights).tobytes()),
            "changed": int((self.weights != 1).sum()),
            "start": self.start,
            "late": self.late,
            "seed": self.seed,
            "keep_checkpoints": self.keep_checkpoints,
            "steps": run.steps,
            **({"stacked": True} if self.stacked else {}),
        }

    def place(self, run: Run) -> Path:
        """Where it is, or will be, kept; an early start changes nothing, so it is no key."""
        record = self.record(run)
        if not self.late:
            del record["start"]
        key = digest(record).removeprefix("sha256:")[:32]
        return run.path / REPLAYS / key


def want(
    run: Run,
    weights: Float[np.ndarray, " given"],
    first_steps: Int[np.ndarray, " document"],
    *,
    start: int | None,
    seed: int | None,
    keep_checkpoints: bool,
) -> Wanted:
    """Choose where a replay starts.

    Raises:
        RunError: the weights do not fit, or no state of the start was kept.
    """
    weights = np.ascontiguousarray(weights, dtype=np.float64)
    if weights.shape != first_steps.shape or not np.isfinite(weights).all():
        raise RunError(
            "weights",
            expected=f"a finite number for each of {len(first_steps)} documents",
            got=f"shape {weights.shape}"
            + ("" if np.isfinite(weights).all() else " with numbers that are not finite"),
            fix="Give 1 to every document that should stay as it was, and 0 to one left out.",
        )
    if seed == run.recipe.seed:
        seed = None
    if seed is not None:
        return Wanted(weights, 0, False, seed, keep_checkpoints)
    matters = int(first_steps[weights != 1].min(initial=run.steps + 1))
    if start is None:
        start = max(c.step for c in run.checkpoints if c.step < matters)
        # With all weights 1 nothing would be left to do, and nothing be shown.
        start = 0 if matters > run.steps and (weights == 1).all() else start
    run.checkpoint(start)
    return Wanted(weights, start, start >= matters, None, keep_checkpoints)


def check_same_bits(run: Run) -> None:
    """See that this machine and these versions give the numbers that the run recorded.

    Where anything differs that may change bits, the first steps are made again and compared
    with the journal: a replay with other bits would blame documents for what a library did.

    Raises:
        RunError: they give others.
    """
    used, now = run.record["environment"], {"versions": versions(), **machine(run.recipe)}
    differing = [name for name in now if used.get(name) != now[name]]
    if not differing or "_same_bits" in run.__dict__:
        return
    recorded, plan = run.journal()[:PROBED], run.plan
    with numerics(run.recipe):
        state = load_checkpoint(run.checkpoint(0).path, run.recipe)
        weights = torch.ones(run.corpus().n_documents, dtype=DTYPES[run.recipe.dtype])
        weights = weights.to(run.recipe.device)
        made = [
            advance(state, run.batch(line["step"]).to(run.recipe.device), weights, plan)
            for line in recorded
        ]
    if made != recorded:
        raise RunError(
            str(run.path),
            expected="the numbers that the run recorded, when its first steps are made again",
            got=f"others; {', '.join(differing)} differ from when it was trained",
            fix="Train the run again here, in another folder, and replay that one.",
        )
    run.__dict__["_same_bits"] = True


def make_replay(run: Run, wanted: Wanted) -> Path:
    """Make one replay in this process, or go on with an interrupted one.

    Returns:
        Its folder.

    Raises:
        BusyError: another process makes it.
    """
    place = wanted.place(run)
    work = workplace(run, wanted)
    with hold(work), numerics(run.recipe):
        if not place.is_dir():
            task = task_of(run, wanted)
            found = latest(work)
            finish(task, begin(run, wanted, task) if found is None else resume(task, found))
            seal(run, wanted)
    shutil.rmtree(work, ignore_errors=True)
    return place


def workplace(run: Run, wanted: Wanted) -> Path:
    """Where a replay lies while it is made."""
    place = wanted.place(run)
    return place.with_name(f".{place.name}.work")


def task_of(run: Run, wanted: Wanted) -> Task:
    """What is to be done for a replay."""
    plan = run.plan
    if wanted.seed is not None:
        plan = replace(plan, recipe=replace(plan.recipe, seed=wanted.seed))
    kept = {s for s in plan.kept if s > wanted.start} if wanted.keep_checkpoints else set()
    weights = torch.as_tensor(wanted.weights, dtype=DTYPES[plan.recipe.dtype])
    return Task(
        plan=plan,
        corpus=run.corpus(),
        order=run.order if wanted.seed is None else _order(run, wanted.seed),
        weights=weights.to(plan.recipe.device),
        folder=workplace(run, wanted),
        kept=frozenset(kept | {plan.steps}),
        whole=whole_batches(run),
        what="replay",
    )


def step_of(wanted: Wanted, task: Task) -> int:
    """The step that a replay stands at, or will begin from."""
    found = latest(task.folder)
    return wanted.start if found is None else int(found.name.removeprefix("step-"))


def begin(run: Run, wanted: Wanted, task: Task, state: State | None = None) -> State:
    """Write the journal up to where a replay starts, and load the state there.

    Args:
        run: the run.
        wanted: a replay of which there is nothing yet.
        task: what is to be done for it.
        state: the same, if it was loaded already.
    """
    if wanted.seed is not None:
        (task.folder / JOURNAL).unlink(missing_ok=True)
        return State.fresh(build_module(task.plan.recipe, task.corpus)) if state is None else state
    lines = (run.path / JOURNAL).read_bytes().split(b"\n")[: wanted.start]
    write_bytes(task.folder / JOURNAL, b"".join(line + b"\n" for line in lines))
    if state is not None:
        return state
    return load_checkpoint(run.checkpoint(wanted.start).path, task.plan.recipe)


def _order(run: Run, seed: int) -> Order:
    """The order of another seed, as many steps long as the run."""
    recipe = run.recipe
    return draw_order(
        pieces(run.corpus(), recipe.context),
        recipe.context,
        recipe.rows,
        seed=seed,
        steps=run.steps,
        epochs=recipe.epochs,
        packed=run.plan.packed,
    )


def seal(run: Run, wanted: Wanted) -> None:
    """Give a replay whose steps are all made its name."""
    place, work = wanted.place(run), workplace(run, wanted)
    with building(place) as temporary:
        save_array(temporary / WEIGHTS, wanted.weights)
        write_json(temporary / RECORD, wanted.record(run))
        shutil.copyfile(work / JOURNAL, temporary / JOURNAL)
        checkpoints = work / CHECKPOINTS
        shutil.copytree(
            checkpoints / folder_name(run.steps), temporary / MODEL, copy_function=_link
        )
        if wanted.keep_checkpoints:
            shutil.copytree(
                checkpoints,
                temporary / CHECKPOINTS,
                copy_function=_link,
                ignore=shutil.ignore_patterns(folder_name(run.steps)),
            )


def _link(source: str, place: str) -> None:
    """A second name for a file that nothing writes to again; a copy where there are no links."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copy2(source, place)
