import numpy as np
import pytest
import torch

from tests.models.small import small
from whence.attribution import direct_logit_attribution
from whence.attribution.direct import frozen
from whence.core import Behavior
from whence.core.errors import MethodError
from whence.interventions import Components
from whence.models import encode, values

PROMPT = "Ada Lovelace was born in"
ONE = [Behavior(PROMPT, " London", " is")]  # one token against one: a difference of logits
NAMES = ["gpt2", "gpt_neox", "llama", "qwen3", "mixtral", "gemma3", "olmo2", "opt"]


def constants(model):
    """What no part adds: biases of output projections, and of the last norm, as logits."""
    norm, head = model.sites.final_norm, model.sites.head
    encoded = encode(model, ONE[0])
    seen = {}

    def keep(_, args, output):
        seen["x"], seen["y"] = args[0].detach(), output.detach()

    handle = norm.register_forward_hook(keep)
    with torch.no_grad():
        model.module(torch.tensor([encoded.prompt_ids]))
    handle.remove()
    biases = [getattr(site.attention_out, "bias", None) for site in model.sites.layers]
    total = sum((b for b in biases if b is not None), torch.zeros(seen["x"].shape[-1]))
    rows = head.weight.detach()
    direction = rows[encoded.target_ids[0]] - rows[encoded.foil_ids[0]]
    part = frozen(norm, seen["x"][:, -1:], seen["y"][:, -1:], total.expand(1, 1, 1, -1))[0, 0, 0]
    bias = getattr(norm, "bias", None)
    found = direction @ (part if bias is None else part + bias)
    if head.bias is not None:
        found += head.bias[encoded.target_ids[0]] - head.bias[encoded.foil_ids[0]]
    return found.detach().item()


@pytest.mark.parametrize("name", NAMES)
def test_direct_parts_add_up_to_the_value(name):
    model = small(name)
    assert len(encode(model, ONE[0]).target_ids) == len(encode(model, ONE[0]).foil_ids) == 1
    scores = direct_logit_attribution(Components(model, replacement="zero"), ONE)
    total = scores.values.sum() + scores.settings["embedding"][0] + constants(model)
    assert total == pytest.approx(values(model, ONE)[0], abs=2e-4)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_last_mlp_by_hand(name):
    """Nothing comes after it: its direct part is what it says through the norm's scale."""
    model = small(name)
    encoded = encode(model, ONE[0])
    seen = {}
    last = model.sites.layers[-1].mlp
    handles = [
        last.register_forward_hook(lambda _, __, out: seen.update(mlp=out)),
        model.sites.final_norm.register_forward_hook(lambda _, args, __: seen.update(x=args[0])),
    ]
    with torch.no_grad():
        model.module(torch.tensor([encoded.prompt_ids]))
    for handle in handles:
        handle.remove()
    part, x = seen["mlp"][0, -1], seen["x"][0, -1]
    weight = model.sites.final_norm.weight.detach()
    if name == "gpt2":
        normed = weight * (part - part.mean()) / torch.sqrt(x.var(unbiased=False) + 1e-5)
    else:
        epsilon = model.config.rms_norm_eps
        normed = weight * part / torch.sqrt(x.pow(2).mean() + epsilon)
    rows = model.sites.head.weight.detach()
    expected = float((rows[encoded.target_ids[0]] - rows[encoded.foil_ids[0]]) @ normed)
    scores = direct_logit_attribution(Components(model, replacement="zero"), ONE)
    column = [c.id for c in scores.causes].index("L2.MLP")
    assert scores.values[0, column] == pytest.approx(expected, abs=1e-4)


def test_a_layer_is_its_heads_and_mlp():
    model = small("llama")
    layers = direct_logit_attribution(Components(model, units=("layer",), replacement="zero"), ONE)
    parts = direct_logit_attribution(Components(model, replacement="zero"), ONE)
    np.testing.assert_allclose(layers.values, parts.values.reshape(1, 3, -1).sum(2), atol=1e-9)


def test_wrong_components():
    with pytest.raises(MethodError, match="heads, MLPs or layers"):
        parts = Components(small(), units=("neuron",), replacement="zero")
        direct_logit_attribution(parts, ONE)
    with pytest.raises(MethodError, match="at all positions"):
        direct_logit_attribution(Components(small(), replacement="zero", positions=[0]), ONE)
