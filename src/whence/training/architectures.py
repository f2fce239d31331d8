"""From a recipe to an untrained (or continued) Hugging Face module of the right size.

Any decoder-only `model_type` of transformers is accepted. Sizes are set through the names
that transformers uses in common (`hidden_size`, `num_hidden_layers`, ...; a config's
`attribute_map` translates), and what one architecture needs beyond them stands in a table:
no dropout, positions enough for the context, no window smaller than the context.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from whence.core.errors import ModelError, RunError, TokenizerError
from whence.core.records import digest, digest_file, read_json
from whence.core.seeds import derive
from whence.models import open_model
from whence.training.numerics import DTYPES, implementation
from whence.training.pieces import Documents
from whence.training.recipe import Recipe


class Shape(NamedTuple):
    """The size of a model."""

    width: int
    layers: int
    heads: int


SIZES = {"tiny": Shape(64, 2, 4), "small": Shape(128, 4, 4), "base": Shape(256, 6, 8)}

# What transformers says of a config it cannot use: it has no class of its own for it.
_CONFIG_FAULTS = (ValueError, TypeError, AttributeError, StrictDataclassError)

_GATED = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "olmo", "olmo2")


def _common(shape: Shape, recipe: Recipe, gated: bool) -> dict[str, Any]:
    # A gated MLP has three matrices where a plain one has two: 8/3 of the width makes them equal.
    inner = 8 * round(shape.width / 3) if gated else 4 * shape.width
    return {
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.width // shape.heads,
        "intermediate_size": inner,
        "max_position_embeddings": recipe.context,
        "attention_dropout": 0.0,
        "hidden_dropout": 0.0,
    }


def _special(model_type: str, shape: Shape, recipe: Recipe) -> dict[str, Any]:
    table: dict[str, dict[str, Any]] = {
        "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
        "opt": {
            "ffn_dim": 4 * shape.width,
            "word_embed_proj_dim": shape.width,
            "dropout": 0.0,
        },
        "mistral": {"sliding_window": None},
        "gemma2": {
            "query_pre_attn_scalar": shape.width // shape.heads,
            "sliding_window": recipe.context,
        },
        "gemma3_text": {
            "query_pre_attn_scalar": shape.width // shape.heads,
            "sliding_window": recipe.context,
        },
        "gptj": {"rotary_dim": shape.width // shape.heads},
        "codegen": {"rotary_dim": shape.width // shape.heads},
        "gpt_neo": {
            "attention_types": [[["global"], shape.layers]],
            "embed_dropout": 0.0,
            "resid_dropout": 0.0,
        },
        "mamba": {"time_step_rank": "auto"},
    }
    return table.get(model_type, {})


def build_config(recipe: Recipe, corpus: Documents) -> PretrainedConfig:
    """The config of the model that a recipe asks for, fitted to a corpus's tokenizer.

    Raises:
        ModelError: the architecture is unknown or no decoder, or the config or checkpoint
            cannot be read.
        TokenizerError: the model knows fewer tokens than the tokenizer gives.
        RunError: the context is beyond the model's positions.
    """
    if recipe.checkpoint is not None:
        config = _read_config(recipe.checkpoint, "recipe.checkpoint")
    elif recipe.config is not None:
        config = _read_config(recipe.config, "recipe.config")
    else:
        config = sized_config(recipe, corpus.vocabulary_size, _special_tokens(corpus))
    if config.vocab_size < corpus.vocabulary_size:
        raise TokenizerError(
            "model and tokenizer",
            expected=f"a model that knows the corpus's {corpus.vocabulary_size} tokens",
            got=f"one with {config.vocab_size}",
            fix="Build the corpus with the model's own tokenizer.",
        )
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions < recipe.context:
        raise RunError(
            "recipe.context",
            expected=f"at most the model's {positions} positions",
            got=str(recipe.context),
            fix="Choose a shorter context.",
        )
    if recipe.config is not None:
        for name, token in _special_tokens(corpus).items():
            setattr(config, name, token)
    return config


def _special_tokens(corpus: Documents) -> dict[str, int | None]:
    """What a config says of the tokenizer's special tokens."""
    tokenizer = AutoTokenizer.from_pretrained(corpus.tokenizer_path)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    # The embedding of a config's padding token is never trained: it must not be one that frames
    # documents, as it is in the many tokenizers that pad with their end-of-text token.
    framing = {*corpus.start_tokens, *corpus.end_tokens, *ends.values()}
    padding = tokenizer.pad_token_id
    return {**ends, "pad_token_id": None if padding in framing else padding}


