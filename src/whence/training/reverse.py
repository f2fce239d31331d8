"""A recorded training, differentiated from its end to its beginning.

A training is a long function: initial parameters and one loss weight a document go in, final
parameters come out. This module multiplies vectors with its Jacobian from the left, step by
step backwards, and so gives the exact derivative of anything that depends on the final
parameters with respect to every document's weight. With s = (p, m, v) the parameters and both
moments, step t is

    g_t = clip( grad of sum_d w_d loss_d(p_t) / tokens ),     s_{t+1} = AdamW(s_t, g_t)

and an adjoint a_{t+1} = d value / d s_{t+1} goes to

    a_t = a_{t+1} d s_{t+1} / d s_t  +  (Hessian of the loss) b,     b = a_{t+1} d s_{t+1} / d g_t
    d value / d w_d  +=  < b, grad loss_d(p_t) > / tokens

The Hessian product and the products with every document's gradient come out of one backward
pass through the gradient. The graph of that gradient is made once a step and serves all
behaviors.

Going backwards needs every state, and keeping every state needs too much memory. So states are
made again from the checkpoints that the run kept, as many at a time as the memory allows: a
stretch that is too long is cut into as many parts as there are places, whose beginnings are
kept, and each part is dealt with in the same way from the last to the first.

References:
    Maclaurin, Duvenaud & Adams 2015, "Gradient-based hyperparameter optimization through
    reversible learning"; Engstrom et al. 2025, "Optimizing ML training with metagradient
    descent" (the same derivative, states kept in a tree); Ilyas & Engstrom 2025, "MAGIC:
    near-optimal data attribution for deep learning".
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from whence.core.errors import RunError
from whence.core.progress import Bar, bar
from whence.core.seeds import derive
from whence.training.batch import Batch
from whence.training.checkpoints import State, load_checkpoint
from whence.training.loop import advance
from whence.training.losses import batch_loss
from whence.training.numerics import DTYPES, numerics
from whence.training.optimizer import Moments, clip, pull_back_adamw, pull_back_clip
from whence.training.pieces import framed_starts
from whence.training.replay import Replay
from whence.training.run import Run
from whence.training.unfinished import UNFINISHED, go_on, key_of, save_now_and_then, states_of

GRADIENT_MEMORY = 1 << 30
"""Bytes for kept states, when nobody says otherwise."""


@runtime_checkable
class Splitting(Protocol):
    """Tells what documents do by way of each part's gradient."""

    def __call__(
        self, module: nn.Module, batch: Batch, through: Mapping[str, Tensor]
    ) -> Float[Tensor, "behavior part document"]:
        """< direction, gradient of each document's share in the loss >, by part.

        Args:
            module: at the parameters where gradients are taken.
            batch: its documents numbered from 0 among themselves.
            through: for each parameter, by its name, a direction a behavior.
        """


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """How products with documents' gradients fall apart over parts of the model.

    Attributes:
        parts: their names.
        told: what gives all of them for one batch.
    """

    parts: tuple[str, ...]
    told: Splitting


@dataclass(eq=False, slots=True)
class _Adjoint:
    """Derivatives of each behavior with respect to a state: one (behavior, *shape) a tensor."""

    parameters: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]


@dataclass(eq=False, slots=True)
class Reversal:
    """A pass on its way back.

    Attributes:
        run: the run.
        weights: the loss weight of each document.
        adjoint: derivatives of each behavior by the state after step `at`.
        split: gives all parts of a step at once.
        found: what was found of the steps after `at`.
        slots: states that may be held.
        shown: the progress.
        at: the step that was reached.
        place: where it is kept meanwhile.
        saved: when it last was.
        starts: where each framed document's tokens begin in `found`; None for documents.
    """

    run: Run
    weights: Float[Tensor, " document"]
    adjoint: _Adjoint
    split: Split | None
    found: Float[np.ndarray, "behavior part column"]
    slots: int
    shown: Bar
    at: int
    place: Path
    saved: float
    starts: Int[np.ndarray, " start"] | None = None


