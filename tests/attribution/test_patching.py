import numpy as np
import pytest
import torch

from tests.models.small import TEXTS, small
from whence.attribution import attribution_patching, leave_one_out
from whence.core import Behavior
from whence.interventions import Components
from whence.models import encode, value_tensor

BEHAVIORS = [Behavior("Ada Lovelace was born in", " London", " Paris")]


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt_neox", "qwen3", "gemma2", "olmo2", "opt"])
def test_scores_are_the_slope_towards_zero(name):
    """Scaling a head's slice by (1 - s) moves the value by -s * score for small s."""
    model = small(name)
    components = Components(model, replacement="zero")
    scores = attribution_patching(components, BEHAVIORS)
    encoded = encode(model, BEHAVIORS[0])
    for layer in model.sites.layers:
        for head in range(layer.n_heads):
            column = [c.id for c in scores.causes].index(f"L{layer.layer}.H{head}")
            high, low = (
                _scaled_value(model, encoded, layer, head, scale) for scale in (1.01, 0.99)
            )
            # The tolerance is for the kinks of OPT's ReLU.
            slope = (high - low) / 0.02
            assert scores.values[0, column] == pytest.approx(slope, rel=0.05, abs=3e-3)


def _scaled_value(model, encoded, layer, head, scale):
    part = slice(head * layer.head_size, (head + 1) * layer.head_size)

    def scaled(module, args):
        x = args[0].clone()
        x[..., part] *= scale
        return (x, *args[1:])

    handle = layer.attention_out.register_forward_pre_hook(scaled)
    try:
        with torch.no_grad():
            return float(value_tensor(model, encoded))
    finally:
        handle.remove()


def test_near_the_replacement_it_agrees_with_the_exact_sweep():
    """With activations close to their replacement the model is linear between the two."""
    model = small("gpt2")
    components = Components(model, replacement="mean", reference=TEXTS[:3])
    first_order = attribution_patching(components, BEHAVIORS).values[0]
    exact = leave_one_out(components, BEHAVIORS).values[0]
    assert np.corrcoef(first_order, exact)[0, 1] > 0.8
