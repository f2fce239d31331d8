"""Products with the Gauss-Newton matrix, solving, and the size of an influence, by hand."""

import numpy as np
import pytest
import torch

from tests.attribution.by_hand import dense_gauss_newton, document_gradients, flat, names_of, parted
from whence.attribution import InfluenceSettings, Solving, ekfac, gauss_newton
from whence.attribution.gradients import behavior_gradients
from whence.attribution.influence.curvature import fit_curvature
from whence.attribution.influence.ekfac import dampings
from whence.attribution.influence.gauss_newton import conjugate_gradients, gauss_newton_product
from whence.core.errors import MethodError
from whence.interventions import document_causes
from whence.models import encode, value_tensor
from whence.training import token_losses


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("gpt2")


@pytest.fixture(scope="module")
def dense(model, stream):
    return dense_gauss_newton(model, stream(model))


def test_a_product_is_that_of_the_dense_matrix(model, stream, dense):
    torch.manual_seed(0)
    vectors = torch.randn(2, len(dense), dtype=torch.float64)
    found = gauss_newton_product(model, stream(model), parted(vectors, model))
    torch.testing.assert_close(flat(found, names_of(model)), vectors @ dense)


def test_conjugate_gradients_solve_several_systems_at_once():
    torch.manual_seed(0)
    half = torch.randn(12, 12, dtype=torch.float64)
    matrix = half @ half.T + torch.eye(12, dtype=torch.float64)
    right = torch.randn(3, 12, dtype=torch.float64)

    found, left = conjugate_gradients(
        lambda v: {"x": v["x"] @ matrix},
        lambda v: {"x": v["x"] / matrix.diagonal()},
        {"x": right},
        40,
        1e-10,
    )
    torch.testing.assert_close(found["x"], torch.linalg.solve(matrix, right.T).T)
    assert (left <= 1e-10).all()


def by_hand(model, stream, behaviors, dense, damping):
    """- 1/T <(G + damping)^-1 grad f, grad loss_d>, all written out."""
    f = flat(behavior_gradients(model, behaviors), names_of(model))
    solved = torch.linalg.solve(dense + torch.diag(damping), f.T).T
    return -(solved @ document_gradients(model, stream).T) / stream.tokens


def test_scores_are_those_of_a_dense_solve(model, few_documents, behaviors, stream, dense, silent):
    settings = InfluenceSettings(rows=3, seed=5, damping=2.0)
    found = gauss_newton(
        model, few_documents, behaviors, settings=settings,
        solving=Solving(iterations=60, tolerance=1e-6, sample=None),
    )  # fmt: skip
    curvature = fit_curvature([model], stream(model), seed=5, widest=4096, shown=silent)
    added = dampings(curvature, settings.damping)
    diagonal = torch.cat(
        [torch.full((p.numel(),), added[n]) for n, p in model.module.named_parameters()]
    ).double()
    expected = by_hand(model, stream(model), behaviors, dense, diagonal)
    largest = float(expected.abs().max())
    np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-4 * largest)
    assert max(found.settings["report"]["residual"]) <= 1e-4
    assert found.unit == "nats"
    assert found.estimand == "additive"


def test_layers_are_solved_apart(model, few_documents, behaviors, stream, dense, silent):
    settings = InfluenceSettings(rows=3, seed=5, damping=2.0)
    found = gauss_newton(
        model, few_documents, behaviors, settings=settings,
        solving=Solving(iterations=60, tolerance=1e-6, sample=None, blocks="layers"),
    )  # fmt: skip
    curvature = fit_curvature([model], stream(model), seed=5, widest=4096, shown=silent)
    added = dampings(curvature, settings.damping)
    named = list(model.module.named_parameters())
    diagonal = torch.cat([torch.full((p.numel(),), added[n]) for n, p in named]).double()
    inside = torch.cat([torch.full((p.numel(),), ".h.0." in n) for n, p in named])
    apart = dense * (inside[:, None] == inside)
    expected = by_hand(model, stream(model), behaviors, apart, diagonal)
    largest = float(expected.abs().max())
    np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-4 * largest)


