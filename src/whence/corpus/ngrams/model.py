"""An n-gram language model of a corpus: made once, saved beside it, opened memory-mapped.

    model = ngram_model(corpus, order=5)
    model.log_probabilities(corpus.encode(text))        nats, one a token and one for the end
    model.distribution(context)                         over the vocabulary and the end

On disk lies, for each order, the sorted `keys` of `counting` with a probability for each n-gram
and a back-off weight for each context: at most 16 bytes an n-gram.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Integer

from whence.core.errors import BusyError, CorpusError, DamagedError
from whence.core.locks import hold
from whence.core.records import (
    building,
    check_sizes,
    digest,
    full_disk_is_an_error,
    read_json,
    write_json,
)
from whence.corpus.arrays import open_array, save_array
from whence.corpus.ngrams.counting import Symbols, count_ngrams, lookup
from whence.corpus.ngrams.kneser_ney import smooth
from whence.corpus.store import Corpus

VERSION = 1
ORDER = 5
MEMORY = 1 << 30
_RECORD = "ngrams.json"
_MOST = 12


@dataclass(frozen=True, eq=False)
class NgramModel:
    """An opened n-gram model with modified Kneser-Ney smoothing.

    Attributes:
        path: its folder.
        record: what `ngrams.json` says: corpus, order, discounts, how many n-grams.
        keys: for each order, the sorted keys of its n-grams.
        probabilities: for each order, of each n-gram's last token after the others.
        backoffs: for each order n, the weights of the (n-1)-grams as contexts.
    """

    path: Path
    record: dict[str, Any]
    keys: tuple[Int64[np.ndarray, " _"], ...]
    probabilities: tuple[Float[np.ndarray, " _"], ...]
    backoffs: tuple[Float[np.ndarray, " _"], ...]

    @property
    def order(self) -> int:
        """Tokens of the longest n-gram."""
        return len(self.keys)

    @cached_property
    def symbols(self) -> Symbols:
        """The vocabulary with a document's start and end."""
        return Symbols(int(self.record["vocabulary_size"]))

    def log_probabilities(
        self, tokens: Integer[np.ndarray, " token"] | Sequence[int]
    ) -> Float64[np.ndarray, " prediction"]:
        """Log-probability of each token after those before it, and of the document's end, nats.

        Args:
            tokens: a whole document's; may be empty.

        Raises:
            CorpusError: a token is not in the vocabulary.
        """
        asked = self._checked(tokens)
        framed = np.concatenate([[self.symbols.start], asked, [self.symbols.end]])
        numbers = self._numbers(framed)
        n = len(framed) - 1
        found = np.zeros(n)
        weight = np.zeros(n)  # log of the back-off weights of the contexts tried so far
        known = np.zeros(n, bool)
        places = np.arange(1, n + 1)
        for order in range(self.order, 0, -1):
            begins = places - order + 1
            inside = begins >= 0
            number = np.where(inside, numbers[order - 1][np.maximum(begins, 0)], -1)
            hit = ~known & (number >= 0)
            p = self.probabilities[order - 1][number[hit]].astype(np.float64)
            found[hit] = weight[hit] + np.log(p)
            known |= hit
            if order > 1:
                context = np.where(inside, numbers[order - 2][np.maximum(begins, 0)], -1)
                back = ~known & (context >= 0)
                gamma = self.backoffs[order - 1][context[back]].astype(np.float64)
                weight[back] += np.log(gamma)
        return found

    def distribution(
        self, context: Integer[np.ndarray, " token"] | Sequence[int], *, begins: bool = True
    ) -> Float64[np.ndarray, " token_or_end"]:
        """Probability of every token and, last, of the document's end.

        Args:
            context: the tokens before.
            begins: the context begins a document; else it stands somewhere inside one.
        """
        before = self._checked(context)
        if begins:
            before = np.concatenate([[self.symbols.start], before])
        before = before[max(0, len(before) - self.order + 1) :]
        p = self.probabilities[0].astype(np.float64)
        for length in range(1, len(before) + 1):
            number = self._number(before[len(before) - length :])
            if number < 0:
                break
            low, high = np.searchsorted(
                self.keys[length],
                [number * self.symbols.total, (number + 1) * self.symbols.total],
            )
            p *= self.backoffs[length][number]
            following = self.keys[length][low:high] - number * self.symbols.total
            p[following] = self.probabilities[length][low:high]
        return np.delete(p, self.symbols.start)

    def _number(self, tokens: Int64[np.ndarray, " token"]) -> int:
        return int(self._numbers(tokens)[len(tokens) - 1][0])

    def _numbers(self, framed: Int64[np.ndarray, " place"]) -> list[Int64[np.ndarray, " place"]]:
        """For each order, the number of the n-gram that begins at each place; -1 for none."""
        numbers = [framed]
        for keys in self.keys[1:]:
            n = len(numbers) + 1
            longer = np.full(len(framed), -1, np.int64)
            last = len(framed) - n + 1
            if last > 0:
                shorter = numbers[-1][:last]
                there = np.flatnonzero(shorter >= 0)
                wanted = shorter[there] * self.symbols.total + framed[there + n - 1]
                longer[there] = lookup(keys, wanted)
            numbers.append(longer)
        return numbers

    def _checked(
        self, tokens: Integer[np.ndarray, " token"] | Sequence[int]
    ) -> Int64[np.ndarray, " token"]:
        asked = np.asarray(tokens, np.int64)
        wrong = asked[(asked < 0) | (asked >= self.symbols.vocabulary)]
        if len(wrong):
            raise CorpusError(
                "tokens",
                expected=f"token ids from 0 to {self.symbols.vocabulary - 1}",
                got=str(wrong[0]),
                fix=f"Encode the text with the tokenizer of the corpus of {self.path}.",
            )
        return asked


