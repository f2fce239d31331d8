"""SOURCE against plain descent on a quadratic, step by step, and against the exact derivative."""

import numpy as np
import pytest
import torch

from whence.attribution import InfluenceSettings, source, through_run
from whence.attribution.influence.curvature import Curvature
from whence.attribution.influence.source import carry, cut_segments
from whence.core.errors import MethodError
from whence.interventions import Documents
from whence.training import Recipe, train

STEPS, RATE, DECAY = 4000, 1e-3, 0.05


def some_curvature(scaled):
    """A 3 x 2 parameter with a dense 6 x 6 matrix, and the root of an optimiser's scaling."""
    torch.manual_seed(0)
    first, second = (torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))[0] for n in (3, 2))
    eigenvalues = torch.tensor([[2.0, 0.7], [0.3, 0.05], [0.0, 1.0]], dtype=torch.float64)
    scaling = 0.5 + torch.rand(3, 2, dtype=torch.float64) if scaled else None
    curvature = Curvature(
        {"w": (first, second)}, {"w": eigenvalues}, None if scaling is None else {"w": scaling}
    )
    q = torch.kron(first, second)
    inner = q @ torch.diag(eigenvalues.flatten()) @ q.T  # s G s
    s = torch.ones(6, dtype=torch.float64) if scaling is None else scaling.flatten()
    return curvature, inner / s[:, None] / s, s**2


@pytest.mark.parametrize("scaled", [False, True])
def test_one_segment_of_a_quadratic_is_what_descent_does(scaled):
    """p <- p - rate (P (G p + w g) + decay p), g seen evenly: d p / d w, carried on exactly."""
    curvature, matrix, scaling = some_curvature(scaled)
    torch.manual_seed(1)
    query, gradient = torch.randn(2, 6, dtype=torch.float64)
    moved = torch.zeros(6, dtype=torch.float64)
    step = torch.eye(6, dtype=torch.float64) * (1 - RATE * DECAY) - RATE * scaling[:, None] * matrix
    for _ in range(STEPS):
        moved = step @ moved - RATE * scaling * gradient
    total = RATE * STEPS
    directions, before = carry(curvature, {"w": query.view(1, 3, 2)}, total, {"w": DECAY})
    found = -total * float((directions["w"].flatten() * gradient).sum())
    assert found == pytest.approx(float(query @ moved), rel=2e-3)
    carried = torch.linalg.matrix_power(step, STEPS)
    torch.testing.assert_close(before["w"].flatten(), query @ carried, rtol=2e-2, atol=2e-3)


def test_segments_share_the_run_and_its_rates(demo_run):
    cut = cut_segments(demo_run, 3, 2)
    assert [s.first for s in cut] == [1, cut[0].last + 1, cut[1].last + 1]
    assert cut[-1].last == demo_run.steps
    rates = [
        e["learning_rate"] * min(1, demo_run.recipe.clip / e["gradient_norm"])
        for e in demo_run.journal()
    ]
    assert sum(s.rate for s in cut) == pytest.approx(sum(rates))
    for s in cut:
        assert 1 <= len(s.checkpoints) <= 2
        assert all(s.first <= c.step <= s.last for c in s.checkpoints)
    with pytest.raises(MethodError, match="segments"):
        cut_segments(demo_run, demo_run.steps, 1)


@pytest.fixture(scope="module")
def gentle(demo_run, tmp_path_factory):
    """A training that has not learned its documents by heart."""
    recipe = Recipe(context=64, rows=16, epochs=6.0, learning_rate=2e-3, warmup=0.3)
    return train(demo_run.corpus(), tmp_path_factory.mktemp("gentle") / "run", recipe)


def test_it_predicts_what_the_exact_derivative_does(gentle, demo_world):
    documents, behaviors = Documents(gentle), demo_world.questions()[:2]
    exact = through_run(documents, behaviors).values
    found = source(documents, behaviors, segments=2, settings=InfluenceSettings(sample=60))
    assert found.unit == "nats"
    assert found.coverage.share == 1.0
    for a, b in zip(found.values, exact, strict=True):
        assert np.corrcoef(a, b)[0, 1] > 0.7
        assert 0.1 < (a @ b) / (a @ a) < 3  # sizes within an order of magnitude
