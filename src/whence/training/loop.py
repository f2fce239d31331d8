"""The steps themselves, from any state to the last, keeping what the schedule asks for.

One loop serves a training, its resumption and every replay: they differ in the state they
start from, in the weights, and in the folder they write to. Besides the states that are
kept, one is saved every few minutes under `.resume`, so that a kill costs minutes; when
that happens depends on the clock, so it is no part of the record.
"""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from whence.core.errors import RunError
from whence.core.progress import bar
from whence.core.seeds import derive
from whence.training.batch import Batch, make_batch, weighed_batch
from whence.training.checkpoints import State, folder_name, load_checkpoint, save_checkpoint
from whence.training.journal import JOURNAL, TIMINGS, appending, cut_journal
from whence.training.losses import batch_loss
from whence.training.optimizer import adamw_step_, clip
from whence.training.order import Order
from whence.training.pieces import Documents
from whence.training.plan import Plan

CHECKPOINTS = "checkpoints"
RESUME = ".resume"
SAVE_EVERY_SECONDS = 120.0


@dataclass(frozen=True, eq=False, slots=True)
class Task:
    """A training to be carried to its end.

    Attributes:
        plan: the run's.
        corpus: what is trained on.
        order: what each step sees.
        weights: the loss weight of each document.
        folder: where journal and checkpoints go.
        kept: steps whose state is kept.
        whole: whether documents of weight 0 stay in the batch.
        what: the label of the progress bar.
    """

    plan: Plan
    corpus: Documents
    order: Order
    weights: Float[Tensor, " document"]
    folder: Path
    kept: frozenset[int]
    whole: bool = True
    what: str = "training"

    def batch(self, step: int) -> Batch:
        """What a step sees."""
        entries, packed = self.order.of_step(step), self.plan.packed
        if self.whole:
            return make_batch(self.corpus, entries, packed=packed)
        weighs = (self.weights != 0).cpu().numpy()
        context = self.plan.recipe.context
        return weighed_batch(self.corpus, entries, weighs, context, packed=packed)


def advance(
    state: State, batch: Batch, weights: Float[Tensor, " document"], plan: Plan
) -> dict[str, Any]:
    """Make one update in place.

    Returns:
        The journal's record of it.

    Raises:
        RunError: the loss is no longer a finite number.
    """
    step = state.step + 1
    if plan.dropout:
        torch.manual_seed(derive(plan.recipe.seed, "dropout", step))
    parameters = state.parameters
    rate = plan.rate(step)
    loss = batch_loss(state.module, batch, weights)
    found = list(torch.autograd.grad(loss, parameters, materialize_grads=True))
    with torch.no_grad():
        gradients, norm = clip(found, plan.recipe.clip)
        adamw_step_(
            parameters, gradients, state.moments, step=step, rate=rate, settings=plan.optimizer
        )
    state.step = step
    return journal_line(step, rate, float(loss.detach()), float(norm), batch.predicted)


def journal_line(
    step: int, rate: float, loss: float, gradient_norm: float, tokens: int
) -> dict[str, Any]:
    """The journal's record of one update.

    Raises:
        RunError: loss or gradient is no longer a finite number.
    """
    if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
        raise RunError(
            f"step {step}",
            expected="a finite loss and gradient",
            got=f"loss {loss}, gradient norm {gradient_norm}",
            fix="Train with a lower learning rate.",
        )
    return {
        "step": step,
        "learning_rate": rate,
        "loss": loss,
        "gradient_norm": gradient_norm,
        "tokens": tokens,
    }


def finish(task: Task, state: State) -> State:
    """Make all steps that are left."""
    device = task.plan.recipe.device
    last, saved = time.perf_counter(), time.perf_counter()
    with (
        appending(task.folder / JOURNAL) as journal,
        appending(task.folder / TIMINGS) as timings,
        bar(task.what, task.plan.steps, unit="step") as shown,
    ):
        shown.update(state.step)
        keep(task, state)
        while state.step < task.plan.steps:
            batch = task.batch(state.step + 1)
            record = advance(state, batch.to(device), task.weights, task.plan)
            journal.write(record)
            now = time.perf_counter()
            timings.write({"step": state.step, "seconds": round(now - last, 6)})
            last = now
            shown.set_postfix_str(f"loss {record['loss']:.3f} nats", refresh=False)
            shown.update()
            keep(task, state)
            if now - saved > SAVE_EVERY_SECONDS and state.step not in task.kept:
                save_for_resuming(task, state)
                saved = now
    shutil.rmtree(task.folder / RESUME, ignore_errors=True)
    return state


def latest(folder: Path) -> Path | None:
    """The last whole state under a folder, kept or saved for resuming."""
    places = (folder / CHECKPOINTS, folder / RESUME)
    found = [p for place in places if place.is_dir() for p in place.glob("step-*")]
    return max(found, key=lambda p: p.name, default=None)


def resume(task: Task, found: Path) -> State:
    """Go back to a state found by `latest`, and cut the journal to it.

    Raises:
        DamagedError: the state or the journal was altered.
    """
    state = load_checkpoint(found, task.plan.recipe)
    cut_journal(task.folder / JOURNAL, state.step)
    return state


def keep(task: Task, state: State) -> None:
    """Save a state that the task keeps; one that is there already stays."""
    folder = task.folder / CHECKPOINTS / folder_name(state.step)
    if state.step in task.kept and not folder.exists():
        _save(task, state, folder)


def save_for_resuming(task: Task, state: State) -> None:
    """Save a state to go on from after a kill, and forget the ones before."""
    place = task.folder / RESUME
    _save(task, state, place / folder_name(state.step))
    for old in place.glob("step-*"):
        if old.name < folder_name(state.step):
            shutil.rmtree(old, ignore_errors=True)


def _save(task: Task, state: State, folder: Path) -> None:
    save_checkpoint(state, folder, task.corpus.tokenizer_path, beta2=task.plan.recipe.betas[1])
