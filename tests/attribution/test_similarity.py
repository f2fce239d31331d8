import numpy as np
import pytest
import torch

from tests.attribution.by_hand import document_gradients, flat, names_of
from whence.attribution import gradient_similarity
from whence.attribution.gradients import behavior_gradients


@pytest.mark.parametrize("kind", ["cosine", "dot"])
@pytest.mark.parametrize("scaled", [False, True])
def test_similarity_is_that_of_whole_gradients(
    kind, scaled, tiny, few_documents, behaviors, stream
):
    model = tiny("gpt2")
    torch.manual_seed(0)
    p = {n: 0.5 + torch.rand_like(v).detach() for n, v in model.module.named_parameters()}
    found = gradient_similarity(
        model, few_documents, behaviors, kind=kind, scaling=p if scaled else None, rows=2
    )
    f = flat(behavior_gradients(model, behaviors), names_of(model))
    own = document_gradients(model, stream(model))
    metric = torch.cat([v.flatten() for v in p.values()]) if scaled else torch.ones(f.shape[1])
    expected = f @ (metric.double() * own).T
    if kind == "cosine":
        lengths = [(x * x * metric).sum(1).sqrt() for x in (f, own)]
        expected = expected / lengths[0][:, None] / lengths[1]
        assert np.abs(found.values).max() <= 1
    np.testing.assert_allclose(found.values, -expected.numpy(), rtol=1e-8)
    assert found.unit == "rank"
