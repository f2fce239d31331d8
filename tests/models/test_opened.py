import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertConfig, BertLMHeadModel, GPT2Config, GPT2LMHeadModel

from tests.models.small import CONFIGS, byte_level, single_bytes, small
from whence.core import Behavior
from whence.core.errors import DamagedError, ModelError, TokenizerError
from whence.core.records import seal
from whence.models import check_tokenizer_fits, open_model, open_tokenizer, values

BEHAVIOR = [Behavior("Ada Lovelace was born in", " London", " Paris")]


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    small().module.save_pretrained(folder)
    byte_level().save_pretrained(folder)
    return folder


def test_a_folder_opens_as_the_same_model(checkpoint):
    model = open_model(checkpoint)
    assert (values(model, BEHAVIOR) == values(small(), BEHAVIOR)).all()
    assert model.digest == small().digest
    assert model.name == str(checkpoint)
    assert model.architecture == "gpt2"
    assert model.context == 64
    assert model.vocabulary_size == 352
    assert model.parameters == sum(p.numel() for p in small().module.parameters())
    assert not model.module.training


def test_a_string_is_as_good_as_a_path(checkpoint):
    assert open_model(str(checkpoint)).digest == small().digest


def test_a_module_is_used_as_it_is():
    module = small().module
    model = open_model(module, tokenizer=byte_level())
    assert model.module is module


def test_a_module_needs_a_tokenizer():
    with pytest.raises(TokenizerError, match="tokenizer="):
        open_model(small().module)


def test_the_digest_sees_one_changed_parameter_and_the_configuration(checkpoint):
    tensors = load_file(checkpoint / "model.safetensors")
    name = next(iter(tensors))
    tensors[name].view(-1)[0] += 1e-3
    save_file(tensors, checkpoint / "model.safetensors", metadata={"format": "pt"})
    changed = open_model(checkpoint).digest
    assert changed != small().digest
    config = json.loads((checkpoint / "config.json").read_text())
    config["layer_norm_epsilon"] = 1e-3
    (checkpoint / "config.json").write_text(json.dumps(config))
    assert open_model(checkpoint).digest != changed


def test_dtype_and_attention_can_be_chosen(checkpoint):
    model = open_model(checkpoint, dtype=torch.float64, attention="sdpa")
    assert model.dtype == torch.float64
    assert model.config._attn_implementation == "sdpa"
    assert values(model, BEHAVIOR)[0] == pytest.approx(values(small(), BEHAVIOR)[0], abs=1e-5)


def test_loading_leaves_transformers_settings_alone(checkpoint, capfd):
    log = transformers.utils.logging
    before = log.get_verbosity(), log.is_progress_bar_enabled()
    open_model(checkpoint)
    assert (log.get_verbosity(), log.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("source", ["/no/such/folder", "./nothing", "a/b/c", ""])
def test_a_missing_folder(source):
    with pytest.raises(ModelError, match="no such folder"):
        open_model(source)


def test_a_file_is_no_model(checkpoint):
    with pytest.raises(ModelError, match="got a file"):
        open_model(checkpoint / "config.json")


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        open_model(tmp_path)


def test_a_folder_without_weights(checkpoint):
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no file named"):
        open_model(checkpoint)


def test_a_model_that_is_not_a_language_model(checkpoint):
    (checkpoint / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ModelError, match="causal language model"):
        open_model(checkpoint)


def test_a_model_that_sees_what_comes_is_not_opened(checkpoint):
    config = BertConfig(
        vocab_size=400,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertLMHeadModel(config).save_pretrained(checkpoint)
    with pytest.raises(ModelError, match=r"tokens see later ones|forward method"):
        open_model(checkpoint)


def test_an_unknown_attention(checkpoint):
    with pytest.raises(ModelError, match="'nonsense'"):
        open_model(checkpoint, attention="nonsense")


@pytest.mark.parametrize("left", [0, 4, 100, 5000, -1])
def test_a_truncated_file_is_named(checkpoint, left):
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(DamagedError, match=r"model\.safetensors"):
        open_model(checkpoint)


def test_a_sealed_checkpoint_is_held_to_its_manifest(checkpoint):
    seal(checkpoint)
    open_model(checkpoint)
    with (checkpoint / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(DamagedError, match=r"config\.json"):
        open_model(checkpoint)


def test_a_missing_parameter_is_not_made_up(checkpoint):
    path = checkpoint / "model.safetensors"
    tensors = load_file(path)
    del tensors["transformer.h.1.mlp.c_fc.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(DamagedError, match=r"h\.1\.mlp\.c_fc\.weight"):
        open_model(checkpoint)


def test_a_missing_shard_is_named(tmp_path):
    folder = tmp_path / "sharded"
    small().module.save_pretrained(folder, max_shard_size="60KB")
    byte_level().save_pretrained(folder)
    assert open_model(folder).digest == small().digest
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(DamagedError, match=shard.name):
        open_model(folder)


def test_parameters_of_another_shape(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    config["n_embd"] = 64
    (checkpoint / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="causal language model"):
        open_model(checkpoint)


def test_a_missing_tokenizer(checkpoint, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(checkpoint / name, bare)
    with pytest.raises(TokenizerError, match=r"without tokenizer\.json"):
        open_model(bare)
    assert open_model(bare, tokenizer=checkpoint).digest == small().digest


def test_a_damaged_tokenizer(checkpoint):
    path = checkpoint / "tokenizer.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(TokenizerError):
        open_model(checkpoint)


def test_open_tokenizer_missing_folder():
    with pytest.raises(TokenizerError, match="/no/such"):
        open_tokenizer("/no/such")


def test_a_tokenizer_of_another_model():
    def model(rows):
        return GPT2LMHeadModel(GPT2Config(vocab_size=rows, n_embd=8, n_layer=1, n_head=1))

    tokens = len(byte_level())
    check_tokenizer_fits(model(tokens), byte_level())
    check_tokenizer_fits(model(tokens + 128), byte_level())
    for rows in (tokens - 1, tokens + 129, 5000):
        with pytest.raises(TokenizerError, match=f"{tokens} tokens"):
            check_tokenizer_fits(model(rows), byte_level())
    check_tokenizer_fits(model(300), single_bytes())


def test_a_module_whose_forward_lacks_an_argument():
    class Plain(nn.Module):
        config = CONFIGS["gpt2"]()

        def forward(self, input_ids):
            return input_ids

    with pytest.raises(ModelError, match="without attention_mask, inputs_embeds"):
        open_model(Plain(), tokenizer=byte_level())
