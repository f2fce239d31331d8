import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from whence.attribution import RowGradients

SIZES = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def small(kind):
    torch.manual_seed(0)
    sizes = dict(SIZES)
    if kind == "gpt2":
        names = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer"}
        names |= {"num_attention_heads": "n_head", "max_position_embeddings": "n_positions"}
        sizes = {names.get(k, k): v for k, v in sizes.items()}
        sizes |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    if kind == "opt":
        sizes |= {"word_embed_proj_dim": 16, "ffn_dim": 24, "dropout": 0.0}
    module = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(kind, **sizes), attn_implementation="eager"
    ).double()
    with torch.no_grad():  # norms begin at exactly 1 and biases at 0, which would hide mistakes
        for p in module.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return module


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gpt_neox", "qwen3", "gemma2", "olmo2", "opt"])
def test_products_equal_those_with_each_rows_own_gradient(kind):
    module = small(kind)
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 50, (3, 7), generator=generator)
    directions = {
        name: torch.randn(2, *p.shape, generator=generator, dtype=p.dtype)
        for name, p in module.named_parameters()
    }

    def loss(rows):
        where = torch.arange(rows.shape[1]).expand(rows.shape)
        seen = torch.ones_like(rows)
        logits = module(
            input_ids=rows, attention_mask=seen, position_ids=where, use_cache=False
        ).logits[:, :-1]
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum"
        )

    products = RowGradients(module, directions)
    with products.rows(3, 2) as scores:
        loss(ids).backward()

    covered = {n for n, _ in module.named_parameters()} - set(products.missing)
    expected = torch.zeros(3, 2, dtype=torch.float64)
    for row in range(3):
        module.zero_grad()
        loss(ids[row : row + 1]).backward()
        for name, p in module.named_parameters():
            if name in covered and p.grad is not None:
                expected[row] += directions[name].flatten(1) @ p.grad.flatten()
    # Some norms compute in float32 whatever the model's type.
    torch.testing.assert_close(scores, expected, rtol=1e-6, atol=1e-6)
    assert products.covered > (0.85 if kind == "opt" else 1 - 1e-12)
    if kind == "opt":  # its position table is a class of its own, and is reported
        assert any("embed_positions" in name for name in products.missing)


def test_hooks_are_gone_afterwards():
    module = small("llama")
    products = RowGradients(module, {n: p[None] for n, p in module.named_parameters()})
    with pytest.raises(ZeroDivisionError), products.rows(1, 1):
        raise ZeroDivisionError
    assert not any(layer._forward_hooks for layer in module.modules())
