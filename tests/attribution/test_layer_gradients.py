"""Every parameter of every supported architecture is met, and thin directions are whole ones."""

import re

import pytest
import torch

from tests.attribution.test_row_gradients import small
from tests.models.small import ARCHITECTURES
from tests.models.small import small as opened
from whence.attribution import RowGradients
from whence.attribution.layer_gradients import taking_row_gradients, uses_of
from whence.attribution.row_gradients import LowRank


def loss(module, rows):
    where = torch.arange(rows.shape[1]).expand(rows.shape)
    logits = module(
        input_ids=rows, attention_mask=torch.ones_like(rows), position_ids=where, use_cache=False
    ).logits[:, :-1]
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum"
    )


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gemma2"])
def test_row_gradients_are_those_of_rows_alone(kind):
    module = small(kind)
    ids = torch.randint(3, 50, (3, 6), generator=torch.Generator().manual_seed(1))
    found = {}
    uses, _ = uses_of(module)
    with taking_row_gradients(module, uses, 3, found.setdefault):
        loss(module, ids).backward()
    named = dict(module.named_parameters())
    assert found.keys() == named.keys()
    for row in range(3):
        alone = torch.autograd.grad(loss(module, ids[row : row + 1]), list(named.values()))
        for name, expected in zip(named, alone, strict=True):
            torch.testing.assert_close(found[name][row], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_linear_layer_is_covered(kind):
    module = opened(kind).module
    uses, missing = uses_of(module)
    known = {use.name for use in uses}
    for layer_name, layer in module.named_modules():
        if type(layer).__name__ in ("Linear", "Conv1D"):
            own = {id(p) for p in layer.parameters()}
            names = {n for n, p in module.named_parameters() if id(p) in own}
            assert names <= known, layer_name
    # OPT's positions, routers and experts; the coverage says so.
    assert all(re.search(r"embed_positions|experts\.|mlp\.gate\.", name) for name in missing)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_thin_directions_give_what_their_product_gives(kind):
    module = small(kind)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 50, (3, 6), generator=generator)

    def some(*shape):
        return torch.randn(2, *shape, generator=generator, dtype=torch.float64)

    thin = {
        name: LowRank(some(len(p), 2), some(p.shape[1], 2)) if p.ndim == 2 else some(*p.shape)
        for name, p in module.named_parameters()
    }
    whole = {n: t.left @ t.right.mT if isinstance(t, LowRank) else t for n, t in thin.items()}
    found = []
    for directions in (thin, whole):
        with RowGradients(module, directions).rows(3, 2) as scores:
            loss(module, ids).backward()
        found.append(scores)
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)