def test_a_removal_costs_what_is_predicted_where_training_is_convex(
    tiny, few_documents, behaviors, stream
):
    """Only the output matrix is trained, to the minimum, with and without a document."""
    model = tiny("llama", tied=False)
    name, head = "lm_head.weight", model.module.get_output_embeddings().weight
    weight, tokens = torch.ones(few_documents.n_documents), stream(model).tokens

    def fit(weights):
        optimizer = torch.optim.LBFGS([head], max_iter=400, line_search_fn="strong_wolfe",
                                      tolerance_grad=1e-12, tolerance_change=1e-14)  # fmt: skip

        def loss():
            optimizer.zero_grad()
            total = 0.5 * 0.05 * head.square().sum()
            for batch in stream(model).batches(model):
                each = token_losses(model.module, batch).sum(1)
                total = total + (each * weights[batch.documents[:, 0]]).sum() / tokens
            total.backward()
            return total

        optimizer.step(loss)
        return value_tensor(model, encode(model, behaviors[0])).item()

    fit(weight)
    right = {name: behavior_gradients(model, behaviors[:1])[name]}

    def product(v):
        found = gauss_newton_product(model, stream(model), v)
        return {name: found[name] + 0.05 * v[name]}

    solved, _ = conjugate_gradients(product, lambda v: v, right, 300, 1e-10)
    own = parted(document_gradients(model, stream(model)), model)[name]
    predicted = -(own.flatten(1) @ solved[name].flatten()) / tokens
    before = value_tensor(model, encode(model, behaviors[0])).item()
    for document in (0, 1):
        less = weight.clone()
        less[document] = 0.99
        fall = (before - fit(less)) / 0.01
        assert fall == pytest.approx(float(predicted[document]), rel=0.03)
        fit(weight)
    assert predicted[0] > 0 > predicted[1]  # Paris is supported by one and opposed by the other


def test_ekfac_is_minus_the_mean_product_with_its_own_inverse(
    model, few_documents, behaviors, stream, silent
):
    found = ekfac(model, few_documents, behaviors, settings=InfluenceSettings(rows=2, seed=5))
    curvature = fit_curvature([model], stream(model), seed=5, widest=4096, shown=silent)
    solved = curvature.apply(
        behavior_gradients(model, behaviors), lambda n, e: 1 / (e + 0.1 * e.mean())
    )
    gradients = document_gradients(model, stream(model))
    expected = -(flat(solved, names_of(model)) @ gradients.T) / stream(model).tokens
    np.testing.assert_allclose(found.values, expected.numpy(), rtol=1e-8, atol=1e-12)
    assert found.coverage.share == 1.0


def test_ekfac_points_where_the_exact_influence_does(
    model, few_documents, behaviors, stream, dense
):
    found = ekfac(model, few_documents, behaviors)
    damping = torch.full((len(dense),), 0.1 * float(dense.diagonal().mean()))
    exact = by_hand(model, stream(model), behaviors, dense, damping.double())
    assert np.corrcoef(found.values.ravel(), exact.numpy().ravel())[0, 1] > 0.8


def test_groups_add_up_and_batches_do_not_matter(model, few_documents, behaviors):
    groups = {"ada": ["d0", "d2"], "all": list(few_documents.ids)}
    each = ekfac(model, few_documents, behaviors, settings=InfluenceSettings(rows=4, at_once=1))
    causes = document_causes(few_documents, groups)
    grouped = ekfac(
        model, few_documents, behaviors, causes=causes, settings=InfluenceSettings(rows=1)
    )
    expected = [each.values[:, [0, 2]].sum(1), each.values.sum(1)]
    np.testing.assert_allclose(grouped.values.T, expected, rtol=1e-8)


def test_low_rank_says_what_it_keeps(model, few_documents, behaviors):
    plain = ekfac(model, few_documents, behaviors)
    kept = {}
    for rank in (1, 3):
        settings = InfluenceSettings(rank=rank, at_once=1)
        thin = ekfac(model, few_documents, behaviors, settings=settings)
        kept[rank] = min(thin.settings["report"]["kept"])
        wrong = np.abs(thin.values - plain.values).max() / np.abs(plain.values).max()
        assert wrong < (0.2 if rank == 3 else 1)
    assert 0 < kept[1] < kept[3] <= 1 + 1e-12


def test_wrong_settings_are_refused(model, few_documents, behaviors):
    with pytest.raises(MethodError, match="damping"):
        InfluenceSettings(damping=0.0)
    with pytest.raises(MethodError, match="solving"):
        Solving(iterations=0)
    with pytest.raises(MethodError, match="context"):
        ekfac(model, few_documents, behaviors, settings=InfluenceSettings(context=999))
