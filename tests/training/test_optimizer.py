from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from whence.training.optimizer import AdamW, Moments, adamw_step, adamw_step_, clip, learning_rate

SETTINGS = AdamW((0.9, 0.95), 1e-6, 0.1)


def some(dtype=torch.float64, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=draw, dtype=dtype) for s in ((3, 4), (5,), (2, 2, 2))]


def zeros(parameters):
    return Moments(*([torch.zeros_like(p) for p in parameters] for _ in range(2)))


def element_by_element(p, gradients, rates, settings, decayed):
    """The formula for one number, in NumPy float64."""
    m = v = np.float64(0)
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        b1, b2 = settings.betas
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        scaled = (m / (1 - b1**t)) / np.sqrt(v / (1 - b2**t) + settings.epsilon)
        p = p - rate * (scaled + (settings.weight_decay * p if decayed else 0))
    return p


def test_steps_are_those_of_the_formula():
    start, rates = some(), (0.1, 0.05, 0.2)
    gradients = [some(seed=k) for k in (1, 2, 3)]
    now, moments = start, zeros(start)
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        now, moments = adamw_step(now, g, moments, step=t, rate=rate, settings=SETTINGS)
    for k, parameter in enumerate(start):
        for place in np.ndindex(*parameter.shape):
            history = [float(g[k][place]) for g in gradients]
            expected = element_by_element(
                float(parameter[place]), history, rates, SETTINGS, parameter.dim() > 1
            )
            assert float(now[k][place]) == pytest.approx(expected, rel=1e-12)


def test_agrees_with_pytorch_where_epsilon_does_not_matter():
    settings = AdamW((0.9, 0.95), 1e-30, 0.1)
    ours = [p for p in some() if p.dim() > 1]
    theirs = [torch.nn.Parameter(p.clone()) for p in ours]
    adam = torch.optim.AdamW(theirs, lr=0.01, betas=settings.betas, eps=0, weight_decay=0.1)
    moments = zeros(ours)
    for t in range(1, 6):
        gradients = [g for g in some(seed=t) if g.dim() > 1]
        ours, moments = adamw_step(ours, gradients, moments, step=t, rate=0.01, settings=settings)
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient
        adam.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=1e-12, atol=1e-14)


def test_in_place_gives_the_same_bits():
    start, gradients = some(torch.float32), some(torch.float32, 1)
    moments = Moments(some(torch.float32, 2), [x.square() for x in some(torch.float32, 3)])
    options = {"step": 7, "rate": 0.01, "settings": SETTINGS}
    after, kept = adamw_step(start, gradients, moments, **options)
    adamw_step_(start, gradients, moments, **options)
    functional = [*after, *kept.first, *kept.second]
    in_place = [*start, *moments.first, *moments.second]
    assert all(torch.equal(a, b) for a, b in zip(functional, in_place, strict=True))


def test_differentiable_also_where_no_gradient_ever_came():
    parameters, moments = some(), zeros(some())

    def after_two_steps(*gradients):
        now, kept = parameters, moments
        for t in (1, 2):
            now, kept = adamw_step(now, list(gradients), kept, step=t, rate=0.1, settings=SETTINGS)
        return tuple(now)

    assert torch.autograd.gradcheck(after_two_steps, [g.requires_grad_() for g in some(seed=1)])
    nothing = [torch.zeros_like(p, requires_grad=True) for p in parameters]
    found = torch.autograd.grad(sum(p.sum() for p in after_two_steps(*nothing)), nothing)
    assert all(torch.isfinite(g).all() for g in found)


def test_clip():
    gradients = some()
    norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    clipped, found = clip(gradients, norm / 2)
    assert float(found) == pytest.approx(norm)
    after = math.sqrt(sum(float(g.square().sum()) for g in clipped))
    assert after == pytest.approx(norm / 2, rel=1e-5)
    same, _ = clip(gradients, 2 * norm)
    assert all(torch.equal(a, b) for a, b in zip(same, gradients, strict=True))


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_learning_rate(schedule):
    options = {"peak": 2.0, "warmup": 4, "schedule": schedule, "final": 0.1}
    rates = [learning_rate(s, 20, **options) for s in range(1, 21)]
    assert rates[:4] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert rates[-1] == pytest.approx(2.0 if schedule == "constant" else 0.2)
    assert all(a >= b for a, b in pairwise(rates[3:]))
    middle = {"cosine": 1.1, "linear": 1.1, "constant": 2.0}[schedule]
    assert rates[11] == pytest.approx(middle)
