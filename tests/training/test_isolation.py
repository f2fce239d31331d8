from __future__ import annotations

import pytest
import torch

from whence.core.errors import ModelError
from whence.training import isolation
from whence.training.architectures import build_config, build_module
from whence.training.batch import separating_mask
from whence.training.isolation import check_order_of_sight, try_isolation
from whence.training.numerics import numerics
from whence.training.recipe import Recipe
from whence.training.trainer import train

SHARING = ["gpt2", "gpt_neox", "llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text"]
SHARING += ["olmo2", "opt"]


def module_of(corpus, **options):
    recipe = Recipe(context=32, **options)
    with numerics(recipe):
        return build_module(recipe, corpus)


@pytest.mark.parametrize("architecture", SHARING)
def test_pieces_can_share_rows(corpus, architecture):
    found = try_isolation(module_of(corpus, architecture=architecture), 32)
    assert found.packed, found


def test_math_attention_keeps_pieces_apart_too(corpus):
    recipe = Recipe(context=32, attention="math")
    with numerics(recipe):
        assert try_isolation(build_module(recipe, corpus), 32).packed


def test_a_recurrent_architecture_gets_one_piece_a_row(corpus):
    found = try_isolation(module_of(corpus, architecture="mamba"), 32)
    assert not found.packed
    assert "one piece a row" in found.reason


def test_a_window_shorter_than_the_row_is_noticed(corpus, tmp_path):
    config = build_config(Recipe(architecture="mistral", context=32), corpus)
    config.sliding_window = 8
    config.save_pretrained(tmp_path)
    found = try_isolation(module_of(corpus, config=str(tmp_path / "config.json")), 32)
    assert not found.packed
    assert "alone" in found.reason


@pytest.mark.parametrize(
    "spoil",
    [
        lambda given: {"attention_mask": torch.ones_like(given["input_ids"]), "use_cache": True},
        lambda given: {"attention_mask": torch.ones_like(given["input_ids"])},
        lambda given: {"attention_mask": given["attention_mask"] * 0},
    ],
)
def test_a_leak_is_seen(corpus, monkeypatch, spoil):
    """Each of these is a way in which packing goes wrong in practice."""

    def leaking(module, batch):
        given = {
            "input_ids": batch.ids,
            "attention_mask": separating_mask(batch, torch.float32),
            "position_ids": batch.positions,
            "use_cache": False,
        }
        return module(**(given | spoil(given))).logits

    monkeypatch.setattr(isolation, "logits", leaking)
    assert not try_isolation(module_of(corpus), 32).packed


def test_a_dead_module_is_not_trusted(corpus):
    module = module_of(corpus)
    frozen = torch.randn(2, 32, module.config.vocab_size)
    module.forward = lambda input_ids, attention_mask=None, position_ids=None, use_cache=None: type(
        "Output", (), {"logits": frozen[:, : input_ids.shape[1]]}
    )
    assert "not seen" in try_isolation(module, 32).reason


def test_unknown_architecture(corpus):
    with pytest.raises(ModelError, match="model_type"):
        build_config(Recipe(architecture="parrot"), corpus)
    with pytest.raises(ModelError, match="bert"):
        build_config(Recipe(architecture="bert_of_nothing"), corpus)


@pytest.mark.parametrize("architecture", [*SHARING, "mamba", "gpt_neox", "mixtral"])
def test_decoders_do_not_see_later_tokens(corpus, architecture):
    check_order_of_sight(module_of(corpus, architecture=architecture))


@pytest.mark.parametrize("architecture", ["bert", "electra"])
def test_an_encoder_is_not_trained_to_copy_what_it_sees(corpus, architecture, tmp_path):
    with pytest.raises(ModelError, match="tokens see later ones"):
        train(corpus, tmp_path / "r", Recipe(architecture=architecture, context=32, steps=1))
