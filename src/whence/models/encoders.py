"""Texts as vectors of a sentence encoder: a second model, trained to make them good for searching.

Any encoder that transformers opens. A text's vector is the mean of the last states over its
tokens, or the state of the first, where the encoder's folder says so in the file that
sentence-transformers writes (`1_Pooling/config.json`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from whence.core.errors import ModelError
from whence.core.progress import progress
from whence.core.records import read_json

_POOLING = "1_Pooling/config.json"
_MEAN, _FIRST = "pooling_mode_mean_tokens", "pooling_mode_cls_token"


def sentence_embeddings(
    encoder: str, texts: Sequence[str], *, batch_size: int = 32
) -> Float32[np.ndarray, "text width"]:
    """A vector for each text; what is longer than the encoder reads is cut off.

    Args:
        encoder: a folder, or a name on the Hub.
        texts: any.
        batch_size: texts in one forward pass.

    Raises:
        ModelError: there is no such encoder, it is none, or it pools in another way.
    """
    by_first = _pools_by_first(encoder)
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
            vectors = states[:, 0] if by_first else means
            for i, vector in zip(chosen, vectors, strict=True):
                found[i] = vector.float().numpy()
    return np.stack([each for each in found if each is not None])


def _pools_by_first(encoder: str) -> bool:
    path = Path(encoder) / _POOLING
    if not path.is_file():
        return False
    record = read_json(path)
    ways = [k for k, on in record.items() if k.startswith("pooling_mode_") and on is True]
    if ways not in ([_MEAN], [_FIRST]):
        raise ModelError(
            str(path),
            expected="the mean of the tokens' states, or the first one",
            got=", ".join(ways) or "no way of pooling",
            fix="Use another encoder.",
        )
    return ways == [_FIRST]
