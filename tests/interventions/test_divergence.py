import numpy as np
import pytest
import torch

from tests.interventions.contract import keeps
from tests.models.small import small
from whence.core import Behavior
from whence.interventions import Components, Divergence, Edges, Intervention, Tokens, keep_without
from whence.models import encode

PROMPT, OTHER = "Ada Lovelace was born in", "Ada Lovelace was born is"
BEHAVIORS = [Behavior(PROMPT, " London", " Paris"), Behavior(PROMPT, " London too")]


def predicted(model, prompt, target):
    """Distributions where the target's tokens are predicted, straight from the module."""
    encoded = encode(model, Behavior(PROMPT, target))
    own = encode(model, Behavior(prompt, target)).prompt_ids
    ids = own + encoded.target_ids
    with torch.no_grad():
        logits = model.module(torch.tensor([ids])).logits[0]
    return torch.log_softmax(logits[len(own) - 1 : len(ids) - 1], -1)


@pytest.mark.parametrize("name", ["gpt2", "llama", "mixtral"])
def test_everything_replaced_diverges_as_the_other_prompt_does(name):
    model = small(name)
    edges = Edges(model, replacement="other", other_prompt=OTHER)
    layers = Components(model, units=("layer",), replacement="other", other_prompt=OTHER)
    for intervention in (edges, layers):
        found = Divergence(intervention).measure(
            BEHAVIORS, np.zeros((1, len(intervention.causes)), dtype=bool)
        )
        for b, behavior in enumerate(BEHAVIORS):
            own, other = (predicted(model, p, behavior.target) for p in (PROMPT, OTHER))
            expected = (own.exp() * (own - other)).sum(-1).mean()
            if intervention is edges:
                assert found[b, 0] == pytest.approx(-float(expected), abs=1e-5)
        assert (found < 0).all()


def test_dropped_tokens_diverge_as_the_shorter_prompt_does():
    model = small("llama")
    tokens = Tokens(model, PROMPT, unit="word")
    found = Divergence(tokens).measure(BEHAVIORS[:1], keep_without(tokens.causes, [["W0", "W1"]]))
    ids = encode(model, BEHAVIORS[0])
    gone = set(tokens.causes[0].members + tokens.causes[1].members)
    short = [t for i, t in enumerate(ids.prompt_ids) if f"T{i}" not in gone]
    with torch.no_grad():
        logits = model.module(torch.tensor([[*short, *ids.target_ids]])).logits[0]
    other = torch.log_softmax(logits[len(short) - 1 : -1], -1)
    own = predicted(model, PROMPT, " London")
    expected = (own.exp() * (own - other)).sum(-1).mean()
    assert found[0, 0] == pytest.approx(-float(expected), abs=1e-5)


def test_nothing_removed_is_nothing_moved():
    parts = Components(small(), replacement="zero")
    divergence = Divergence(parts)
    keep = keeps(divergence)
    keep[2] = True
    found = divergence.measure(BEHAVIORS, keep)
    assert isinstance(divergence, Intervention)
    assert (found[:, 2] == 0).all()
    assert (np.delete(found, 2, axis=1) < 0).all()
    assert divergence.describe()["value"].startswith("minus KL")