def weight_gradients(
    run: Run,
    finals: Mapping[str, Float[Tensor, " behavior *shape"]],
    *,
    at: Replay | None = None,
    split: Split | None = None,
    tokens: bool = False,
    memory: int = GRADIENT_MEMORY,
) -> Float[np.ndarray, "behavior part column"]:
    """The derivative of functions of a run's final parameters by each document's loss weight.

    Every few minutes what was found so far is kept in the run's folder; killed, the same call
    goes on from there.

    Args:
        run: a finished run that Whence trained.
        finals: for each trained parameter, by its name, the derivative of every function with
            respect to its final value.
        at: a replay of the run with its states in between, where the weights are not 1.
        split: tells what documents did by way of each part's own gradient. The whole model
            comes first; parts that hold every parameter once add up to it.
        tokens: by the loss weight of every token in place of every document's. The last axis
            then holds the framed documents (`whence.training.pieces`) one after the other, each
            value at the token that is predicted; a document's values add up to its own.
        memory: bytes for states that are kept; more means fewer steps made twice. At least
            three states are held, whatever it says.

    Returns:
        In the functions' unit: by how much each rises per unit of weight.

    Raises:
        RunError: the run is not finished, or was recorded from somebody else's loop; a
            parameter has no derivative; tokens are to be split; or the replay is one of another
            seed or without its states.
    """
    run.replay_is_possible()
    if tokens and split is not None:
        raise RunError(
            "weight_gradients",
            expected="tokens, or a split",
            got="both",
            fix="Ask for one after the other.",
        )
    starts = framed_starts(run.corpus()) if tokens else None
    states = states_of(run, at)
    with numerics(run.recipe), bar("back through the run", run.steps, "step") as shown:
        last = load_checkpoint(states[run.steps], run.recipe)
        count = 1 + (0 if split is None else len(split.parts))
        weights = np.ones(run.corpus().n_documents) if at is None else at.weights
        columns = len(weights) if starts is None else int(starts[-1])
        job = Reversal(
            run=run,
            weights=torch.as_tensor(weights, dtype=DTYPES[run.recipe.dtype]).to(run.recipe.device),
            adjoint=_at_the_end(last, finals),
            split=split,
            found=np.zeros((len(next(iter(finals.values()))), count, columns)),
            starts=starts,
            slots=max(3, memory // _bytes(last)),
            shown=shown,
            at=run.steps,
            place=run.path / UNFINISHED / key_of(run, weights, finals, split, tokens),
            saved=time.perf_counter(),
        )
        go_on(job)
        for start, stop in reversed(list(pairwise(sorted(states)))):
            if start < job.at:
                state = load_checkpoint(states[start], run.recipe)
                _back(job, state, min(stop, job.at))
        shutil.rmtree(job.place, ignore_errors=True)
    return job.found


def _names(state: State) -> list[str]:
    """Of the trained parameters."""
    return [n for n, p in state.module.named_parameters() if p.requires_grad]


def _at_the_end(last: State, finals: Mapping[str, Tensor]) -> _Adjoint:
    names = _names(last)
    missing = [n for n in names if n not in finals]
    if missing:
        raise RunError(
            "finals",
            expected="a derivative for every trained parameter",
            got=f"none for {', '.join(missing[:3])}",
            fix="Give zeros for a parameter that plays no part.",
        )
    parameters = [finals[n].to(p).clone() for n, p in zip(names, last.parameters, strict=True)]
    return _Adjoint(
        parameters,
        [torch.zeros_like(t) for t in parameters],
        [torch.zeros_like(t) for t in parameters],
    )


def _back(job: Reversal, state: State, stop: int) -> None:
    """From the adjoint after step `stop` to the one before the step after `state`."""
    length = stop - state.step
    if length <= job.slots:
        states = [_copy(state)]
        while state.step < stop - 1:
            _forward(job, state)
            states.append(_copy(state))
        while states:
            _pull_back(job, _restore(state, states.pop()))
        return
    cuts = [state.step + length * k // job.slots for k in range(job.slots)]
    beginnings = []
    for cut in cuts:
        while state.step < cut:
            _forward(job, state)
        beginnings.append(_copy(state))
    for beginning, end in zip(reversed(beginnings), [stop, *reversed(cuts[1:])], strict=True):
        _back(job, _restore(state, beginning), end)


def _forward(job: Reversal, state: State) -> None:
    batch = job.run.batch(state.step + 1).to(job.run.recipe.device)
    advance(state, batch, job.weights, job.run.plan)


def _pull_back(job: Reversal, state: State) -> None:
    """Move the adjoint over the one step that starts from `state`."""
    plan, step = job.run.plan, state.step + 1
    batch = job.run.batch(step).to(job.run.recipe.device)
    columns, weights, local = _weighed(job, batch)
    if plan.dropout:
        torch.manual_seed(derive(plan.recipe.seed, "dropout", step))
    loss = batch_loss(state.module, local, weights, twice=True)
    raw = torch.autograd.grad(loss, state.parameters, create_graph=True, materialize_grads=True)
    with torch.no_grad():
        here, through = _through_the_update(job, state, [g.detach() for g in raw], step)
    moving = [i for i, g in enumerate(raw) if g.requires_grad]
    for behavior in range(len(job.found)):
        curved = torch.autograd.grad(
            [raw[i] for i in moving],
            [*state.parameters, weights],
            grad_outputs=[through[i][behavior] for i in moving],
            retain_graph=behavior + 1 < len(job.found),
            materialize_grads=True,
        )
        for mine, product in zip(here.parameters, curved[:-1], strict=True):
            mine[behavior] += product
        # A token may stand twice in a step, where one pass ends and the next begins.
        np.add.at(job.found[behavior, 0], columns, curved[-1].double().cpu().numpy())
    if job.split is not None:
        if plan.dropout:
            torch.manual_seed(derive(plan.recipe.seed, "dropout", step))
        directions = dict(zip(_names(state), through, strict=True))
        by_part = job.split.told(state.module, local, directions)
        job.found[:, 1:, columns] += by_part.cpu().numpy()
    job.adjoint, job.at = here, state.step
    job.shown.update()
    save_now_and_then(job)


def _through_the_update(
    job: Reversal, state: State, raw: Sequence[Tensor], step: int
) -> tuple[_Adjoint, list[Tensor]]:
    """The adjoint before a step as far as its gradient stays what it is, and that by the gradient.

    Args:
        job: with the adjoint after the step.
        state: before the step.
        raw: its gradient, before clipping.
        step: its number.
    """
    plan, after = job.run.plan, job.adjoint
    clipped, _ = clip(list(raw), plan.recipe.clip)
    pulled = [
        pull_back_adamw(
            adjoint,
            gradient,
            first,
            second,
            step=step,
            rate=plan.rate(step),
            settings=plan.optimizer,
        )
        for adjoint, gradient, first, second in zip(
            zip(after.parameters, after.first, after.second, strict=True),
            clipped,
            state.moments.first,
            state.moments.second,
            strict=True,
        )
    ]
    p, m, v, g = (list(column) for column in zip(*pulled, strict=True))
    return _Adjoint(p, m, v), pull_back_clip(g, raw, plan.recipe.clip)


def _weighed(
    job: Reversal, batch: Batch
) -> tuple[Int[np.ndarray, " weight"], Float[Tensor, " weight"], Batch]:
    """What has a loss weight of its own in a batch: its documents, or its predicted tokens.

    Returns:
        Their columns in what is found, their weights as leaves, and the batch with each token's
        document replaced by the number of its weight.
    """
    owner = batch.documents
    local = torch.full_like(owner, -1)
    if job.starts is None:
        real = owner >= 0
        seen, local[real] = torch.unique(owner[real], return_inverse=True)
        columns = seen.cpu().numpy()
    else:
        real = batch.predicts
        seen = owner[real]
        local[real] = torch.arange(len(seen), device=owner.device)
        columns = job.starts[seen.cpu().numpy()] + batch.framed[real].cpu().numpy() + 1
    leaves = job.weights[seen].clone().requires_grad_()
    return columns, leaves, replace(batch, documents=local)


def _bytes(state: State) -> int:
    """Of one kept state: parameters and both moments."""
    return 3 * sum(p.numel() * p.element_size() for p in state.parameters)


_Kept = tuple[int, list[Tensor], list[Tensor], list[Tensor]]


def _copy(state: State) -> _Kept:
    with torch.no_grad():
        return (
            state.step,
            [p.detach().clone() for p in state.parameters],
            [m.clone() for m in state.moments.first],
            [v.clone() for v in state.moments.second],
        )


def _restore(state: State, kept: _Kept) -> State:
    """Put a kept state back into the module it came from."""
    step, parameters, first, second = kept
    with torch.no_grad():
        for mine, old in zip(state.parameters, parameters, strict=True):
            mine.copy_(old)
    state.step, state.moments = step, Moments(first, second)
    return state
