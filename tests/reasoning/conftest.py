"""A language model of a few thousand parameters, with a letter a token."""

import pytest

LETTERS = "abcdefghijklmnopqrstuvwxyz .?\n0123456789=+()"


def letter_model(letters=LETTERS, seed=0, scale=6.0, layers=1, context=256):
    """An opened model whose tokens are single characters; its weights are drawn, not trained."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from whence.models import Model

    vocabulary = {"</s>": 0} | {letter: k for k, letter in enumerate(letters, start=1)}
    bare = Tokenizer(models.WordLevel(vocabulary, unk_token="</s>"))
    bare.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    bare.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="</s>")
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=32, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=context,
        eos_token_id=0, bos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    module = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        module.lm_head.weight.mul_(scale)  # drawn weights alone are almost uniform
    return Model(module, tokenizer, "letters")


@pytest.fixture(scope="session")
def letters():
    return letter_model()
