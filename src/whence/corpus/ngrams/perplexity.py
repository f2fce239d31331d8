"""How well a model of the corpus predicts texts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from whence.core.errors import CorpusError
from whence.corpus.ngrams.model import NgramModel
from whence.corpus.store import Corpus


@dataclass(frozen=True, slots=True)
class Perplexity:
    """What a model makes of some texts.

    Attributes:
        texts: how many.
        tokens: predictions: every token and every text's end.
        bytes: of the texts in UTF-8.
        nats: minus the sum of all log-probabilities.
    """

    texts: int
    tokens: int
    bytes: int
    nats: float

    @property
    def perplexity(self) -> float:
        """Exp of the nats a prediction."""
        return math.exp(self.nats / self.tokens)

    @property
    def bits_per_byte(self) -> float:
        """Does not depend on the tokenizer, so that corpora can be compared."""
        return self.nats / math.log(2) / max(self.bytes, 1)

    def to_json(self) -> dict[str, Any]:
        """The record."""
        return {
            "texts": self.texts,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "nats": self.nats,
            "perplexity": self.perplexity,
            "bits_per_byte": self.bits_per_byte,
        }


def perplexity(corpus: Corpus, model: NgramModel, texts: Iterable[str]) -> Perplexity:
    """Perplexity of texts, each taken as a whole document: its end is predicted too.

    Args:
        corpus: whose tokenizer reads them.
        model: of the corpus, or of another one with the same tokenizer.
        texts: read once.

    Raises:
        CorpusError: there is no text.
    """
    count = tokens = size = 0
    nats = 0.0
    for text in texts:
        found = model.log_probabilities(corpus.encode(text))
        count, tokens, size = count + 1, tokens + len(found), size + len(text.encode())
        nats -= float(found.sum())
    if not count:
        raise CorpusError("texts", expected="at least one", got="none", fix="Give a text.")
    return Perplexity(count, tokens, size, nats)
