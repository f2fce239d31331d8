"""Whether a module's tokens see only the ones before them.

transformers opens encoders, such as BERT's, as causal language models too. Every number here
would be wrong for them without a word: the target's tokens would be read off the target.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from whence.core.errors import ModelError

# The largest change that rounding alone may make, relative to the largest logit.
_ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-4}
_ROUNDING_OF_HALVES = 5e-2


def check_causal(module: nn.Module) -> None:
    """Change the last token of a row and see that no logit before it moves.

    A module whose output layers are zero moves nothing, and passes.

    Raises:
        ModelError: an earlier logit moves, or the module cannot be run on tokens alone.
    """
    config: Any = module.config
    ids = torch.arange(1, 9, device=next(module.parameters()).device)[None]
    ids %= int(config.get_text_config().vocab_size)
    changed = ids.clone()
    changed[0, -1] = 0
    before, after = _logits(module, ids), _logits(module, changed)
    moved = float((after - before)[0, :-1].abs().max())
    if moved > rounding_of(module) * float(before.abs().max()):
        raise ModelError(
            str(config.model_type),
            expected="a model in which a token sees only the ones before it",
            got="one whose tokens see later ones",
            fix="Choose a decoder-only model, such as llama or gpt2.",
        )


def rounding_of(module: nn.Module) -> float:
    """The largest change of a logit that rounding alone may make, relative to the largest."""
    return _ROUNDING.get(next(module.parameters()).dtype, _ROUNDING_OF_HALVES)


def _logits(
    module: nn.Module, ids: Int[Tensor, "row position"]
) -> Float[Tensor, "row position vocabulary"]:
    try:
        with torch.no_grad():
            logits: Tensor = module(input_ids=ids, use_cache=False).logits
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
        config: Any = module.config
        raise ModelError(
            str(config.model_type),
            expected="a causal language model that can be run on token ids alone",
            got=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            fix="Choose a decoder-only model, such as llama or gpt2.",
        ) from error
    return logits.float()
