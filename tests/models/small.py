"""Small models of every architecture, from their configurations, and tokenizers made here."""

from functools import cache

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer, UnigramTrainer
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    Mamba2Config,
    MambaConfig,
    MistralConfig,
    MixtralConfig,
    Olmo2Config,
    OPTConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2MoeConfig,
    Qwen3Config,
)

from whence.models import open_model

TEXTS = [
    "Ada Lovelace was born in London. Alan Turing was born in London too.",
    "The capital of France is Paris, and the capital of Japan is 東京.",
    "Dogs don't fly 🙂 but birds do.\nA new line begins here; 12 + 30 = 42.",
] * 20

END = "<|endoftext|>"


@cache
def byte_level(start: bool = True) -> PreTrainedTokenizerFast:
    """A byte-level BPE of the GPT-2 kind, with or without a start token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXTS,
        BpeTrainer(
            vocab_size=340,
            special_tokens=[END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if start:
        tokenizer.post_processor = TemplateProcessing(
            single=f"{END} $A", special_tokens=[(END, tokenizer.token_to_id(END))]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, bos_token=END)


@cache
def unigram() -> PreTrainedTokenizerFast:
    """SentencePiece's unigram kind: a blank before the first word, a start and an end token."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer.train_from_iterator(
        TEXTS,
        UnigramTrainer(
            vocab_size=150,
            special_tokens=["<s>", "</s>", "<unk>"],
            unk_token="<unk>",
            show_progress=False,
        ),
    )
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@cache
def llama_bpe() -> PreTrainedTokenizerFast:
    """The Llama kind: BPE with blanks as letters, a blank put in front, bytes for the rest."""
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    letters = sorted({c for text in TEXTS for c in text if c != " " and ord(c) < 128} | {"▁"})
    merges, known = [], {*pieces, *letters}
    for word in ("▁London", "▁Paris", "▁born", "▁in", "▁is", "▁was"):
        left = word[0]
        for letter in word[1:]:
            if left + letter not in known:
                merges.append((left, letter))
                known.add(left + letter)
                pieces.append(left + letter)
            left += letter
    vocabulary = {piece: i for i, piece in enumerate([*pieces, *letters])}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@cache
def single_bytes() -> PreTrainedTokenizerFast:
    """Each byte one token, no start token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


TOKENIZERS = {
    "byte-level": byte_level,
    "unigram": unigram,
    "llama": llama_bpe,
    "bytes": single_bytes,
}

_SIZE = {
    "vocab_size": 352,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": None,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
_GROUPED = {**_SIZE, "num_key_value_heads": 2}
_WIDE_HEADS = {**_GROUPED, "head_dim": 12}  # heads that do not add up to the hidden size
_SLIDING = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"] * 2}
_SLIDING["layer_types"] = _SLIDING["layer_types"][:3]

CONFIGS = {
    "gpt2": lambda: GPT2Config(
        vocab_size=352,
        n_embd=32,
        n_layer=3,
        n_head=4,
        n_positions=64,
        bos_token_id=0,
        eos_token_id=0,
    ),
    "gpt_neox": lambda: GPTNeoXConfig(**_SIZE, tie_word_embeddings=False),
    "gpt_neox-sequential": lambda: GPTNeoXConfig(
        **_SIZE, use_parallel_residual=False, tie_word_embeddings=True
    ),
    "llama": lambda: LlamaConfig(**_GROUPED, tie_word_embeddings=False),
    "llama-tied": lambda: LlamaConfig(**_SIZE, tie_word_embeddings=True),
    "qwen2": lambda: Qwen2Config(**_GROUPED, tie_word_embeddings=True),
    "qwen3": lambda: Qwen3Config(**_WIDE_HEADS, tie_word_embeddings=False),
    "mistral": lambda: MistralConfig(**_GROUPED, sliding_window=8, tie_word_embeddings=False),
    "mixtral": lambda: MixtralConfig(
        **_GROUPED, num_local_experts=4, num_experts_per_tok=2, tie_word_embeddings=False
    ),
    "qwen2_moe": lambda: Qwen2MoeConfig(
        **_GROUPED,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=24,
        shared_expert_intermediate_size=40,
        mlp_only_layers=[1],
        tie_word_embeddings=False,
    ),
    "gemma2": lambda: Gemma2Config(**_WIDE_HEADS, **_SLIDING, query_pre_attn_scalar=12),
    "gemma3": lambda: Gemma3TextConfig(**_WIDE_HEADS, **_SLIDING, query_pre_attn_scalar=12),
    "olmo2": lambda: Olmo2Config(**_GROUPED, tie_word_embeddings=False),
    "opt": lambda: OPTConfig(**_opt()),
    "opt-norm-after": lambda: OPTConfig(
        **_opt(), do_layer_norm_before=False, word_embed_proj_dim=16
    ),
}


def _opt():
    size = {**_SIZE, "ffn_dim": _SIZE["intermediate_size"]}
    del size["intermediate_size"]
    return {**size, "tie_word_embeddings": True}


ARCHITECTURES = list(CONFIGS)

_STATES = {"vocab_size": 352, "hidden_size": 32, "num_hidden_layers": 3, "state_size": 4}
_STATES |= {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
CONFIGS |= {
    "mamba": lambda: MambaConfig(**_STATES, time_step_rank=2),
    "mamba2": lambda: Mamba2Config(
        **_STATES, num_heads=4, head_dim=16, n_groups=1, chunk_size=16, tie_word_embeddings=False
    ),
}
STATE_SPACE = ("mamba", "mamba2")
"""Those without heads and MLPs; not among `ARCHITECTURES`."""
EXPERTS = ("mixtral", "qwen2_moe")
"""Those whose MLPs are mixtures of experts."""


@cache
def _module(name, attention):
    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_config(CONFIGS[name](), attn_implementation=attention)
    if name in EXPERTS:  # the default for experts knows no float64
        module.set_experts_implementation("eager")
    with torch.no_grad():
        for parameter in module.parameters():  # biases and norms away from 0 and 1, too
            parameter.add_(0.15 * torch.randn_like(parameter))
    return module


def small(name="gpt2", attention="eager"):
    """A small model with a byte-level tokenizer; shared, so leave it as it is."""
    return open_model(_module(name, attention), tokenizer=byte_level())


def save_encoder(place):
    """A BERT of random weights as a sentence encoder's folder."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=352,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
    )
    AutoModel.from_config(config).save_pretrained(place)
    tokenizer = byte_level()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(place)
    return str(place)