def sized_config(
    recipe: Recipe, vocabulary_size: int, special_tokens: dict[str, int | None]
) -> PretrainedConfig:
    """The config of an architecture at one of the given sizes.

    Raises:
        ModelError: the architecture is unknown, or no decoder, or its size cannot be set.
    """
    kind = recipe.architecture
    if kind not in CONFIG_MAPPING or kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ModelError(
            "recipe.architecture",
            expected='a decoder-only model_type of transformers, such as "llama" or "gpt2"',
            got=repr(kind),
            fix="Correct the name, or give a JSON config.",
        )
    shape = SIZES[recipe.size]
    known = CONFIG_MAPPING[kind]()
    wanted = _common(shape, recipe, kind in _GATED)
    fields = {name: value for name, value in wanted.items() if _can_set(known, name)}
    fields |= _special(kind, shape, recipe) | special_tokens
    try:
        return AutoConfig.for_model(kind, vocab_size=vocabulary_size, **fields)
    except _CONFIG_FAULTS as error:
        raise ModelError(
            "recipe.architecture",
            expected=f"an architecture whose size can be set to {recipe.size!r}",
            got=f"{kind!r}: {_first_line(error)}",
            fix="Give a JSON config of it (recipe.config, --config).",
        ) from None


def _can_set(config: PretrainedConfig, name: str) -> bool:
    declared = getattr(type(config), name, None)
    computed = isinstance(declared, property) and declared.fset is None
    return hasattr(config, name) and not computed


def _read_config(source: str, place: str) -> PretrainedConfig:
    try:
        found: PretrainedConfig = AutoConfig.from_pretrained(source)
    except (OSError, KeyError, *_CONFIG_FAULTS) as error:
        raise ModelError(
            place,
            expected="a Hugging Face config (JSON with its model_type) or checkpoint",
            got=f"{source!r}: {_first_line(error)}",
            fix="Correct the path or the file.",
        ) from None
    return found


def build_module(recipe: Recipe, corpus: Documents) -> nn.Module:
    """The module before its first step: drawn from the seed, or read from the checkpoint.

    Raises:
        ModelError: see `build_config`; or the architecture lacks the attention kernel.
        TokenizerError: the model knows fewer tokens than the tokenizer gives.
        RunError: the context is beyond the model's positions.
    """
    config = build_config(recipe, corpus)
    dtype, kernel = DTYPES[recipe.dtype], implementation(recipe.attention)
    if recipe.checkpoint is not None:
        # Its tokens were compared with the corpus's tokenizer, which is the one that counts.
        tokenizer = AutoTokenizer.from_pretrained(corpus.tokenizer_path)
        opened = open_model(recipe.checkpoint, tokenizer=tokenizer, dtype=dtype, attention=kernel)
        return opened.module.to(recipe.device).train()
    auto: Any = AutoModelForCausalLM
    torch.manual_seed(derive(recipe.seed, "initialisation"))
    try:
        module: nn.Module = auto.from_config(config, dtype=dtype, attn_implementation=kernel)
    except (*_CONFIG_FAULTS, ArithmeticError, LookupError, AssertionError) as error:
        if "attention implementation" in str(error):
            raise ModelError(
                "recipe.attention",
                expected=f"an attention that {config.model_type!r} supports",
                got=f"{recipe.attention!r}: {_first_line(error)}",
                fix='Choose attention "eager".',
            ) from None
        raise ModelError(
            "recipe.architecture" if recipe.config is None else f"recipe.config {recipe.config}",
            expected=f"a configuration from which transformers can build {config.model_type!r}",
            got=_first_line(error),
            fix="Correct the config, or choose another architecture, such as llama or gpt2.",
        ) from error
    return module.to(recipe.device).train()


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def has_dropout(module: nn.Module) -> bool:
    """Whether anything in the module is drawn at random while training."""
    config: Any = module.config
    # Heads for summaries and classification are no part of a language model.
    other = ("summary_", "classifier_")
    named = [v for k, v in config.to_dict().items() if "drop" in k and not k.startswith(other)]
    modules = [m.p for m in module.modules() if isinstance(m, nn.Dropout)]
    return any(isinstance(p, float | int) and p > 0 for p in [*named, *modules])


def origin_digest(recipe: Recipe) -> str | None:
    """Digest of the config or checkpoint files that a recipe names."""
    source = recipe.checkpoint or recipe.config
    if source is None or not Path(source).exists():
        return None
    path = Path(source)
    if path.is_file():
        return digest(read_json(path))
    return digest({p.name: digest_file(p) for p in sorted(path.iterdir()) if p.is_file()})
