"""Kronecker factors, axes and eigenvalues against gradients of single rows, one at a time."""

import numpy as np
import pytest
import torch

from tests.attribution.by_hand import (
    dense_gauss_newton,
    drawn_gradients,
    drawn_loss,
    each_row,
    flat,
    names_of,
    parted,
)
from whence.attribution.influence.curvature import fit_curvature, second_moments
from whence.attribution.influence.labels import draw, uniform
from whence.training import logits


@pytest.fixture(scope="module")
def gpt2(tiny):
    return tiny("gpt2")


@pytest.fixture(scope="module")
def fitted(gpt2, stream, silent):
    return fit_curvature([gpt2], stream(gpt2), seed=3, widest=64, shown=silent)


def test_labels_are_drawn_with_the_models_own_probabilities():
    shares = torch.tensor([[0.5, 0.0, 0.3, 0.2]], dtype=torch.float64)
    numbers = torch.from_numpy(np.random.default_rng(0).random(20000))
    drawn = torch.bincount(draw(shares.expand(20000, -1), numbers), minlength=4) / 20000
    # Four standard deviations: a false alarm in 16,000 runs.
    assert torch.allclose(drawn.double(), shares[0], atol=4 * 0.5 / 20000**0.5)
    assert drawn[1] == 0


def test_a_number_that_rounds_to_one_draws_a_label():
    shares = torch.tensor([[0.5, 0.5]])
    assert draw(shares, torch.tensor([1 - 1e-12], dtype=torch.float64)).tolist() == [1]


def test_labels_do_not_depend_on_the_batch(gpt2, stream):
    together = [uniform(b, 1, "x") for b in stream(gpt2, rows=4).batches(gpt2)]
    alone = [uniform(b, 1, "x") for b in each_row(stream(gpt2), gpt2)]
    assert torch.equal(torch.cat(together), torch.cat(alone))


def met(model, batch, names, seed):
    """Input and output gradient of layers where something is predicted, layer by layer."""
    kept = {}

    def keep(name):
        return lambda layer, args, out: kept.update({name: (args[0], out)})

    layers = dict(model.module.named_modules())
    hooks = [layers[name].register_forward_hook(keep(name)) for name in names]
    loss = drawn_loss(logits(model.module, batch)[batch.predicts], batch, seed)
    for hook in hooks:
        hook.remove()
    where = batch.predicts[0]
    for name, (given, out) in kept.items():
        (g,) = torch.autograd.grad(loss, out, retain_graph=True)
        yield name, given[0][where].detach(), g[0][where]


def outer_sums(model, stream, names):
    inputs, outputs = {}, {}
    for batch in each_row(stream, model):
        for name, x, g in met(model, batch, names, 3):
            vectors = torch.eye(model.vocabulary_size).double()[x] if x.ndim == 1 else x
            inputs[name] = inputs.get(name, 0) + sum(torch.outer(v, v) for v in vectors)
            outputs[name] = outputs.get(name, 0) + sum(torch.outer(v, v) for v in g)
    return tuple({n: m / stream.tokens for n, m in each.items()} for each in (inputs, outputs))


def test_factors_are_mean_outer_products(gpt2, stream, silent):
    moments = second_moments([gpt2], stream(gpt2), seed=3, widest=10**6, shown=silent)
    name = "transformer.h.0.mlp.c_fc"
    inputs, outputs = outer_sums(gpt2, stream(gpt2), [name])
    first, second = moments[f"{name}.weight"]  # Conv1D keeps [input, output]
    torch.testing.assert_close(first, inputs[name])
    torch.testing.assert_close(second, outputs[name])


def test_a_tied_matrix_takes_the_partial_traces_of_both_uses(gpt2, stream, silent):
    moments = second_moments([gpt2], stream(gpt2), seed=3, widest=10**6, shown=silent)
    inputs, outputs = outer_sums(gpt2, stream(gpt2), ["transformer.wte", "lm_head"])
    uses = [
        (inputs["transformer.wte"], outputs["transformer.wte"]),  # one-hot token, its vector
        (outputs["lm_head"], inputs["lm_head"]),
    ]
    first, second = moments["transformer.wte.weight"]
    # The vocabulary, many times as long as the vectors, keeps its own directions.
    torch.testing.assert_close(first, sum(a * b.trace() for a, b in uses).diag())
    torch.testing.assert_close(second, sum(b * a.trace() for a, b in uses))


