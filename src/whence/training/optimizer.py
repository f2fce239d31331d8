"""AdamW with its epsilon inside the square root, and the learning rate's schedule.

One update of a parameter p with gradient g, at update t = 1, 2, ...:

    m  <- b1 m + (1 - b1) g
    v  <- b2 v + (1 - b2) g^2
    p  <- p - rate * ( m / (1 - b1^t) / sqrt( v / (1 - b2^t) + epsilon ) + decay * p )

PyTorch adds its epsilon outside: sqrt(v) + eps. At a parameter that never had a gradient
(the embedding of a token not yet seen) v is 0 and the root has no finite derivative there,
so nothing could be differentiated through such a run. Inside the root an epsilon of
eps^2 acts on the same gradients. Decay is decoupled (Loshchilov & Hutter 2019, "Decoupled
weight decay regularization", algorithm 2); parameters of one axis (norms, biases) are
not decayed.

Training makes the update in place. `adamw_step` makes the same one, by the same code, as a
function of tensors; `pull_back_adamw` and `pull_back_clip` are its derivative, from the back to
the front.

References:
    Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from whence.training.recipe import Schedule

NORM_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class AdamW:
    """Settings of the update.

    Attributes:
        betas: decay rates of the two moments.
        epsilon: inside the square root; in units of a squared gradient.
        weight_decay: decoupled.
    """

    betas: tuple[float, float]
    epsilon: float
    weight_decay: float


class Moments(NamedTuple):
    """Running means of the gradient and of its square, one tensor a parameter."""

    first: list[Tensor]
    second: list[Tensor]


def adamw_step(
    parameters: list[Tensor],
    gradients: list[Tensor],
    moments: Moments,
    *,
    step: int,
    rate: float,
    settings: AdamW,
) -> tuple[list[Tensor], Moments]:
    """One update as a function: nothing is changed, and it can be differentiated.

    Args:
        parameters: the values before.
        gradients: of the loss, after clipping.
        moments: those of the update before; zeros at first.
        step: number of this update, from 1.
        rate: learning rate of this update.
        settings: betas, epsilon and decay.

    Returns:
        The parameters and moments after it, as new tensors.
    """
    after = [p.clone() for p in parameters]
    kept = Moments([m.clone() for m in moments.first], [v.clone() for v in moments.second])
    adamw_step_(after, gradients, kept, step=step, rate=rate, settings=settings)
    return after, kept


def adamw_step_(
    parameters: list[Tensor],
    gradients: list[Tensor],
    moments: Moments,
    *,
    step: int,
    rate: float,
    settings: AdamW,
    axes: int = 0,
) -> None:
    """The same update in place, as training makes it; see `adamw_step`.

    Args:
        parameters: the values.
        gradients: of the loss, after clipping.
        moments: those of the update before.
        step: number of this update, from 1.
        rate: its learning rate.
        settings: betas, epsilon and decay.
        axes: in front of every tensor's own, where several trainings are stacked.
    """
    b1, b2 = settings.betas
    torch._foreach_lerp_(moments.first, gradients, 1 - b1)
    torch._foreach_mul_(moments.second, b2)
    torch._foreach_addcmul_(moments.second, gradients, gradients, 1 - b2)
    scale = torch._foreach_div(moments.second, 1 - b2**step)
    torch._foreach_add_(scale, settings.epsilon)
    torch._foreach_sqrt_(scale)
    decayed = 1 - rate * settings.weight_decay
    kept = [decayed if p.dim() - axes > 1 else 1.0 for p in parameters]
    torch._foreach_mul_(parameters, kept)
    torch._foreach_addcdiv_(parameters, moments.first, scale, -rate / (1 - b1**step))


def clip(gradients: list[Tensor], limit: float) -> tuple[list[Tensor], Tensor]:
    """Scale gradients so that their global norm is at most `limit`.

    Returns:
        The gradients, as they are where the norm is small enough, and the norm before.
    """
    norm = torch.stack(torch._foreach_norm(gradients)).norm()
    factor = (limit / (norm + NORM_FLOOR)).clamp(max=1.0)
    if float(factor) == 1.0:
        return gradients, norm
    return list(torch._foreach_mul(gradients, factor)), norm


def pull_back_adamw(
    adjoint: Sequence[Tensor],
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    *,
    step: int,
    rate: float,
    settings: AdamW,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Derivatives by what goes into one update of one parameter, from those by what comes out.

    Args:
        adjoint: by the parameter and its two moments after the update; each (behavior, *shape).
        gradient: as it went in, after clipping.
        first: moment before the update.
        second: moment before the update.
        step: number of this update, from 1.
        rate: its learning rate.
        settings: betas, epsilon and decay.

    Returns:
        By the parameter, its moments and the gradient that went in; each (behavior, *shape).
    """
    b1, b2 = settings.betas
    c1, c2 = 1 - b1**step, 1 - b2**step
    m, v = torch.lerp(first, gradient, 1 - b1), b2 * second + (1 - b2) * gradient.square()
    scale = (v / c2 + settings.epsilon).rsqrt()
    by_parameter, by_first, by_second = adjoint
    by_first = by_first - (rate / c1) * scale * by_parameter
    by_second = by_second + (rate / (2 * c1 * c2)) * m * scale**3 * by_parameter
    decay = 1 - rate * settings.weight_decay if gradient.dim() > 1 else 1.0
    by_gradient = (1 - b1) * by_first + 2 * (1 - b2) * gradient * by_second
    return decay * by_parameter, b1 * by_first, b2 * by_second, by_gradient


def pull_back_clip(
    adjoint: Sequence[Tensor], gradients: Sequence[Tensor], limit: float
) -> list[Tensor]:
    """Derivatives by gradients before clipping, from those by the clipped ones.

    Args:
        adjoint: (behavior, *shape) for each parameter.
        gradients: before clipping.
        limit: as in `clip`.
    """
    norm = torch.stack([g.norm() for g in gradients]).norm()
    factor = limit / (norm + NORM_FLOOR)
    if float(factor) >= 1.0:
        return list(adjoint)
    along = torch.stack(
        [(a * g).flatten(1).sum(1) for a, g in zip(adjoint, gradients, strict=True)]
    ).sum(0)
    back = along * factor / (norm * (norm + NORM_FLOOR))
    return [
        factor * a - back.view(-1, *[1] * g.dim()) * g
        for a, g in zip(adjoint, gradients, strict=True)
    ]


def learning_rate(
    step: int, steps: int, *, peak: float, warmup: int, schedule: Schedule, final: float
) -> float:
    """The rate of one update.

    Args:
        step: number of the update, from 1.
        steps: number of the last.
        peak: the rate at the end of the warm-up.
        warmup: updates in which it rises linearly; the first already has peak / warmup.
        schedule: how it falls from there to `final * peak` at the last update.
        final: share of the peak.
    """
    if step <= warmup:
        return peak * step / warmup
    if schedule == "constant":
        return peak
    done = (step - warmup) / max(steps - warmup, 1)
    share = 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return peak * (final + (1 - final) * share)
