"""Differentiating methods for prompt tokens: gradient x input, SmoothGrad, integrated gradients.

With v the value in nats, e_i the embedding of token i and b_i what stands for its absence:

    gradient x input        score_i = < dv/de_i , e_i >
    SmoothGrad              score_i = < mean over noise n of dv/de_i at e + n , e_i >
    integrated gradients    score_i = < mean over a in (0, 1) of dv/de_i at b + a (e - b), e_i - b >

The baseline b of integrated gradients is chosen, and named in the record:

    mean       the mean embedding of the vocabulary; what is used when nothing is said
    zero       the usual choice, and a bad one where a model normalises its input (RMS norm): it
               does not see an embedding shrink until it is almost gone, so that the whole
               change happens between the last two steps
    neutral    the embedding of the tokenizer's mask, unknown, padding or end token, or of any
               token that is given by its number

Scores of all tokens add up to v(e) - v(b); by how much a finite number of steps misses that is
reported as `completeness_error`, and v(e) - v(b) as `change`.

References:
    Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017, eq. 1.
    Shrikumar et al., "Not Just a Black Box", 2016 (gradient x input).
    Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, sec. 2.1; noise is a share
    of the range of the input, sec. 3.2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import MethodError
from whence.core.seeds import derive
from whence.interventions import Tokens, neutral_token, token_numbers
from whence.models import BATCH_SIZE, EncodedBehavior, Model, encode, value_tensor

BASELINES = ("mean", "zero", "neutral")
"""What integrated gradients can start from, besides a token by its number."""

Embeddings = Float[Tensor, "token width"]


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    """Scores of one prompt's tokens, and what else came out.

    Attributes:
        by_token: nats.
        told: what is reported of each behavior, by name.
    """

    by_token: Float[np.ndarray, " token"]
    told: dict[str, float]


def gradient_x_input(intervention: Tokens, behaviors: Sequence[Behavior]) -> Scores:
    """First-order effect of scaling each token's embedding down; one backward pass each.

    Args:
        intervention: names the tokens and the model.
        behaviors: about the intervention's prompt.

    Returns:
        Scores in nats, additive.
    """

    def found(model: Model, encoded: EncodedBehavior) -> _Found:
        prompt = _embeddings(model, encoded)
        return _Found(_dot(_gradient(model, encoded, prompt[None]), prompt), {})

    settings = {"baseline": "zero"}
    return _scores("gradient-x-input", intervention, behaviors, found, 1, settings)


def smooth_grad(
    intervention: Tokens,
    behaviors: Sequence[Behavior],
    *,
    samples: int = 32,
    noise: float = 0.15,
    seed: int = 0,
) -> Scores:
    """Gradient x input with the gradient averaged over embeddings with noise on them.

    Args:
        intervention: names the tokens and the model.
        behaviors: about the intervention's prompt.
        samples: noisy prompts.
        noise: its standard deviation as a share of the range of the prompt's embeddings.
        seed: of the noise.

    Returns:
        Scores in nats, additive.

    Raises:
        MethodError: no sample, or noise that is not above 0.
    """
    if samples < 1 or not noise > 0:
        raise MethodError(
            "smooth-grad",
            expected="at least 1 sample and a noise above 0",
            got=f"{samples} samples, noise {noise}",
            fix="Try 32 and 0.15.",
        )

    def found(model: Model, encoded: EncodedBehavior) -> _Found:
        prompt = _embeddings(model, encoded)
        draws = torch.Generator().manual_seed(derive(seed, "smooth-grad"))
        unit = torch.randn((samples, *prompt.shape), generator=draws).to(prompt)
        points = prompt + noise * (prompt.max() - prompt.min()) * unit
        return _Found(_dot(_gradient(model, encoded, points), prompt), {})

    settings = {"baseline": "zero", "samples": samples, "noise": noise, "seed": seed}
    return _scores("smooth-grad", intervention, behaviors, found, samples, settings)


def integrated_gradients(
    intervention: Tokens,
    behaviors: Sequence[Behavior],
    steps: int = 32,
    *,
    baseline: str | int = "mean",
) -> Scores:
    """The gradient averaged along the straight line from a baseline to each token's embedding.

    Args:
        intervention: names the tokens and the model.
        behaviors: about the intervention's prompt.
        steps: midpoints at which the gradient is taken.
        baseline: "mean", "zero", "neutral", or a token's number.

    Returns:
        Scores in nats, additive; the settings hold each behavior's completeness error.

    Raises:
        MethodError: fewer than one step, or no such baseline.
        InterventionError: the tokenizer has no neutral token, or the model not that one.
    """
    if steps < 1:
        raise MethodError("steps", expected="at least 1", got=str(steps), fix="Try 32.")
    if isinstance(baseline, str) and baseline not in BASELINES:
        raise MethodError(
            "baseline",
            expected=f"{', '.join(BASELINES)}, or a token's number",
            got=repr(baseline),
            fix="Say what stands for the absence of a token.",
        )
    begin, name = _baseline(intervention.model, baseline)

    def found(model: Model, encoded: EncodedBehavior) -> _Found:
        prompt = _embeddings(model, encoded)
        change = prompt - begin
        shares = torch.tensor([(k + 0.5) / steps for k in range(steps)]).to(prompt)
        points = begin + shares[:, None, None] * change
        by_token = _dot(_gradient(model, encoded, points), change)
        with torch.no_grad():
            ends = torch.stack([prompt, begin.expand_as(prompt)])
            full, none = value_tensor(model, encoded, prompt_embeddings=ends).tolist()
        error = float(by_token.sum() - (full - none))
        return _Found(by_token, {"completeness_error": error, "change": full - none})

    settings = {"baseline": name, "steps": steps}
    return _scores("integrated-gradients", intervention, behaviors, found, steps, settings)


def _scores(
    method: str,
    intervention: Tokens,
    behaviors: Sequence[Behavior],
    found: Callable[[Model, EncodedBehavior], _Found],
    passes: int,
    settings: dict[str, Any],
) -> Scores:
    """Score every behavior, and add tokens up to causes."""
    start = time.perf_counter()
    model = intervention.model
    each = [found(model, encode(model, behavior)) for behavior in behaviors]
    values = np.zeros((len(behaviors), len(intervention.causes)))
    for row, one in zip(values, each, strict=True):
        row[:] = [one.by_token[token_numbers(c)].sum() for c in intervention.causes]
    told = {name: [one.told[name] for one in each] for name in (each[0].told if each else ())}
    return Scores(
        values=values,
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method=method,
        estimand="additive",
        settings={**settings, **told, "intervention": intervention.describe()},
        cost=Cost(
            time.perf_counter() - start,
            forwards=passes * len(behaviors),
            backwards=passes * len(behaviors),
        ),
        coverage=Coverage("embeddings of all prompt tokens", 1.0),
    )


def _embeddings(model: Model, encoded: EncodedBehavior) -> Embeddings:
    """The prompt's, as the model scales them."""
    with torch.no_grad():
        found: Tensor = model.sites.embedding(torch.tensor(encoded.prompt_ids, device=model.device))
    return found


