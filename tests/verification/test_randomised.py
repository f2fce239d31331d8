"""Weights dealt out anew: what changes, what stays, and who is said not to notice."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.models.small import ARCHITECTURES, small
from whence.attribution import leave_one_out, random_order
from whence.core import Behavior
from whence.core.errors import MethodError
from whence.interventions import Components, Tokens
from whence.models import values
from whence.verification import cascade, randomised
from whence.worlds import induction

PROMPT = "Ada Lovelace was born in"
BEHAVIOR = Behavior(PROMPT, " London", " Paris")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_parameter_is_dealt_out_once_and_keeps_its_numbers(name):
    model = small(name)
    own = {n: p.detach().clone() for n, p in model.module.named_parameters()}
    before, names = values(model, [BEHAVIOR]), []
    for part, changed in randomised(model):
        names.append(part)
        assert changed.digest != model.digest
    for n, p in changed.module.named_parameters():
        assert torch.equal(p.flatten().sort().values, own[n].flatten().sort().values)
        assert p.numel() < 9 or not torch.equal(p, own[n])
        assert torch.equal(dict(model.module.named_parameters())[n], own[n])
    layers = [n for n in names if n[0] == "L"]
    assert layers == ["L2", "L1", "L0"]
    assert names.index("L2") < names.index("embedding")
    assert values(model, [BEHAVIOR]) == before


def test_a_stage_leaves_what_lies_below_it():
    model = small("llama")
    stages = randomised(model)
    name, changed = next(stages)
    assert name == "unembedding"
    own = dict(model.module.named_parameters())
    different = [n for n, p in changed.module.named_parameters() if not torch.equal(p, own[n])]
    assert different == ["lm_head.weight"]


def test_removals_notice_and_a_method_that_reads_only_the_text_does_not():
    world = induction(8)
    behaviors = world.behaviors

    def measured(model):
        return [leave_one_out(Tokens(model, b.prompt), [b]) for b in behaviors]

    def blind(model):
        return [random_order([b], Tokens(model, b.prompt).causes) for b in behaviors]

    found = cascade(measured, world.model)
    assert found.stages == ("unembedding", "final norm", "L1", "L0", "embedding", "positions")
    assert found.notices
    assert found.interval()[1] < 0.8
    still = cascade(blind, world.model)
    assert not still.notices
    np.testing.assert_allclose(still.similarity, 1.0)
    assert still.to_json()["notices"] is False


def test_similarity_is_spearmans():
    model = small("gpt2")
    behaviors = [BEHAVIOR, Behavior(PROMPT, " the capital")]

    def measured(model):
        parts = Components(model, units=("head", "mlp"), replacement="zero")
        return [leave_one_out(parts, behaviors)]

    found = cascade(measured, model, seed=1)
    own = measured(model)[0].values
    for stage, (_, changed) in enumerate(randomised(model, seed=1)):
        other = measured(changed)[0].values
        for row in range(2):
            expected = spearmanr(own[row], other[row]).statistic
            assert found.similarity[row, stage] == pytest.approx(expected)


def test_scores_of_something_else_are_refused():
    model, turn = small(), iter(range(99))

    def other(model):
        behaviors = [Behavior(PROMPT, f" {next(turn)}")]
        return [leave_one_out(Tokens(model, PROMPT), behaviors)]

    with pytest.raises(MethodError, match="the same behaviors and causes"):
        cascade(other, model)
    with pytest.raises(MethodError, match="at least one"):
        cascade(lambda model: [], model)
