"""TRAK: its random space, its Hessian, and its scores."""

import numpy as np
import pytest
import torch

from tests.attribution.by_hand import (
    document_gradients,
    each_row,
    flat,
    gradient,
    names_of,
    parted,
)
from whence.attribution import TrakSettings, trak
from whence.attribution.gradients import behavior_gradients
from whence.attribution.influence.trak import Projection, projected_hessian
from whence.core.errors import MethodError
from whence.training import token_losses


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("gpt2")


def test_inner_products_are_kept_on_average():
    torch.manual_seed(0)
    a, b = torch.randn(2, 5, 30, dtype=torch.float64)
    vectors, exact = torch.stack([a, b]), float((a * b).sum())
    found = []
    for seed in range(400):
        one, two = Projection(16, seed).project("w", vectors)
        found.append(float(one @ two))
    spread = np.std(found)
    assert abs(np.mean(found) - exact) < 5 * spread / 20
    assert spread <= 1.1 * (2 / 16) ** 0.5 * float(a.norm() * b.norm())


def test_a_projection_follows_from_seed_and_name():
    x = torch.arange(12.0).view(1, 3, 4)
    first = Projection(5, 0).project("w", x)
    assert torch.equal(first, Projection(5, 0).project("w", x))
    assert not torch.equal(first, Projection(5, 1).project("w", x))
    assert not torch.equal(first, Projection(5, 0).project("v", x))


def test_back_is_the_transposed_map():
    torch.manual_seed(0)
    x, y = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    map_ = Projection(5, 0)
    there = (map_.project("w", x) * y).sum(1)
    back = (x * map_.back("w", y, x[0])).flatten(1).sum(1)
    torch.testing.assert_close(there, back)


def log_odds_hessian(model, stream):
    """sum over tokens of p (1 - p) grad m grad m^T, one token at a time."""
    total = 0.0
    for batch in each_row(stream, model):
        for k in range(int(batch.predicts.sum())):
            loss = token_losses(model.module, batch)[batch.predicts][k]
            log_odds = -loss - torch.log(-torch.expm1(-loss))
            x, p = gradient(log_odds, model), float(torch.exp(-loss.detach()))
            total = total + p * (1 - p) * torch.outer(x, x)
    return total


def test_the_hessian_is_that_of_logistic_regressions_on_average(model, stream, silent):
    exact = log_odds_hessian(model, stream(model))
    found = []
    for seed in range(16):
        projection = Projection(4096, seed)  # more than there are parameters: no loss
        hessian = projected_hessian(model, stream(model), projection, silent)
        found.append(float(hessian.trace()))
    # Parameters may meet in one place of the space, with either sign: none on average.
    wrong = (np.mean(found) - float(exact.trace())) / (np.std(found) / 16**0.5)
    assert abs(wrong) < 5


def test_scores_are_those_of_the_projected_solve(model, few_documents, behaviors, stream, silent):
    settings = TrakSettings(dimensions=7, rows=2, seed=4)
    found = trak(model, few_documents, behaviors, settings=settings)
    projection = Projection(7, 4)
    hessian = projected_hessian(model, stream(model), projection, silent)
    hessian = hessian + 0.1 * hessian.diagonal().mean() * torch.eye(7, dtype=torch.float64)

    def project(rows):
        return sum(projection.project(n, v) for n, v in parted(rows, model).items())

    f = project(flat(behavior_gradients(model, behaviors), names_of(model)))
    own = project(document_gradients(model, stream(model)))
    expected = -(torch.linalg.solve(hessian, f.T).T @ own.T)
    np.testing.assert_allclose(found.values, expected.numpy(), rtol=1e-8)


def test_several_checkpoints_are_averaged(model, tiny, few_documents, behaviors):
    other = tiny("llama")
    settings = TrakSettings(dimensions=7)
    both, a, b = (
        trak(m, few_documents, behaviors, settings=settings).values
        for m in ([model, other], model, other)
    )
    np.testing.assert_allclose(both, (a + b) / 2)


def test_wrong_settings_are_refused(few_documents, behaviors):
    with pytest.raises(MethodError, match="TRAK"):
        TrakSettings(dimensions=0)
    with pytest.raises(MethodError, match="models"):
        trak([], few_documents, behaviors)