def _gradient(
    model: Model, encoded: EncodedBehavior, points: Float[Tensor, "point token width"]
) -> Embeddings:
    """The mean gradient of the value over prompts that are given by their embeddings."""
    total = torch.zeros_like(points[0])
    for part in torch.split(points, BATCH_SIZE):
        asked = part.detach().requires_grad_(True)
        value = value_tensor(model, encoded, prompt_embeddings=asked).sum()
        total += torch.autograd.grad(value, asked)[0].sum(0)
    return total / len(points)


def _dot(gradient: Embeddings, change: Embeddings) -> Float[np.ndarray, " token"]:
    products: Float[np.ndarray, " token"] = (gradient * change).sum(-1).double().cpu().numpy()
    return products


def _baseline(model: Model, baseline: str | int) -> tuple[Float[Tensor, " width"], str]:
    """What stands for a token's absence, and its name in the record."""
    with torch.no_grad():
        every = torch.arange(len(model.tokenizer), device=model.device)
        mean: Tensor = model.sites.embedding(every).mean(0)
        if baseline == "mean":
            return mean, "mean embedding"
        if baseline == "zero":
            return torch.zeros_like(mean), "zero"
        token = neutral_token(model, None if isinstance(baseline, str) else baseline)
        found: Tensor = model.sites.embedding(torch.tensor(token, device=model.device))
        return found, f"token {token}"
