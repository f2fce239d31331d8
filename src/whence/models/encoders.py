"""Texts as vectors of a sentence encoder: a second model, trained to make them good for searching.

Any encoder of transformers, by the mean of its last states over a text's tokens. A folder or name
that sentence-transformers made says itself how it pools, and is opened by that library, which is
an extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from whence.core.errors import MissingExtraError, ModelError
from whence.core.progress import progress

_OWN_WAY = "modules.json"
"""The file in which sentence-transformers says what follows the encoder."""


def sentence_embeddings(
    encoder: str, texts: Sequence[str], *, batch_size: int = 32
) -> Float32[np.ndarray, "text width"]:
    """A vector for each text; what is longer than the encoder reads is cut off.

    Args:
        encoder: a folder, or a name on the Hub.
        texts: any.
        batch_size: texts in one forward pass.

    Raises:
        ModelError: there is no such encoder, or it is none.
        MissingExtraError: it needs sentence-transformers, which is not installed.
    """
    if (Path(encoder) / _OWN_WAY).is_file():
        return _by_its_own_library(encoder, texts, batch_size)
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(encoder)
        module = AutoModel.from_pretrained(encoder).eval()
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            encoder,
            expected="a text encoder that transformers can open",
            got=str(error).splitlines()[0][:200],
            fix="Name its folder, or download it first.",
        ) from None
    longest = min(tokenizer.model_max_length, module.config.max_position_embeddings)
    order = np.argsort([len(text) for text in texts], kind="stable")  # little padding
    found: list[np.ndarray | None] = [None] * len(texts)
    starts = range(0, len(texts), batch_size)
    with torch.no_grad():
        for start in progress(starts, "embedding", len(starts)):
            chosen = order[start : start + batch_size]
            given = tokenizer(
                [texts[i] for i in chosen],
                padding=True,
                truncation=True,
                max_length=longest,
                return_tensors="pt",
            )
            states = module(**given).last_hidden_state
            mask = given["attention_mask"][..., None].to(states.dtype)
            means = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
            for i, mean in zip(chosen, means, strict=True):
                found[i] = mean.float().numpy()
    return np.stack([each for each in found if each is not None])


def _by_its_own_library(encoder: str, texts: Sequence[str], batch_size: int) -> np.ndarray:
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtraError(
            encoder, package="sentence-transformers", extra="sentences"
        ) from None
    made = SentenceTransformer(encoder, device="cpu")
    found = made.encode(list(texts), batch_size=batch_size, show_progress_bar=False)
    return np.asarray(found, dtype=np.float32)
