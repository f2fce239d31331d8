"""A causal language model of Hugging Face transformers, opened.

The module is the one that `from_pretrained` gives, in evaluation mode and otherwise
untouched: what is explained is the model itself. Opening is where mistakes should
surface, so a checkpoint is looked at before it is loaded: sizes against its manifest,
every safetensors file whole, no tensor missing (transformers would fill it with random
numbers), a tokenizer that fits.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from whence.core.errors import ModelError, TokenizerError
from whence.core.records import canonical
from whence.models.causal import check_causal
from whence.models.checkpoint import check_checkpoint, folder_of, load, quiet, short
from whence.models.past import goes_on
from whence.models.sites import Sites, bare, find_sites
from whence.models.streams import LayerStreams, find_streams

_SLACK = (128, 0.05)  # rows of an embedding without a token: padding of the vocabulary


@dataclass(frozen=True, eq=False)
class Model:
    """An opened model.

    Attributes:
        module: the Hugging Face module itself, in evaluation mode.
        tokenizer: its tokenizer.
        name: path or name that it was opened by.
    """

    module: nn.Module = field(repr=False)
    tokenizer: PreTrainedTokenizerBase = field(repr=False)
    name: str = "model"

    @cached_property
    def sites(self) -> Sites:
        """Its parts by role, looked for when first asked (`ModelError` when not found)."""
        return find_sites(self.module)

    @cached_property
    def streams(self) -> tuple[LayerStreams, ...]:
        """How its layers read and write the residual stream (`ModelError` when not known)."""
        return find_streams(self.module)

    @cached_property
    def goes_on(self) -> bool:
        """Whether a pass can begin in the middle of a row (asked of the module, once)."""
        return goes_on(self.module)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over configuration, names, shapes and bytes of all parameters."""
        return digest_module(self.module)

    @property
    def config(self) -> Any:
        """Its Hugging Face configuration (the text part)."""
        return bare(self.module).config.get_text_config()

    @property
    def architecture(self) -> str:
        """Its family, such as "gpt2"."""
        return str(self.config.model_type)

    @property
    def context(self) -> int:
        """The longest text it can see, in tokens; a state-space model has no such limit."""
        return int(getattr(self.config, "max_position_embeddings", None) or sys.maxsize)

    @cached_property
    def takes_positions(self) -> bool:
        """Whether a token's position can be given; to a state-space model it cannot."""
        return "position_ids" in inspect.signature(bare(self.module).forward).parameters

    @property
    def vocabulary_size(self) -> int:
        """Rows of its token embedding."""
        return _rows(self.module)

    @cached_property
    def parameters(self) -> int:
        """How many parameters it has, tied ones counted once."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of its parameters."""
        return next(self.module.parameters()).dtype


def open_model(
    source: str | Path | nn.Module,
    *,
    tokenizer: str | Path | PreTrainedTokenizerBase | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    attention: str = "eager",
) -> Model:
    """Open a causal language model.

    Args:
        source: a folder, a name on the Hugging Face hub, or a module that is there already; a
            module is used as it is (put into evaluation mode and on no other device), and
            `device`, `dtype` and `attention` then say nothing.
        tokenizer: its tokenizer, or where that is; by default beside the checkpoint.
        device: where to put it.
        dtype: type of its parameters; by default the checkpoint's own.
        attention: attention implementation of transformers: "eager" or "sdpa".

    Raises:
        ModelError: there is no such model, or it is not a causal language model, or its tokens
            see later ones.
        DamagedError: a file is truncated, altered or missing; the message names it.
        TokenizerError: there is no tokenizer, or it does not fit the model.
    """
    if isinstance(source, nn.Module):
        module, name = source, str(getattr(source.config, "name_or_path", "") or "model")
        if tokenizer is None:
            raise TokenizerError(
                name,
                expected="a tokenizer beside a model that is given as a module",
                got="none",
                fix="Pass tokenizer=...",
            )
    else:
        name = str(source)
        folder = folder_of(source)
        if folder is not None:
            check_checkpoint(folder)
        module = load(name, dtype, attention).to(device)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        tokenizer = open_tokenizer(name if tokenizer is None else tokenizer)
    module.eval()
    check_forward(module)
    check_causal(module)
    check_tokenizer_fits(module, tokenizer)
    return Model(module, tokenizer, name)


def open_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """Open a tokenizer by its folder or name.

    Raises:
        TokenizerError: there is none.
    """
    folder = Path(source)
    names = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "tokenizer.model")
    try:
        # Without this look, transformers makes an empty tokenizer from the model's type alone.
        if folder.is_dir() and not any((folder / name).is_file() for name in names):
            raise OSError(f"a folder without {names[0]}")
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(source))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TokenizerError(
            str(source),
            expected="a folder or name with a Hugging Face tokenizer",
            got=short(error),
            fix="Give the tokenizer's own folder or name with tokenizer=...",
        ) from None
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    return tokenizer


def check_tokenizer_fits(module: nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
    """Compare a tokenizer's ids with the rows of a model's embedding.

    A model may have a few rows more than there are tokens (vocabularies are padded to round
    numbers): up to 128, or 5 % of its rows.

    Raises:
        TokenizerError: an id has no row, or far more rows than tokens.
    """
    rows = _rows(module)
    ids = tokenizer.get_vocab().values()
    highest = max(ids, default=-1)
    spare = rows - len(tokenizer)
    if highest < rows and spare <= max(_SLACK[0], _SLACK[1] * rows):
        return
    raise TokenizerError(
        str(tokenizer.name_or_path or "tokenizer"),
        expected=f"a vocabulary for a model of {rows} tokens",
        got=f"{len(tokenizer)} tokens, the highest id {highest}",
        fix="Use the tokenizer that the model was trained with.",
    )


def check_forward(module: nn.Module) -> None:
    """Complain when a module's `forward` lacks an argument that scoring needs.

    Raises:
        ModelError: it does.
    """
    inner = bare(module)
    accepted = inspect.signature(inner.forward).parameters
    needed = ("input_ids", "attention_mask", "inputs_embeds", "logits_to_keep")
    lacking = [name for name in needed if name not in accepted]
    if lacking:
        raise ModelError(
            type(inner).__name__,
            expected=f"a forward method with {', '.join(needed)}",
            got=f"one without {', '.join(lacking)}",
            fix="Open a causal language model of a recent architecture.",
        )


def digest_module(module: nn.Module) -> str:
    """SHA-256 over configuration, names, shapes and bytes of a module's parameters."""
    config = bare(module).config.to_dict()
    # What says where a model came from, or how it is run, is not what it is.
    for key in ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache"):
        config.pop(key, None)
    # A limit may be infinite (Mamba 2's time steps), for which JSON has no number.
    plain = json.loads(json.dumps(config, default=str), parse_constant=str)
    state = hashlib.sha256(canonical(plain))
    for name, tensor in sorted(module.named_parameters()):
        state.update(canonical([name, str(tensor.dtype), list(tensor.shape)]))
        raw = tensor.detach().cpu().contiguous().view(torch.uint8).numpy()
        state.update(raw.tobytes())
    return "sha256:" + state.hexdigest()


def _rows(module: nn.Module) -> int:
    embedding = bare(module).get_input_embeddings()
    return int(embedding.weight.shape[0])
