"""The loss of training, exactly as training computes it, for training and for gradients.

    loss(batch, w) = sum over predicted tokens t of  w[document(t)] * -log p(t | before it)
                     ----------------------------------------------------------------------
                              number of predicted tokens of the batch

The denominator does not depend on the weights. So the contribution of one document to an
update does not change when another's weight does, and "training without document d" means
exactly the same run with w[d] = 0. Multiplying by a weight of 1 keeps every bit, so one
path of code serves training and replays. What has weight 0 need not be computed at all
(`whence.training.batch.weighed_batch`).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from whence.training.batch import NOTHING, Batch, separating_mask
from whence.training.surprise import surprise


def inputs(module: nn.Module, batch: Batch) -> dict[str, Any]:
    """The arguments with which training calls the module.

    A row that holds one piece needs no mask: what it sees lies before it, padding behind.
    """
    if not batch.packed:
        return {"input_ids": batch.ids, "use_cache": False}
    dtype = next(module.parameters()).dtype
    return {
        "input_ids": batch.ids,
        "attention_mask": separating_mask(batch, dtype),
        "position_ids": batch.positions,
        "use_cache": False,
    }


def logits(module: nn.Module, batch: Batch) -> Float[Tensor, "row position vocabulary"]:
    """What the module says of every next token, pieces kept apart."""
    found: Tensor = module(**inputs(module, batch)).logits
    return found


def token_losses(
    module: nn.Module, batch: Batch, *, twice: bool = False
) -> Float[Tensor, "row position"]:
    """Surprise at each predicted token, nats; 0 where nothing is predicted. Differentiable.

    The value at a position is about the token *after* it: `batch.targets` says which, and
    `batch.documents` whose.

    Args:
        module: the model.
        batch: what it sees.
        twice: whether the gradient is going to be differentiated; equal up to rounding.
    """
    found = logits(module, batch)
    if found.dtype is torch.bfloat16:
        found = found.float()
    if twice:
        return surprise(found.flatten(0, 1), batch.targets.flatten()).view(batch.ids.shape)
    flat = nn.functional.cross_entropy(
        found.flatten(0, 1), batch.targets.flatten(), reduction="none", ignore_index=NOTHING
    )
    return flat.view(batch.ids.shape)


def batch_loss(
    module: nn.Module, batch: Batch, weights: Float[Tensor, " document"], *, twice: bool = False
) -> Float[Tensor, ""]:
    """The loss of one update, nats a predicted token; `twice` as in `token_losses`."""
    losses = token_losses(module, batch, twice=twice)
    # Padding has document -1 and loss 0: it takes the last document's weight, times nothing.
    weighed: Tensor = losses * weights[batch.documents]
    return weighed.sum() / max(batch.predicted, 1)
