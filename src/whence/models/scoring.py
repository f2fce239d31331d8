"""The value of a behavior, in nats.

    value = log p(target | prompt) - log p(foil | prompt)

summed over the tokens of target and foil; without a foil the first term alone. All of it
goes through `rows.run_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whence.core.behavior import Behavior
from whence.models.encoding import EncodedBehavior, encode
from whence.models.opened import Model
from whence.models.rows import BATCH_SIZE, Row, log_probabilities, rows_of, run_rows


def values(
    model: Model, behaviors: Sequence[Behavior], *, batch_size: int = BATCH_SIZE
) -> Float[np.ndarray, " behavior"]:
    """How strongly a model prefers each target, in nats.

    Args:
        model: the model.
        behaviors: each with a target.
        batch_size: sequences in one forward pass.

    Raises:
        BehaviorError: one cannot be measured (no target, too long, cannot be spelled).
    """
    rows = [rows_of(encode(model, behavior)) for behavior in behaviors]
    return sum_rows(model, rows, batch_size=batch_size)


def sum_rows(
    model: Model, rows: Sequence[Sequence[Row]], *, batch_size: int = BATCH_SIZE
) -> Float[np.ndarray, " behavior"]:
    """Values of behaviors that are rows already, nats."""
    flat = [row for group in rows for row in group]
    owner = [i for i, group in enumerate(rows) for _ in group]
    total = np.zeros(len(rows))
    np.add.at(total, owner, run_rows(model, flat, batch_size=batch_size))
    return total


def target_log_probabilities(model: Model, behavior: Behavior) -> Float[np.ndarray, " token"]:
    """The log-probability of each token of a target, nats; a foil plays no part.

    Raises:
        BehaviorError: the behavior cannot be measured.
    """
    encoded = encode(model, Behavior(behavior.prompt, behavior.target))
    with torch.no_grad():
        found = log_probabilities(model, rows_of(encoded))
    return found.double().cpu().numpy()


def value_tensor(
    model: Model,
    encoded: EncodedBehavior,
    *,
    prompt_embeddings: Float[Tensor, "*batch prompt width"] | None = None,
) -> Float[Tensor, "*batch"]:
    """A behavior's value with its graph, for gradients; nats.

    Args:
        model: the model.
        encoded: the behavior.
        prompt_embeddings: stands in the place of the embeddings of the prompt's tokens (as
            `model.sites.embedding` gives them); with a leading axis, many prompts at once.

    Returns:
        A scalar, or one value for each prompt of `prompt_embeddings`.
    """
    shape = torch.Size() if prompt_embeddings is None else prompt_embeddings.shape[:-2]
    n = shape.numel()
    total: Tensor | None = None
    for row in rows_of(encoded):
        embeds = None if prompt_embeddings is None else _embeddings(model, row, prompt_embeddings)
        found = log_probabilities(model, [row] * n, embeds).reshape(n, len(row.scores))
        signs = torch.tensor([s.sign for s in row.scores], dtype=found.dtype, device=found.device)
        part = (found * signs).sum(dim=1)
        total = part if total is None else total + part
    assert total is not None
    return total.reshape(shape)


def _embeddings(
    model: Model, row: Row, prompt: Float[Tensor, "*batch prompt width"]
) -> Float[Tensor, "row position width"]:
    flat = prompt.reshape(-1, *prompt.shape[-2:])
    rest = torch.tensor(row.ids[row.prompt :], dtype=torch.long, device=model.device)
    after = model.sites.embedding(rest).to(flat.dtype)
    return torch.cat([flat, after.expand(len(flat), -1, -1)], dim=1)
