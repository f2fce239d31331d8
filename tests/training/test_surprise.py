"""The cross entropy whose gradient is differentiated, held against PyTorch's own."""

import torch
from torch.nn.functional import cross_entropy

from whence.training.batch import NOTHING
from whence.training.surprise import surprise

TARGETS = torch.tensor([1, 2, NOTHING, 0, 4, 4])


def drawn(seed):
    return torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def derivatives(losses):
    """A weighed sum, its gradient by logits and weights, and that pulled back once more."""
    leaves = [drawn(0).requires_grad_(), drawn(1)[:, 0].clone().requires_grad_()]
    value = (losses(leaves[0]) * leaves[1]).sum()
    first = torch.autograd.grad(value, leaves, create_graph=True)
    second = torch.autograd.grad(first[0], leaves, drawn(2))
    return [value, *first, *second]


def test_values_and_both_derivatives_are_those_of_the_library():
    ours = derivatives(lambda logits: surprise(logits, TARGETS))
    theirs = derivatives(
        lambda logits: cross_entropy(logits, TARGETS, reduction="none", ignore_index=NOTHING)
    )
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-13)
    assert all(float(t.detach().abs().max()) > 0.1 for t in ours)


def test_a_graph_serves_many_directions():
    logits, weights = drawn(0).requires_grad_(), drawn(1)[:, 0]
    (first,) = torch.autograd.grad(
        (surprise(logits, TARGETS) * weights).sum(), logits, create_graph=True
    )
    a, b = (
        torch.autograd.grad(first, logits, along, retain_graph=True)[0]
        for along in (drawn(2), 2 * drawn(2))
    )
    torch.testing.assert_close(2 * a, b)
