"""Labels drawn from the model itself, the same whatever the batch.

The Fisher matrix is an expectation over the model's own predictions; with the true labels in
their place one gets another matrix, which has no such meaning. Each piece of a document has
its own numbers between 0 and 1, derived from the seed and its place, and a label is the token
at which the cumulated probability passes its number.

Reference:
    Kunstner, Balles & Hennig 2019, "Limitations of the empirical Fisher approximation".
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from whence.core.seeds import generator
from whence.training import Batch, logits


def drawn_loss(module: nn.Module, batch: Batch, seed: int) -> Float[Tensor, ""]:
    """The loss of a batch had the model's own draws been the truth; nats, summed over tokens.

    Args:
        module: the model.
        batch: one piece a row.
        seed: of the draws.
    """
    found = logits(module, batch)[batch.predicts]
    found = found.to(torch.promote_types(found.dtype, torch.float32))
    labels = draw(found.detach(), uniform(batch, seed, "labels").to(found.device))
    return nn.functional.cross_entropy(found, labels, reduction="sum")


def draw(
    logits: Float[Tensor, "token vocabulary"], numbers: Float[Tensor, " token"]
) -> Int[Tensor, " token"]:
    """The label at which each token's cumulated probability passes its number in [0, 1)."""
    cumulated = torch.softmax(logits.double(), dim=-1).cumsum(-1)
    below = numbers.double() * cumulated[:, -1]  # the last one is 1 up to rounding
    return torch.searchsorted(cumulated, below[:, None], right=True).squeeze(1)


def uniform(batch: Batch, seed: int, purpose: str) -> Float[Tensor, " token"]:
    """A number in [0, 1) for each predicted token of a batch, by document and place."""
    counts = batch.predicts.sum(1).tolist()
    places = zip(batch.documents[:, 0].tolist(), batch.framed[:, 0].tolist(), counts, strict=True)
    numbers = [generator(seed, purpose, document, at).random(n) for document, at, n in places]
    return torch.from_numpy(np.concatenate(numbers))
