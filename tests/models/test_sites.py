import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, XLNetConfig, XLNetLMHeadModel

from tests.models.small import ARCHITECTURES, STATE_SPACE, small
from whence.core.errors import ModelError
from whence.models import find_sites


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_all_parts(name):
    model = small(name)
    sites = model.sites
    assert [layer.layer for layer in sites.layers] == [0, 1, 2]
    assert sites.embedding is model.module.get_input_embeddings()
    assert sites.head is model.module.get_output_embeddings()
    assert (sites.final_norm is None) == (name == "opt-norm-after")
    for layer in sites.layers:
        assert layer.n_heads == 4
        assert layer.head_size == (12 if name in {"qwen3", "gemma2", "gemma3"} else 8)


@pytest.mark.parametrize("name", STATE_SPACE)
def test_a_state_space_layer_has_no_smaller_parts(name):
    model = small(name)
    assert [layer.has_heads for layer in model.sites.layers] == [False] * 3
    assert model.sites.final_norm is model.module.backbone.norm_f
    with pytest.raises(ModelError, match=r"layer 0: .*heads and an MLP"):
        _ = model.sites.layers[0].mlp
    with pytest.raises(ModelError, match="no edges"):
        _ = model.streams


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_residual_stream_is_the_sum_of_what_layers_add(name):
    """Each block's output minus its input, as transformers itself reports hidden states."""
    module = small(name).module
    ids = torch.tensor([[5, 6, 7, 8]])
    entered = []
    hooks = [
        layer.block.register_forward_hook(
            lambda _, args, kwargs, out: entered.append((args or [kwargs["hidden_states"]])[0]),
            with_kwargs=True,
        )
        for layer in small(name).sites.layers
    ]
    with torch.no_grad():
        hidden = module(ids, output_hidden_states=True, use_cache=False).hidden_states
    for hook in hooks:
        hook.remove()
    for found, expected in zip(entered, hidden, strict=False):
        assert torch.equal(found, expected)


def test_an_unknown_architecture_says_what_was_looked_for():
    module = XLNetLMHeadModel(XLNetConfig(vocab_size=8, d_model=8, n_layer=1, n_head=2, d_inner=8))
    with pytest.raises(ModelError, match=r"transformer\.h.*model\.layers.*lm_loss"):
        find_sites(module)


def test_a_block_without_its_parts_says_what_was_looked_for():
    module = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=8, n_layer=2, n_head=2))
    module.transformer.h[1].attn = nn.Identity()
    with pytest.raises(ModelError, match=r"layer 1 .*attn\.c_proj.*ln_1"):
        find_sites(module)


def test_heads_that_do_not_divide_the_projection_are_an_error():
    module = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=2))
    module.config.n_head = 3
    with pytest.raises(ModelError, match="divides into 3 heads"):
        find_sites(module)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "opt-norm-after"])
def test_what_the_mlp_site_gives_is_what_the_stream_receives(name):
    """Something added to its output is added to the block's output, unchanged by any norm."""
    model = small(name)
    layer, ids = model.sites.layers[1], torch.tensor([[5, 6, 7, 8]])
    more = torch.randn(model.config.hidden_size)

    def block_output(change):
        seen = []
        hooks = [
            layer.mlp.register_forward_hook(lambda _, __, out: out + change),
            layer.block.register_forward_hook(lambda _, __, out: seen.append(out)),
        ]
        with torch.no_grad():
            model.module(ids, use_cache=False)
        for hook in hooks:
            hook.remove()
        return seen[0]

    found = block_output(more) - block_output(torch.zeros(()))
    torch.testing.assert_close(found, more.expand_as(found), atol=1e-4, rtol=0)
