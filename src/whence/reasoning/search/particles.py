"""Particle filtering over the steps of a text.

The model proposes each next step; a reward says how good a text is so far. The texts aimed at
have probability p(x) exp(r(x)) / Z. Each particle's weight is multiplied by
exp(r(new) - r(old)) at a step; when few particles carry the weight they are drawn again in
proportion to it, by systematic resampling. The product of mean weights estimates Z without
bias, whatever the number of particles.

References:
    Doucet and Johansen 2009, "A Tutorial on Particle Filtering and Smoothing"; for language
    models Lew et al. 2023, "Sequential Monte Carlo Steering" (arXiv:2306.03081).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from whence.core.seeds import generator
from whence.reasoning.clients import Client, Sampling
from whence.reasoning.search.choosing import STEP, extend, never, step_sampling, with_separator


@dataclass(frozen=True)
class ParticleSettings:
    """Of a particle filter.

    Attributes:
        particles: how many.
        steps: how many steps each grows by.
        separator: what ends a step; empty for steps of `sampling.max_tokens` tokens.
        sampling: of one step. With a temperature of 1 the model itself is the proposal, and
            the target is p(x) exp(r(x)).
        resample_below: share of particles that must carry the weight; 1 draws again always.
        seed: of the resampling; that of the steps is in `sampling`.
    """

    particles: int = 16
    steps: int = 8
    separator: str = "\n"
    sampling: Sampling = STEP
    resample_below: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Particles:
    """What a filter found.

    Attributes:
        texts: one a particle.
        weights: of the particles, adding up to 1.
        log_evidence: logarithm of the estimate of Z; -inf when every particle died.
    """

    texts: tuple[str, ...]
    weights: Float[np.ndarray, " particle"]
    log_evidence: float

    def best(self) -> str:
        """The text that carries the most weight over all its particles."""
        total: dict[str, float] = {}
        for text, weight in zip(self.texts, self.weights.tolist(), strict=True):
            total[text] = total.get(text, 0.0) + weight
        return max(total, key=total.__getitem__)


def particle_filter(
    client: Client,
    prompt: str,
    log_reward: Callable[[str], float],
    settings: ParticleSettings,
    done: Callable[[str], bool] = never,
) -> Particles:
    """Texts from p(x) exp(r(x)) / Z, with an unbiased estimate of Z.

    Args:
        client: the model.
        prompt: what the texts follow.
        log_reward: r of a text so far, without the prompt; -inf for one that may not be. The
            reward of the empty text counts as 0.
        settings: of the filter.
        done: whether a text is finished and grows no more.
    """
    count = settings.particles
    texts, rewards = [""] * count, np.zeros(count)
    weights, log_evidence = np.full(count, -np.log(count)), 0.0
    random = generator(settings.seed, "resampling")
    for step in range(settings.steps):
        sampling = step_sampling(settings.sampling, settings.separator, step)
        texts = _grow(client, prompt, texts, sampling, settings.separator, done)
        new = np.array([log_reward(text) for text in texts], dtype=float)
        with np.errstate(invalid="ignore"):
            weights = np.where(np.isneginf(new), -np.inf, weights + new - rewards)
        rewards = new
        total = np.logaddexp.reduce(weights)
        log_evidence += float(total)
        if np.isneginf(total):
            return Particles(tuple(texts), np.full(count, 1 / count), log_evidence)
        weights -= total
        if 1 / np.exp(2 * weights).sum() < settings.resample_below * count:
            chosen = systematic(np.exp(weights), random)
            texts, rewards = [texts[i] for i in chosen], rewards[chosen]
            weights = np.full(count, -np.log(count))
    return Particles(tuple(texts), np.exp(weights), log_evidence)


def _grow(
    client: Client,
    prompt: str,
    texts: list[str],
    sampling: Sampling,
    separator: str,
    done: Callable[[str], bool],
) -> list[str]:
    places = [k for k, text in enumerate(texts) if not done(text)]
    grown = list(texts)
    said = extend(client, prompt, [texts[k] for k in places], sampling)
    for k, (text, completion) in zip(places, said, strict=True):
        grown[k] = text + with_separator(completion, separator)
    return grown


def systematic(
    weights: Float[np.ndarray, " particle"], random: np.random.Generator
) -> Int[np.ndarray, " particle"]:
    """Places drawn in proportion to weights by one random number and equal strides.

    A place with weight w among n is drawn floor(n w) or ceil(n w) times, n w on average.
    """
    count = len(weights)
    points = (random.random() + np.arange(count)) / count
    places = np.searchsorted(np.cumsum(weights) / weights.sum(), points, side="right")
    return np.minimum(places, count - 1).astype(np.int64)
