"""Texts as vectors: the mean of a model's own last hidden states.

No model was ever trained to make these good for searching. They are a baseline that costs one
forward pass and needs no second model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32

from whence.core.errors import ModelError
from whence.core.progress import progress
from whence.models.opened import Model
from whence.models.rows import BATCH_SIZE, plan
from whence.models.sites import bare

_LONG_WORK = 20  # batches; shorter work shows no bar


def text_embeddings(
    model: Model, texts: Sequence[str], *, batch_size: int = BATCH_SIZE
) -> Float32[np.ndarray, "text width"]:
    """The mean over a text's tokens of the states that the vocabulary's projection reads.

    Special tokens that the tokenizer adds are seen by the model but left out of the mean: the
    state of a first token is often hundreds of times as long as the others. A text longer than
    the model's context is read in pieces of that length.

    Args:
        model: the model.
        texts: of any length, none empty.
        batch_size: pieces in one forward pass; part of a plan, since it can change last bits.

    Raises:
        ModelError: a text has no token.
    """
    pieces: list[tuple[int, list[int], list[bool]]] = []
    for number, text in enumerate(texts):
        ids, own = _tokens(model, text, number)
        for start in range(0, len(ids), model.context):
            stop = start + model.context
            pieces.append((number, ids[start:stop], own[start:stop]))
    batches = plan([len(ids) for _, ids, _ in pieces], batch_size)
    sums = np.zeros((len(texts), 0))
    counts = np.zeros(len(texts))
    with torch.no_grad():
        for batch in progress(batches, "embedding") if len(batches) > _LONG_WORK else batches:
            chosen = [pieces[i] for i in batch]
            states = _states(model, [ids for _, ids, _ in chosen])
            if not sums.shape[1]:
                sums = np.zeros((len(texts), states.shape[-1]))
            for (number, ids, own), state in zip(chosen, states, strict=True):
                kept = state[: len(ids)][torch.tensor(own, device=state.device)]
                sums[number] += kept.double().sum(dim=0).cpu().numpy()
                counts[number] += len(kept)
    return (sums / counts[:, None]).astype(np.float32)


def _tokens(model: Model, text: str, number: int) -> tuple[list[int], list[bool]]:
    """Token ids, and which of them are the text's own."""
    found = model.tokenizer(text, return_special_tokens_mask=True, verbose=False)
    ids: list[int] = list(found["input_ids"])
    own = [not special for special in found["special_tokens_mask"]]
    if not any(own):
        raise ModelError(
            f"text {number}", expected="at least one token", got=repr(text), fix="Leave it out."
        )
    return ids, own


def _states(model: Model, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    # Padded on the right, where a causal model does not look (see `rows`).
    width = max(map(len, rows))
    padded = [[*row, *[row[-1]] * (width - len(row))] for row in rows]
    ids = torch.tensor(padded, dtype=torch.long, device=model.device)
    found: torch.Tensor = (
        bare(model.module)
        .base_model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
        .last_hidden_state
    )
    return found
