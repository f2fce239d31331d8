import copy

import numpy as np
import pytest
import torch

from tests.models.small import ARCHITECTURES, small
from whence.core import Behavior
from whence.core.errors import ModelError
from whence.models import (
    Model,
    encode,
    rows_of,
    run_rows,
    target_log_probabilities,
    value_tensor,
    values,
)
from whence.models.rows import plan

PROMPT = "Ada Lovelace was born in"
BEHAVIORS = [
    Behavior(PROMPT, " London", " Paris"),
    Behavior("The capital of Japan is", " 東京.\n"),
    Behavior("Dogs", " don't fly", " do fly too"),
    Behavior("", "A"),
    Behavior(PROMPT + ". " + PROMPT, " London", " London too"),
    Behavior("x " * 20, "y"),
]


def log_p(module, prompt, continuation):
    """As anybody would compute it: one text, all of its logits."""
    ids = torch.tensor([[*prompt, *continuation]])
    with torch.no_grad():
        logits = module(ids, use_cache=False).logits[0]
    found = logits.double().log_softmax(-1)
    return [found[len(prompt) - 1 + i, t].item() for i, t in enumerate(continuation)]


def naive(model, behavior):
    found = encode(model, behavior)
    value = sum(log_p(model.module, found.prompt_ids, found.target_ids))
    if found.foil_ids is not None:
        value -= sum(log_p(model.module, found.prompt_ids, found.foil_ids))
    return value


KINDS = [(name, "eager") for name in ARCHITECTURES]
KINDS += [(name, "sdpa") for name in ARCHITECTURES if name != "gemma2"]  # it has no sdpa


@pytest.mark.parametrize(("name", "attention"), KINDS)
def test_values_are_those_of_single_unpadded_texts(name, attention):
    model = small(name, attention)
    expected = [naive(model, behavior) for behavior in BEHAVIORS]
    for batch_size in (1, 2, 32):
        found = values(model, BEHAVIORS, batch_size=batch_size)
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_the_same_behaviors_give_the_same_bits():
    assert (values(small(), BEHAVIORS) == values(small(), BEHAVIORS)).all()


def test_target_log_probabilities_are_of_the_target_alone():
    found = encode(small(), BEHAVIORS[2])
    expected = log_p(small().module, found.prompt_ids, found.target_ids)
    np.testing.assert_allclose(target_log_probabilities(small(), BEHAVIORS[2]), expected, atol=1e-5)


def test_target_and_foil_share_a_pass_when_one_input_begins_with_the_other():
    shared = rows_of(encode(small(), BEHAVIORS[0]))
    apart = rows_of(encode(small(), BEHAVIORS[2]))
    assert len(shared) == 1
    assert len(apart) == 2
    assert sorted(s.sign for s in shared[0].scores)[0] == -1


def test_a_longer_foil_that_begins_with_the_target():
    model = small()
    behavior = Behavior(PROMPT, " London", " London too")
    assert len(rows_of(encode(model, behavior))) == 1
    np.testing.assert_allclose(values(model, [behavior]), naive(model, behavior), atol=1e-5)


def test_the_plan_puts_long_rows_first_and_every_row_once():
    batches = plan([3, 9, 3, 5, 9], 2)
    assert [b.tolist() for b in batches] == [[1, 4], [3, 0], [2]]


def test_a_batch_size_of_nothing_is_an_error():
    with pytest.raises(ModelError, match="batch_size"):
        run_rows(small(), rows_of(encode(small(), BEHAVIORS[0])), batch_size=0)


def test_no_behaviors_no_values():
    assert values(small(), []).shape == (0,)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_value_tensor_gives_the_value_and_its_gradient(name):
    model = Model(copy.deepcopy(small(name).module).double(), small(name).tokenizer)
    own = values(model, BEHAVIORS[:3])
    for behavior, value in zip(BEHAVIORS[:3], own, strict=True):
        encoded = encode(model, behavior)
        assert value_tensor(model, encoded).item() == pytest.approx(value, abs=1e-5)
        ids = torch.tensor(encoded.prompt_ids)
        embeddings = model.sites.embedding(ids).detach().requires_grad_()
        found = value_tensor(model, encoded, prompt_embeddings=embeddings)
        assert found.shape == ()
        assert found.item() == pytest.approx(value, abs=1e-5)
        (gradient,) = torch.autograd.grad(found, embeddings)
        # Even in float64, attention's softmax and some norms stay in float32.
        # A long step may lead a token to other experts, where there are any.
        length = 2e-4 if name in ("mixtral", "qwen2_moe") else 3e-3
        step = length * gradient / gradient.norm()
        both = torch.stack([embeddings + step, embeddings - step]).detach()
        up, down = value_tensor(model, encoded, prompt_embeddings=both)
        assert (up - down).item() == pytest.approx(2 * (gradient * step).sum().item(), rel=1e-2)


def test_scoring_leaves_the_module_as_it_was():
    module = small().module
    before = [(p.requires_grad, p.grad) for p in module.parameters()]
    values(small(), BEHAVIORS)
    assert [(p.requires_grad, p.grad) for p in module.parameters()] == before
    assert not module.training
