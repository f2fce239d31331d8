import numpy as np
import pytest

from tests.models.small import small
from whence.attribution import by_position, embedding_norm
from whence.core import Behavior
from whence.interventions import Tokens
from whence.models import encode_prompt

PROMPT = "Ada Lovelace was born in"
BEHAVIORS = [Behavior(PROMPT, " London"), Behavior(PROMPT, " Paris")]


@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_embedding_norms_are_those_that_the_model_adds(name):
    model = small(name)
    tokens = Tokens(model, PROMPT, unit="word")
    seen = {}
    handle = model.module.get_input_embeddings().register_forward_hook(
        lambda module, args, out: seen.update(out=out.detach())
    )
    import torch

    ids = encode_prompt(model, PROMPT).ids
    model.module(torch.tensor([ids]))
    handle.remove()
    lengths = seen["out"][0].double().norm(dim=-1).numpy()
    found = embedding_norm(tokens, BEHAVIORS)
    for column, cause in enumerate(tokens.causes):
        expected = max(lengths[int(m[1:])] for m in cause.members)
        np.testing.assert_allclose(found.values[:, column], expected, rtol=1e-6)
    assert found.unit == "rank"


def test_by_position():
    tokens = Tokens(small(), PROMPT)
    last, first = (by_position(BEHAVIORS, tokens.causes, last=x) for x in (True, False))
    assert tokens.causes[last.top(0, 1)[0]].id == "T9"
    assert tokens.causes[first.top(1, 1)[0]].id == "T1"