def ngram_model(corpus: Corpus, order: int = ORDER, *, memory: int = MEMORY) -> NgramModel:
    """The n-gram model of a corpus; made at the first call and kept in the corpus's folder.

    Raises:
        CorpusError: the order is not from 1 to 12.
        DamagedError: its files are damaged, or it belongs to another corpus.
    """
    folder = corpus.path / f"ngrams-{order}"
    while not folder.exists():
        try:
            with full_disk_is_an_error(folder), hold(corpus.path):
                if not folder.exists():
                    fit_ngrams(corpus, folder, order, memory=memory)
        except BusyError:
            # Another process is making this very model; its lock is freed even if it dies.
            time.sleep(0.1)
    model = open_ngrams(folder)
    if model.record["corpus"] != corpus.digest or model.record["documents"] is not None:
        raise DamagedError(
            str(folder),
            expected=f"the n-gram model of this corpus ({corpus.digest[:19]})",
            got=f"one of {str(model.record['corpus'])[:19]}",
            fix="Remove the folder; it is made again when needed.",
        )
    return model


def fit_ngrams(
    corpus: Corpus,
    folder: Path | str,
    order: int = ORDER,
    *,
    documents: Bool[np.ndarray, " document"] | None = None,
    memory: int = MEMORY,
) -> NgramModel:
    """Make an n-gram model and write its sealed folder.

    While it is made, about 24 bytes a token and 40 for each different n-gram of any order lie in
    that folder as well (for 2.4 million tokens of English and order 5, about 340 MB).

    Args:
        corpus: the documents.
        folder: the model, a folder that does not exist yet.
        order: tokens of the longest n-gram, from 1 to 12.
        documents: which of them count; all by default.
        memory: bytes for sorting, the larger part of what is needed.

    Raises:
        CorpusError: the order cannot be, or no document is chosen.
        StorageError: the disk is full or the place is taken.
    """
    if not 1 <= order <= _MOST:
        raise CorpusError(
            "order", expected=f"a number from 1 to {_MOST}", got=str(order), fix="Try 5."
        )
    if documents is not None and not documents.any():
        raise CorpusError(
            "documents", expected="at least one", got="none", fix="Choose another slice."
        )
    symbols = Symbols(corpus.vocabulary_size)
    with building(Path(folder)) as temporary:
        work = temporary / "work"
        work.mkdir()
        counted = count_ngrams(corpus, order, work, documents=documents, memory=memory)
        discounts = []
        for n, smoothed in enumerate(smooth(counted, symbols, work), 1):
            save_array(temporary / f"keys-{n}.npy", counted[n - 1].keys)
            save_array(temporary / f"probabilities-{n}.npy", smoothed.probability)
            save_array(temporary / f"backoffs-{n}.npy", smoothed.backoff)
            discounts.append(smoothed.discounts)
        chosen = None if documents is None else digest(np.packbits(documents).tobytes())
        sizes = [len(each.keys) for each in counted]
        del counted, smoothed
        _remove(work)
        write_json(
            temporary / _RECORD,
            {
                "whence": "ngrams",
                "version": VERSION,
                "corpus": corpus.digest,
                "documents": chosen,
                "order": order,
                "vocabulary_size": corpus.vocabulary_size,
                "ngrams": sizes,
                "discounts": [list(each.values) for each in discounts],
                "estimated": [each.estimated for each in discounts],
            },
        )
    return open_ngrams(folder)


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def open_ngrams(folder: Path | str) -> NgramModel:
    """Open a model that `fit_ngrams` wrote.

    Raises:
        DamagedError: a file is missing or truncated, or it is no such model.
    """
    folder = Path(folder)
    check_sizes(folder)
    record = read_json(folder / _RECORD)
    if record.get("whence") != "ngrams" or record.get("version") != VERSION:
        raise DamagedError(
            str(folder),
            expected=f"an n-gram model, version {VERSION}",
            got=f"{record.get('whence')!r}, version {record.get('version')}",
            fix="Remove the folder and make it again.",
        )
    orders: Iterable[int] = range(1, int(record["order"]) + 1)
    arrays = {
        name: tuple(open_array(folder / f"{name}-{n}.npy") for n in orders)
        for name in ("keys", "probabilities", "backoffs")
    }
    return NgramModel(folder, record, **arrays)
