"""Differentiating methods for prompt tokens: gradient x input and integrated gradients.

With v the value in nats and e_i the embedding of token i:

    gradient x input        score_i = < dv/de_i , e_i >
    integrated gradients    score_i = < mean over a in (0, 1) of dv/de_i at b + a (e - b), e_i - b >

The baseline b of integrated gradients is the mean embedding of the vocabulary. Zero would
be the usual choice, and is a bad one here: a model that normalises its input (RMS norm) does
not see an embedding shrink until it is almost gone, so that the whole change happens
between the last two steps. Scores of all tokens add up to v(e) - v(b); by how much a finite
number of steps misses that is reported as `completeness_error`.

References:
    Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017, eq. 1.
    Shrikumar et al., "Not Just a Black Box", 2016 (gradient x input).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import MethodError
from whence.interventions import Tokens
from whence.models import BATCH_SIZE, Model, encode, value_tensor


def gradient_x_input(intervention: Tokens, behaviors: Sequence[Behavior]) -> Scores:
    """First-order effect of scaling each token's embedding down; one backward pass each.

    Args:
        intervention: names the tokens and the model.
        behaviors: about the intervention's prompt.

    Returns:
        Scores in nats, additive.
    """
    return _scores("gradient-x-input", intervention, behaviors, steps=0)


def integrated_gradients(
    intervention: Tokens, behaviors: Sequence[Behavior], steps: int = 32
) -> Scores:
    """The gradient averaged along the straight line from the mean embedding to each token's own.

    Args:
        intervention: names the tokens and the model.
        behaviors: about the intervention's prompt.
        steps: midpoints at which the gradient is taken.

    Returns:
        Scores in nats, additive.

    Raises:
        MethodError: fewer than one step.
    """
    if steps < 1:
        raise MethodError("steps", expected="at least 1", got=str(steps), fix="Try 32.")
    return _scores("integrated-gradients", intervention, behaviors, steps)


def _scores(method: str, intervention: Tokens, behaviors: Sequence[Behavior], steps: int) -> Scores:
    start = time.perf_counter()
    rows, errors = [], []
    for behavior in behaviors:
        by_token, error = _by_token(intervention.model, behavior, steps)
        rows.append([sum(by_token[int(m[1:])] for m in c.members) for c in intervention.causes])
        errors.append(error)
    passes = max(1, steps) * len(behaviors)
    settings: dict[str, Any] = {
        "baseline": "mean embedding" if steps else "zero",
        "intervention": intervention.describe(),
    }
    if steps:
        settings |= {"steps": steps, "completeness_error": errors}
    return Scores(
        values=np.array(rows, dtype=float).reshape(len(behaviors), len(intervention.causes)),
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method=method,
        estimand="additive",
        settings=settings,
        cost=Cost(time.perf_counter() - start, forwards=passes, backwards=passes),
        coverage=Coverage("embeddings of all prompt tokens", 1.0),
    )


def _by_token(
    model: Model, behavior: Behavior, steps: int
) -> tuple[Float[np.ndarray, " token"], float]:
    """Scores of all prompt tokens, nats, and the completeness error (0 without steps)."""
    encoded = encode(model, behavior)
    ids = torch.tensor(encoded.prompt_ids, device=model.device)
    with torch.no_grad():
        prompt: Tensor = model.sites.embedding(ids)
        baseline = _mean_embedding(model) if steps else torch.zeros_like(prompt[0])
    change = prompt - baseline
    shares = torch.tensor([(k + 0.5) / steps for k in range(steps)] or [1.0])
    gradient = torch.zeros_like(prompt)
    for part in torch.split(shares.to(prompt), BATCH_SIZE):
        points = (baseline + part[:, None, None] * change).requires_grad_(True)
        total = value_tensor(model, encoded, prompt_embeddings=points).sum()
        gradient += torch.autograd.grad(total, points)[0].sum(0)
    scores = (gradient / len(shares) * change).sum(-1).double().cpu().numpy()
    if not steps:
        return scores, 0.0
    with torch.no_grad():
        ends = torch.stack([prompt, baseline.expand_as(prompt)])
        full, none = value_tensor(model, encoded, prompt_embeddings=ends).tolist()
    return scores, float(scores.sum() - (full - none))


def _mean_embedding(model: Model) -> Float[Tensor, " width"]:
    """The mean over the tokens of the vocabulary, scaled as the model scales embeddings."""
    every = torch.arange(len(model.tokenizer), device=model.device)
    mean: Tensor = model.sites.embedding(every).mean(0)
    return mean
