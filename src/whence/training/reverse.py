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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from whence.core.errors import RunError
from whence.core.progress import Bar, bar
from whence.core.seeds import derive
from whence.training.batch import Batch
from whence.training.checkpoints import State, load_checkpoint
from whence.training.loop import advance
from whence.training.losses import batch_loss
from whence.training.numerics import DTYPES, numerics
from whence.training.optimizer import Moments, clip, pull_back_adamw, pull_back_clip
from whence.training.replay import Replay
from whence.training.run import Run

GRADIENT_MEMORY = 1 << 30
"""Bytes for kept states, when nobody says otherwise."""


@dataclass(eq=False, slots=True)
class _Adjoint:
    """Derivatives of each behavior with respect to a state: one (behavior, *shape) a tensor."""

    parameters: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]


@dataclass(eq=False, slots=True)
class _Reversal:
    run: Run
    weights: Float[Tensor, " document"]
    adjoint: _Adjoint
    parts: list[list[int]]
    found: Float[np.ndarray, "behavior part document"]
    slots: int
    shown: Bar


def weight_gradients(
    run: Run,
    finals: Mapping[str, Float[Tensor, " behavior *shape"]],
    *,
    parts: Mapping[str, Sequence[str]] | None = None,
    memory: int = GRADIENT_MEMORY,
    replay: Replay | None = None,
) -> Float[np.ndarray, "behavior part document"]:
    """The derivative of functions of a run's final parameters by each document's loss weight.

    Args:
        run: a finished run that Whence trained.
        finals: for each trained parameter, by its name, the derivative of every function with
            respect to its final value.
        parts: names of parameters by part of the model; each part gets what documents did
            through its own parameters' gradients, and parts that hold every parameter once add
            up to the whole. Each costs one more pass a step and behavior. None means one part,
            the whole model.
        memory: bytes for states that are kept; more means fewer steps made twice. At least
            three states are held, whatever it says.
        replay: differentiate there, a training with other weights whose states in between were
            kept, and not at the run itself, where all weights are 1. `finals` are its own then.

    Returns:
        At the weights of the run or the replay, in the functions' unit: by how much each rises
        per unit of weight.

    Raises:
        RunError: the run is not finished, or was recorded from somebody else's loop; or a
            parameter has no derivative, or a part names one that is not trained; or the replay
            kept no states.
    """
    run.replay_is_possible()
    states = _states(run, replay)
    given = np.ones(run.corpus().n_documents) if replay is None else replay.weights
    n_behaviors, n_documents = len(next(iter(finals.values()))), run.corpus().n_documents
    with numerics(run.recipe), bar("back through the run", run.steps, "step") as shown:
        last = load_checkpoint(states[run.steps], run.recipe)
        numbered = _numbered(last, parts)
        job = _Reversal(
            run=run,
            weights=torch.as_tensor(
                given, dtype=DTYPES[run.recipe.dtype], device=run.recipe.device
            ),
            adjoint=_at_the_end(last, finals),
            parts=numbered,
            found=np.zeros((n_behaviors, len(numbered) or 1, n_documents)),
            slots=max(3, memory // _bytes(last)),
            shown=shown,
        )
        for start, stop in reversed(list(pairwise(sorted(states)))):
            _back(job, load_checkpoint(states[start], run.recipe), stop)
    return job.found


def _states(run: Run, replay: Replay | None) -> dict[int, Path]:
    """Where the kept states are, by step, the first and the last among them."""
    found = run.checkpoints if replay is None else replay.checkpoints
    states = {checkpoint.step: checkpoint.path for checkpoint in found}
    if not {0, run.steps} <= states.keys():
        raise RunError(
            str(run.path if replay is None else replay.path),
            expected="states in between, from the very first on",
            got=f"those of the steps {', '.join(map(str, sorted(states)))}",
            fix="Make the replay with keep_checkpoints=True.",
        )
    return states


def _numbered(state: State, parts: Mapping[str, Sequence[str]] | None) -> list[list[int]]:
    """Each part's parameters by their number; none at all where the whole is asked for."""
    names = [n for n, p in state.module.named_parameters() if p.requires_grad]
    number = {name: i for i, name in enumerate(names)}
    for part, members in (parts or {}).items():
        for name in members:
            if name not in number:
                raise RunError(
                    f"part {part!r}",
                    expected="names of trained parameters",
                    got=name,
                    fix="Take the names from module.named_parameters().",
                )
    return [[number[name] for name in members] for members in (parts or {}).values()]


def _at_the_end(last: State, finals: Mapping[str, Tensor]) -> _Adjoint:
    names = [n for n, p in last.module.named_parameters() if p.requires_grad]
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


def _back(job: _Reversal, state: State, stop: int) -> None:
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


def _forward(job: _Reversal, state: State) -> None:
    batch = job.run.batch(state.step + 1).to(job.run.recipe.device)
    advance(state, batch, job.weights, job.run.plan)


def _pull_back(job: _Reversal, state: State) -> None:
    """Move the adjoint over the one step that starts from `state`."""
    plan, step = job.run.plan, state.step + 1
    batch = job.run.batch(step).to(job.run.recipe.device)
    documents, local = _documents(batch)
    weights = job.weights[documents].clone().requires_grad_()
    if plan.dropout:
        torch.manual_seed(derive(plan.recipe.seed, "dropout", step))
    loss = batch_loss(state.module, local, weights)
    raw = torch.autograd.grad(loss, state.parameters, create_graph=True, materialize_grads=True)
    with torch.no_grad():
        here, through = _through_the_update(job, state, [g.detach() for g in raw], step)
    moving = [i for i, g in enumerate(raw) if g.requires_grad]
    for behavior in range(len(job.found)):
        curved = torch.autograd.grad(
            [raw[i] for i in moving],
            [*state.parameters, weights],
            grad_outputs=[through[i][behavior] for i in moving],
            retain_graph=bool(job.parts) or behavior + 1 < len(job.found),
            materialize_grads=True,
        )
        for mine, product in zip(here.parameters, curved[:-1], strict=True):
            mine[behavior] += product
        by_document = _by_part(job, raw, through, weights, behavior) or [curved[-1]]
        for part, found in enumerate(by_document):
            job.found[behavior, part, documents.cpu().numpy()] += found.double().cpu().numpy()
    job.adjoint = here
    job.shown.update()


def _by_part(
    job: _Reversal,
    raw: Sequence[Tensor],
    through: Sequence[Tensor],
    weights: Float[Tensor, " seen"],
    behavior: int,
) -> list[Float[Tensor, " seen"]]:
    """What the batch's documents do to one behavior through each part's gradient."""
    found = []
    for members in job.parts:
        moving = [i for i in members if raw[i].requires_grad]
        found.append(
            torch.autograd.grad(
                [raw[i] for i in moving],
                weights,
                grad_outputs=[through[i][behavior] for i in moving],
                retain_graph=True,
                materialize_grads=True,
            )[0]
            if moving
            else torch.zeros_like(weights)
        )
    return found


def _through_the_update(
    job: _Reversal, state: State, raw: Sequence[Tensor], step: int
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


def _documents(batch: Batch) -> tuple[Int[Tensor, " seen"], Batch]:
    """The documents of a batch, and the batch with its documents numbered among them."""
    real = batch.documents >= 0
    seen, numbers = torch.unique(batch.documents[real], return_inverse=True)
    local = torch.full_like(batch.documents, -1)
    local[real] = numbers
    return seen, replace(batch, documents=local)


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
