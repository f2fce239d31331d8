"""Memory that a step takes at the very least, and what happens when there is not so much.

Kept for the backward pass, whatever the architecture: each layer's attention weights, and
the logits with their softmax. With r rows of p positions, h heads, l layers, V tokens that
is r p (l h p + 2 V) numbers. What cannot fit into the machine at all is refused before any
work; a fault of the allocator later on is told as what it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import PretrainedConfig

from whence.core.errors import RunError
from whence.training.numerics import DTYPES
from whence.training.recipe import Recipe

_FIX = "Choose fewer rows (--rows), a shorter context (--context) or a smaller model."


def least_memory(config: PretrainedConfig, recipe: Recipe) -> int:
    """Bytes that one training step cannot do without."""
    text = config.get_text_config()
    heads = getattr(text, "num_attention_heads", None) or 0
    layers = getattr(text, "num_hidden_layers", None) or 0
    numbers = recipe.rows * recipe.context * (layers * heads * recipe.context + 2 * text.vocab_size)
    return int(numbers) * int(DTYPES[recipe.dtype].itemsize)


def check_memory(config: PretrainedConfig, recipe: Recipe) -> None:
    """Refuse a step that the machine could not hold even if it were empty.

    Raises:
        RunError: it is larger than the machine's, or the device's, whole memory.
    """
    device = torch.device(recipe.device)
    if device.type == "cpu":
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    elif device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
    else:
        return
    needed = least_memory(config, recipe)
    if needed > there:
        raise RunError(
            f"recipe.rows = {recipe.rows}, recipe.context = {recipe.context}",
            expected=f"steps that fit into {there / 2**30:.1f} GiB of memory",
            got=f"steps of at least {needed / 2**30:,.1f} GiB",
            fix=_FIX,
        )


@contextmanager
def no_memory_is_an_error(recipe: Recipe) -> Iterator[None]:
    """Turn the allocator's complaint into a `RunError`; other faults pass."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # On the CPU, PyTorch has no class of its own for it.
        lacking = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not lacking and "allocate memory" not in str(error):
            raise
        raise RunError(
            f"recipe.rows = {recipe.rows}, recipe.context = {recipe.context}",
            expected="enough memory for a step",
            got=str(error).splitlines()[0][:120] or "none left",
            fix=_FIX,
        ) from error
