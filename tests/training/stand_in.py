"""A corpus of given token lists, in memory: what training asks of one, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class TokenLists:
    documents: tuple[tuple[int, ...], ...]
    start_tokens: tuple[int, ...] = ()
    end_tokens: tuple[int, ...] = ()
    vocabulary_size: int = 100
    path: Path = Path("nowhere")
    tokenizer_path: Path = Path("nowhere")
    digest: str = "none"

    @property
    def n_documents(self):
        return len(self.documents)

    @property
    def n_tokens(self):
        return sum(map(len, self.documents))

    @property
    def tokens(self):
        return np.array([t for d in self.documents for t in d], dtype=np.uint16)

    @property
    def offsets(self):
        return np.cumsum([0, *map(len, self.documents)]).astype(np.int64)

    def framed(self, i):
        return [*self.start_tokens, *self.documents[i], *self.end_tokens]
