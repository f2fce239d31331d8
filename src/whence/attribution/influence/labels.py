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


def send_back_draws(module: nn.Module, batch: Batch, seed: int) -> None:
    """Run forward and backward as if the model's own draws had been the truth.

    The loss is surprise at the draws, nats, summed over tokens. Its gradient at the logits is
    (probabilities - one-hot label), and the probabilities are there for the draw already.

    Args:
        module: the model.
        batch: one piece a row.
        seed: of the draws.
    """
    found = logits(module, batch)
    with torch.no_grad():
        gradient = torch.softmax(found, -1, dtype=torch.promote_types(found.dtype, torch.float32))
        numbers = gradient.new_zeros(batch.targets.shape)
        numbers[batch.predicts] = uniform(batch, seed, "labels").to(numbers)
        labels = draw(gradient, numbers)[..., None]
        gradient.scatter_add_(-1, labels, -torch.ones_like(numbers)[..., None])
        gradient.mul_(batch.predicts[..., None])
    torch.autograd.backward(found, gradient.to(found))


def draw(
    probabilities: Float[Tensor, "*token vocabulary"], numbers: Float[Tensor, " *token"]
) -> Int[Tensor, " *token"]:
    """The label at which each token's cumulated probability passes its number in [0, 1)."""
    cumulated = probabilities.cumsum(-1)
    # The last one is 1 up to rounding; a number that rounds to 1 draws the last label.
    below = numbers.to(cumulated) * cumulated[..., -1]
    found = torch.searchsorted(cumulated, below[..., None], right=True).squeeze(-1)
    return found.clamp_(max=probabilities.shape[-1] - 1)


def uniform(batch: Batch, seed: int, purpose: str) -> Float[Tensor, " token"]:
    """A number in [0, 1) for each predicted token of a batch, by document and place."""
    counts = batch.predicts.sum(1).tolist()
    places = zip(batch.documents[:, 0].tolist(), batch.framed[:, 0].tolist(), counts, strict=True)
    numbers = [generator(seed, purpose, document, at).random(n) for document, at, n in places]
    return torch.from_numpy(np.concatenate(numbers))