def test_eigenvalues_are_mean_squares_of_rotated_gradients(gpt2, stream, fitted):
    rows = parted(drawn_gradients(gpt2, stream(gpt2), 3), gpt2)
    tokens = stream(gpt2).tokens
    assert set(fitted.eigenvalues) == set(names_of(gpt2))
    for name, gradients in rows.items():
        turned = gradients
        for axis, q in enumerate(fitted.axes[name]):
            if q is not None:
                turned = torch.tensordot(turned, q, dims=([axis + 1], [0])).movedim(-1, axis + 1)
        expected = turned.square().sum(0) / tokens
        torch.testing.assert_close(fitted.eigenvalues[name], expected, msg=name)


def test_a_wide_axis_keeps_its_own_directions(gpt2, fitted):
    assert gpt2.vocabulary_size > 64
    first, second = fitted.axes["transformer.wte.weight"]
    assert first is None
    assert second is not None


def test_a_bias_has_its_block_whole(gpt2, stream, fitted):
    rows = parted(drawn_gradients(gpt2, stream(gpt2), 3), gpt2)
    gradients = rows["transformer.ln_f.bias"]
    block = gradients.T @ gradients / stream(gpt2).tokens
    (q,) = fitted.axes["transformer.ln_f.bias"]
    turned = q.T @ block @ q
    torch.testing.assert_close(turned, torch.diag(turned.diagonal()), atol=1e-12, rtol=0)


def test_eigenvalues_are_those_of_the_true_gauss_newton_on_average(gpt2, stream, silent):
    dense = dense_gauss_newton(gpt2, stream(gpt2))
    found = [fit_curvature([gpt2], stream(gpt2), seed=s, widest=1, shown=silent) for s in range(12)]
    drawn = torch.stack(
        [
            flat({n: f.eigenvalues[n][None] for n in names_of(gpt2)}, names_of(gpt2))[0]
            for f in found
        ]
    )
    # With no axis rotated, except those of length 1, the eigenvalues are the diagonal.
    total = drawn.sum(1)
    wrong = (total.mean() - dense.trace()) / (total.std() / 12**0.5)
    assert abs(float(wrong)) < 5
    assert np.corrcoef(drawn.mean(0), dense.diagonal())[0, 1] > 0.95


def test_functions_of_the_matrix_are_those_of_the_dense_one(gpt2, fitted):
    torch.manual_seed(0)
    name = "transformer.h.0.mlp.c_proj.weight"
    first, second = fitted.axes[name]
    q = torch.kron(first, second)
    dense = q @ torch.diag(fitted.eigenvalues[name].flatten()) @ q.T
    v = torch.randn(2, *fitted.eigenvalues[name].shape, dtype=torch.float64)
    solved = fitted.apply({n: v if n == name else torch.zeros(2, *e.shape, dtype=torch.float64)
                           for n, e in fitted.eigenvalues.items()},
                          lambda n, e: 1 / (e + 0.1))[name]  # fmt: skip
    eye = torch.eye(len(dense), dtype=torch.float64)
    expected = torch.linalg.solve(dense + 0.1 * eye, v.flatten(1).T).T
    torch.testing.assert_close(solved.flatten(1), expected)


def test_results_do_not_depend_on_the_batch(gpt2, stream, fitted, silent):
    again = fit_curvature([gpt2], stream(gpt2, rows=1), seed=3, widest=64, shown=silent)
    for name, eigenvalues in fitted.eigenvalues.items():
        torch.testing.assert_close(again.eigenvalues[name], eigenvalues)


def test_scaling_acts_on_gradients_entry_by_entry(gpt2, stream, silent):
    torch.manual_seed(1)
    scaling = {n: 0.5 + torch.rand_like(p) for n, p in gpt2.module.named_parameters()}
    scaling = {n: s.detach() for n, s in scaling.items()}
    fitted = fit_curvature([gpt2], stream(gpt2), seed=3, widest=64, shown=silent, scaling=scaling)
    rows = parted(drawn_gradients(gpt2, stream(gpt2), 3), gpt2)
    for name, gradients in rows.items():
        square = (gradients * scaling[name]).square().sum() / stream(gpt2).tokens
        assert float(fitted.eigenvalues[name].sum()) == pytest.approx(float(square))  # rotations


def test_a_curvature_over_two_states_is_the_mean_over_both(gpt2, tiny, stream, silent):
    other = tiny("gpt2")
    with torch.no_grad():
        for p in other.module.parameters():
            p.mul_(1.3)
    both, a, b = (
        second_moments(models, stream(gpt2), seed=3, widest=64, shown=silent)
        for models in ([gpt2, other], [gpt2], [other])
    )
    for name in ("transformer.h.0.attn.c_attn.weight", "transformer.ln_f.weight"):
        for mean, x, y in zip(both[name], a[name], b[name], strict=True):
            torch.testing.assert_close(mean, (x + y) / 2)
