"""Cross entropy whose gradient is cheap to differentiate, again and again.

Going back through a training, the gradient of every step is differentiated once for each
behavior. With p the softmax of a position's logits z, y its target and c what the loss of the
position is multiplied by,

    gradient by z               c (p - 1_y)
    pulled back along u         by z:  c p * (u - <u, p>)        by c:  <u, p> - u_y

PyTorch gets there by differentiating a logarithm of exponentials: a third of the time of the
whole pass went into arrays of positions x vocabulary. By these lines it takes three walks over
such an array, and what they share between behaviors is made once.

Values are those of `torch.nn.functional.cross_entropy` up to rounding. Training itself keeps to
that one.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from whence.training.batch import NOTHING


def surprise(
    logits: Float[Tensor, "position vocabulary"], targets: Int[Tensor, " position"]
) -> Float[Tensor, " position"]:
    """What each target costs, nats; 0 where nothing is predicted. Differentiable twice.

    Args:
        logits: of every position.
        targets: token ids, or `NOTHING`.
    """
    found: Tensor = _Surprise.apply(logits, targets)  # type: ignore[no-untyped-call]
    return found


class _Surprise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        log_p = logits.log_softmax(-1)
        real = targets != NOTHING
        column = targets.clamp(min=0)[:, None]
        ctx.save_for_backward(logits, log_p.exp(), column, real)
        return -log_p.gather(1, column)[:, 0] * real

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None]:
        logits, p, column, real = ctx.saved_tensors
        by_logits: Tensor = _Gradient.apply(  # type: ignore[no-untyped-call]
            logits, given[0] * real, p, column
        )
        return by_logits, None


class _Gradient(torch.autograd.Function):
    """Of `_Surprise`; a function of the logits by way of p, which is handed in ready made."""

    @staticmethod
    def forward(ctx: Any, _: Tensor, factor: Tensor, p: Tensor, column: Tensor) -> Tensor:
        weighed = factor[:, None] * p
        ctx.save_for_backward(weighed, p, column)
        return weighed.scatter_add(1, column, -factor[:, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor, None, None]:
        weighed, p, column = ctx.saved_tensors
        (along,) = given
        mean = torch.bmm(along[:, None], p[:, :, None])[:, 0]
        by_logits = (along - mean).mul_(weighed)
        return by_logits, (mean - along.gather(1, column))[:, 0], None, None
