"""What a search looks through: the tokens of corpora, their letters, or an index of infini-gram.

    TokenSearch       one or several corpora with one tokenizer
    LetterSearch      the text itself, of any corpora
    InfinigramSearch  an index that infini-gram made, which has no texts

All three read queries, count them, find places and show them, so that a command need not know
which it has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from whence.cli.slices import chosen, index_on
from whence.core.errors import CorpusError, TokenizerError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from whence.corpus import Corpus, Following, SpreadIndex, TextIndex
    from whence.corpus.index.sharded import ShardedIndex


@dataclass(frozen=True, slots=True)
class Given:
    """The options that say what is searched; their names are those of the command line."""

    corpus: Path
    also: list[Path] | None = None
    where: list[str] | None = None
    run: Path | None = None
    until: int | None = None
    engine: str = "serial"
    workers: int | None = None
    letters: bool = False
    ignore_case: bool = False
    word_start: bool = False
    tokenizer: Path | None = None
    token_bytes: int | None = None


class Place(NamedTuple):
    """A stretch of a document: where, and in what unit the search counts, from and to.

    Attributes:
        of: which corpus.
        document: its position in that corpus.
        start: the first token, or byte.
        end: one past the last.
    """

    of: int
    document: int
    start: int
    end: int


class Search(Protocol):
    """Something opened for searching."""

    def queries(self, text: str) -> list[Any]:
        """The sequences under which a text is looked for."""

    def ids(self, tokens: str) -> list[Any]:
        """Token ids as they are typed."""

    def count(self, queries: list[Any]) -> int:
        """How often they occur."""

    def places(self, queries: list[Any], limit: int) -> list[Place]:
        """Where, in corpus order; the first so many."""

    def together(self, clauses: list[list[Any]], window: int | None) -> list[Place]:
        """The shortest stretches that hold a query of every clause."""

    def readable(self, queries: list[Any]) -> str:
        """How a text was read."""

    def row(self, place: Place, context: int) -> dict[str, Any]:
        """A place as it is shown, with so many characters on either side."""


class _Sequences(ABC):
    """What is the same wherever sequences of token ids are searched."""

    __slots__ = ()
    index: ShardedIndex | SpreadIndex

    @abstractmethod
    def _place(self, document: int, start: int, end: int) -> Place:
        """A stretch of a document that the index numbers so."""

    def ids(self, tokens: str) -> list[Any]:
        """Token ids as they are typed."""
        return [read_ids(tokens)]

    def count(self, queries: list[Any]) -> int:
        """How often they occur."""
        return int(self.index.count_many(queries).sum())

    def places(self, queries: list[Any], limit: int) -> list[Place]:
        """Where, in corpus order; the first so many."""
        found = sorted(
            (o, len(query)) for query in queries for o in self.index.locate(query, limit)
        )
        return [self._place(o.document, o.offset, o.offset + n) for o, n in found[:limit]]

    def together(self, clauses: list[list[Any]], window: int | None) -> list[Place]:
        """The shortest stretches that hold a query of every clause."""
        from whence.corpus import find_together

        found = find_together(self.index, clauses, window)
        return [self._place(each.document, each.start, each.end) for each in found]

    def next(self, query: Any) -> Following:
        """What follows."""
        return self.index.next(query)


@dataclass(frozen=True, slots=True)
class TokenSearch(_Sequences):
    """Corpora with one tokenizer, searched as one."""

    corpora: Sequence[Corpus]
    index: ShardedIndex | SpreadIndex

    def queries(self, text: str) -> list[Any]:
        """The sequences under which a text is looked for."""
        from whence.corpus import spellings

        return list(spellings(self.corpora[0], text))

    def decode(self, token: int) -> str:
        """The text of a token."""
        return self.corpora[0].decode([token])

    def readable(self, queries: list[Any]) -> str:
        """How a text was read."""
        return "  or  ".join("|".join(self.decode(token) for token in query) for query in queries)

    def row(self, place: Place, context: int) -> dict[str, Any]:
        """A place as it is shown, with so many characters on either side."""
        corpus = self.corpora[place.of]
        start, end = corpus.char_span(place.document, place.start, place.end)
        unit = {"offset": place.start, "tokens": place.end - place.start}
        return row_of(self.corpora, place, unit, (start, end), context)

    def _place(self, document: int, start: int, end: int) -> Place:
        firsts = np.cumsum([0, *(corpus.n_documents for corpus in self.corpora)])
        of = int(np.searchsorted(firsts, document, side="right")) - 1
        return Place(of, document - int(firsts[of]), start, end)


@dataclass(frozen=True, slots=True)
class LetterSearch:
    """The texts of corpora, searched letter by letter."""

    corpora: Sequence[Corpus]
    indexes: Sequence[TextIndex]
    ignore_case: bool
    word_start: bool

    def queries(self, text: str) -> list[Any]:
        """The sequences under which a text is looked for."""
        return [text]

    def ids(self, tokens: str) -> list[Any]:
        """Token ids as they are typed."""
        raise CorpusError(
            "--tokens",
            expected="a text, where letters are searched",
            got=repr(tokens),
            fix="Give the text, or leave out --letters, --ignore-case and --word-start.",
        )

    def count(self, queries: list[Any]) -> int:
        """How often they occur."""
        options = {"ignore_case": self.ignore_case, "word_start": self.word_start}
        return sum(index.count(text, **options) for index in self.indexes for text in queries)

    def places(self, queries: list[Any], limit: int) -> list[Place]:
        """Where, in corpus order; the first so many."""
        found: list[Place] = []
        for of, index in enumerate(self.indexes):
            if len(found) < limit:
                for text in queries:
                    found += self._places(of, index, text, limit - len(found))
        return found

    def together(self, clauses: list[list[Any]], window: int | None) -> list[Place]:
        """The shortest stretches that hold a query of every clause."""
        from whence.corpus import find_together

        if self.word_start:
            raise CorpusError(
                "--word-start",
                expected="a search for one text",
                got="one for several together",
                fix="Write a blank before the phrases instead.",
            )
        found: list[Place] = []
        for of, index in enumerate(self.indexes):
            spelled = [
                [each for text in clause for each in index.spellings(text, self.ignore_case)]
                for clause in clauses
            ]
            if all(spelled):
                stretches = find_together(index.index, spelled, window)
                found += [Place(of, each.document, each.start, each.end) for each in stretches]
        return found

    def readable(self, queries: list[Any]) -> str:
        """How a text was read."""
        spelled = {
            s for i in self.indexes for q in queries for s in i.spellings(q, self.ignore_case)
        }
        return "  or  ".join(each.decode() for each in sorted(spelled))

    def row(self, place: Place, context: int) -> dict[str, Any]:
        """A place as it is shown, with so many characters on either side."""
        from whence.corpus import Occurrence

        count = self.indexes[place.of].characters
        start = count(Occurrence(place.document, place.start))
        end = count(Occurrence(place.document, place.end))
        unit = {"byte": place.start, "bytes": place.end - place.start}
        return row_of(self.corpora, place, unit, (start, end), context)

    def _places(self, of: int, index: TextIndex, text: str, limit: int) -> Iterator[Place]:
        options = {"ignore_case": self.ignore_case, "word_start": self.word_start}
        spelled = index.spellings(text, self.ignore_case)
        for found in index.locate(text, limit, **options):
            at = int(index.corpus.text_offsets[found.document]) + found.offset
            # No spelling begins another, so one fits.
            size = next(
                len(each)
                for each in spelled
                if index.corpus.text_bytes[at : at + len(each)].tobytes() == each
            )
            yield Place(of, found.document, found.offset, found.offset + size)


@dataclass(frozen=True, slots=True)
class InfinigramSearch(_Sequences):
    """An index that infini-gram made; texts only with a tokenizer."""

    index: ShardedIndex
    tokenizer: Tokenizer | None

    def queries(self, text: str) -> list[Any]:
        """The sequences under which a text is looked for."""
        from whence.corpus.lookup import spellings_by

        if self.tokenizer is None:
            raise CorpusError(
                "TEXT",
                expected="a tokenizer beside a text: an index of infini-gram has none",
                got="only the text",
                fix="Add --tokenizer FOLDER (with tokenizer.json), or give --tokens.",
            )
        return list(spellings_by(self.tokenizer, text))

    def decode(self, token: int) -> str:
        """The text of a token, where there is a tokenizer."""
        return "" if self.tokenizer is None else self.tokenizer.decode([token])

    def _place(self, document: int, start: int, end: int) -> Place:
        return Place(0, document, start, end)

    def readable(self, queries: list[Any]) -> str:
        """How a text was read."""
        return "  or  ".join(" ".join(map(str, query)) for query in queries)

    def row(self, place: Place, context: int) -> dict[str, Any]:
        """With tokens where a corpus has letters; at most so many on either side."""
        from whence.corpus import infinigram_tokens

        tokens = infinigram_tokens(self.index, place.document)
        around = max(1, context // 5)
        parts = {
            "before": tokens[max(0, place.start - around) : place.start],
            "match": tokens[place.start : place.end],
            "after": tokens[place.end : place.end + around],
        }
        return {
            "document": str(place.document),
            "index": place.document,
            "offset": place.start,
            "tokens": place.end - place.start,
            **{name: self._shown(part.tolist()) for name, part in parts.items()},
        }

    def _shown(self, tokens: list[int]) -> str:
        if self.tokenizer is None:
            return "".join(f" {token}" for token in tokens)
        return self.tokenizer.decode(tokens, skip_special_tokens=False)


@contextmanager
def searched(given: Given) -> Iterator[TokenSearch | LetterSearch | InfinigramSearch]:
    """Open what the options name."""
    from whence.corpus import TextIndex, open_corpus

    if (given.corpus / "tokenized.0").is_file():
        yield _infinigram(given)
        return
    for option, value in (("--tokenizer", given.tokenizer), ("--token-bytes", given.token_bytes)):
        if value is not None:
            raise CorpusError(
                option,
                expected="a folder that infini-gram made (with tokenized.0)",
                got=str(given.corpus),
                fix="Leave it out: a corpus knows its tokenizer.",
            )
    corpora = [open_corpus(path) for path in (given.corpus, *(given.also or ()))]
    documents = [chosen(corpus, given.where, given.run, given.until) for corpus in corpora]
    with ExitStack() as stack:
        if not (given.letters or given.ignore_case or given.word_start):
            index = stack.enter_context(index_on(corpora, documents, given.engine, given.workers))
            yield TokenSearch(corpora, index)
            return
        indexes = []
        for corpus, some in zip(corpora, documents, strict=True):
            held = index_on([corpus], [some], given.engine, given.workers, "text")
            indexes.append(TextIndex(corpus, stack.enter_context(held)))
        yield LetterSearch(corpora, indexes, given.ignore_case, given.word_start)


def _infinigram(given: Given) -> InfinigramSearch:
    from whence.corpus import open_infinigram
    from whence.corpus.tokenizer import open_tokenizer

    refused = {
        "--also": given.also,
        "--where": given.where,
        "--run": given.run,
        "--letters": given.letters,
        "--ignore-case": given.ignore_case,
        "--word-start": given.word_start,
        "--engine": given.engine != "serial",
    }
    for option, value in refused.items():
        if value:
            raise CorpusError(
                option,
                expected="a corpus: an index of infini-gram has neither texts nor fields",
                got=str(given.corpus),
                fix="Leave it out, or make a corpus of the texts: whence corpus build",
            )
    index = open_infinigram(given.corpus, given.token_bytes or 2)
    if given.tokenizer is None:
        return InfinigramSearch(index, None)
    if not (given.tokenizer / "tokenizer.json").is_file():
        raise TokenizerError(
            f"--tokenizer {given.tokenizer}",
            expected="a folder with tokenizer.json",
            got="none there",
            fix="Name one, such as CORPUS/tokenizer or what save_pretrained wrote.",
        )
    return InfinigramSearch(index, open_tokenizer(given.tokenizer))


def read_ids(tokens: str) -> list[int]:
    """Token ids as they are typed.

    Raises:
        CorpusError: there is something that is no number.
    """
    try:
        return [int(part) for part in tokens.replace(",", " ").split()]
    except ValueError:
        raise CorpusError(
            "--tokens",
            expected="whole numbers with blanks between them",
            got=repr(tokens),
            fix='Give token ids, such as: --tokens "12 7".',
        ) from None


def row_of(
    corpora: Sequence[Corpus],
    place: Place,
    unit: dict[str, int],
    characters: tuple[int, int],
    context: int,
) -> dict[str, Any]:
    """A place of a corpus as it is shown; which corpus, where there are several."""
    corpus, (start, end) = corpora[place.of], characters
    text = corpus.text(place.document)
    return {
        **({"corpus": str(corpus.path)} if len(corpora) > 1 else {}),
        "document": corpus.ids[place.document],
        "index": place.document,
        **unit,
        "start": start,
        "end": end,
        "before": text[max(0, start - context) : start],
        "match": text[start:end],
        "after": text[end : end + context],
    }
