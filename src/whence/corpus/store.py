"""A corpus on disk, opened: everything large stays there and is memory-mapped.

    document  <->  tokens[offsets[i] : offsets[i + 1]]  <->  characters of its text

Opening compares file sizes with the seal (which costs nothing); `check` reads every byte.
The files themselves are described in `assemble`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
from jaxtyping import Int64, Integer, UInt, UInt8
from tokenizers import Tokenizer

from whence.core.errors import CorpusError, DamagedError
from whence.core.records import check_digests, check_sizes, digest_file, read_json
from whence.corpus import spans
from whence.corpus.arrays import open_array
from whence.corpus.documents import Document
from whence.corpus.tokenizer import open_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from whence.corpus.index import Index, TextIndex

VERSION = 1
RECORD = "corpus.json"
TOKENS = "tokens.npy"
OFFSETS = "offsets.npy"
TEXT = "text.bin"
TEXT_OFFSETS = "text_offsets.npy"
DOCUMENTS = "documents.arrow"
TOKENIZER = "tokenizer"
_CHUNK = 1 << 22


def token_type(vocabulary_size: int) -> np.dtype[Any]:
    """The smallest of u16 and u32 that holds every token id."""
    return np.dtype(np.uint16 if vocabulary_size <= 1 << 16 else np.uint32)


class Ids(Sequence[str]):
    """The ids of a corpus, read from disk when asked for."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return str(self._column[int(index)].as_py())

    def __iter__(self) -> Iterator[str]:
        for chunk in self._column.chunks:
            yield from chunk.to_pylist()


@dataclass(frozen=True, eq=False)
class Corpus:
    """Documents, tokenised once and addressable.

    Attributes:
        path: its folder.
        record: what `corpus.json` says.
        tokens: all documents' tokens, end to end.
        offsets: where each document's tokens begin; one more entry for the end.
        text_offsets: where each document's text begins, in bytes; one more for the end.
        table: ids and metadata, one row a document.
    """

    path: Path
    record: dict[str, Any] = field(repr=False)
    tokens: UInt[np.ndarray, " token"] = field(repr=False)
    offsets: Int64[np.ndarray, " bound"] = field(repr=False)
    text_offsets: Int64[np.ndarray, " bound"] = field(repr=False)
    table: pa.Table = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 over tokens, document bounds, ids and tokenizer."""
        return str(self.record["digest"])

    @property
    def n_documents(self) -> int:
        """How many documents."""
        return len(self.offsets) - 1

    @property
    def n_tokens(self) -> int:
        """How many tokens, special ones not counted: there are none."""
        return len(self.tokens)

    @property
    def vocabulary_size(self) -> int:
        """The tokenizer's largest id, plus one."""
        return int(self.record["vocabulary_size"])

    @property
    def start_tokens(self) -> tuple[int, ...]:
        """What the tokenizer puts before a text; training puts it before every document."""
        return tuple(self.record["start_tokens"])

    @property
    def end_tokens(self) -> tuple[int, ...]:
        """What belongs after a document."""
        return tuple(self.record["end_tokens"])

    @cached_property
    def lengths(self) -> Int64[np.ndarray, " document"]:
        """Tokens in each document."""
        lengths: Int64[np.ndarray, " document"] = np.diff(self.offsets)
        return lengths

    @cached_property
    def ids(self) -> Ids:
        """The ids, in order."""
        return Ids(self.table.column("id"))

    @property
    def metadata(self) -> pa.Table:
        """One row a document: its id and the other fields of its source."""
        return self.table

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer's folder, for `AutoTokenizer.from_pretrained`."""
        return self.path / TOKENIZER

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer as Hugging Face transformers opens it; loads transformers."""
        from transformers import AutoTokenizer  # noqa: PLC0415

        opened: Any = AutoTokenizer.from_pretrained(self.tokenizer_path)
        return opened  # type: ignore[no-any-return]

    @cached_property
    def fast_tokenizer(self) -> Tokenizer:
        """The tokenizer of the `tokenizers` library, exactly as documents are encoded."""
        special = self.record["plan"]["settings"]["parse_special"]
        return open_tokenizer(self.tokenizer_path, parse_special=special)

    def position(self, name: str) -> int:
        """Which document has this id.

        Raises:
            CorpusError: none.
        """
        try:
            return self._positions[name]
        except KeyError:
            raise CorpusError(
                str(self.path),
                expected=f"the id of one of its {self.n_documents} documents "
                f"(the first is {self.ids[0]!r})",
                got=repr(name),
                fix="Look ids up with: whence corpus show",
            ) from None

    def document(self, which: int | str) -> Document:
        """A document by position or id.

        Raises:
            CorpusError: there is none.
        """
        i = self._index(which)
        return self._document(i, self.table.slice(i, 1).to_pylist()[0])

    def _document(self, i: int, row: dict[str, Any]) -> Document:
        return Document(
            index=i,
            id=row.pop("id"),
            text=self.text(i),
            tokens=np.asarray(self.tokens[self.offsets[i] : self.offsets[i + 1]]),
            metadata=row,
        )

    def documents(self, which: Iterable[int | str]) -> list[Document]:
        """Several documents by position or id; the table is read once.

        Raises:
            CorpusError: there is no such document.
        """
        positions = [self._index(each) for each in which]
        rows = self.table.take(positions).to_pylist() if positions else []
        return [self._document(i, row) for i, row in zip(positions, rows, strict=True)]

    def text(self, which: int | str) -> str:
        """A document's text, character for character."""
        i = self._index(which)
        return self.text_bytes[self.text_offsets[i] : self.text_offsets[i + 1]].tobytes().decode()

    def encode(self, text: str) -> Int64[np.ndarray, " token"]:
        """Token ids of a text, exactly as a document of that text is encoded."""
        ids = self.fast_tokenizer.encode(text, add_special_tokens=False).ids
        return np.array(ids, np.int64)

    def decode(self, tokens: Sequence[int] | Integer[np.ndarray, " token"]) -> str:
        """The text of some tokens, special ones spelled out."""
        return self.fast_tokenizer.decode([int(t) for t in tokens], skip_special_tokens=False)

    def token_span(self, which: int | str, char_start: int, char_end: int) -> tuple[int, int]:
        """The tokens of a document that hold any of the characters [char_start, char_end)."""
        return spans.token_span(self._spans(which), char_start, char_end)

    def char_span(self, which: int | str, token_start: int, token_end: int) -> tuple[int, int]:
        """The characters of a document that tokens [token_start, token_end) hold, if only in part.

        A token may be one byte of a character of several; its span is the whole character.
        """
        return spans.char_span(self._spans(which), token_start, token_end)

    def index(self) -> Index:
        """The searchable form; made at the first call and kept in the corpus's folder."""
        return self._opened_index

    def text_index(self) -> TextIndex:
        """Search of the text itself, whatever the tokenizer; made at the first call and kept."""
        return self._opened_text_index

    @cached_property
    def _opened_text_index(self) -> TextIndex:
        from whence.corpus.index.text import open_text_index  # noqa: PLC0415

        return open_text_index(self)

    @cached_property
    def _opened_index(self) -> Index:
        from whence.corpus.index import open_index  # noqa: PLC0415

        return open_index(self)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.ids)}

    @cached_property
    def text_bytes(self) -> UInt8[np.ndarray, " byte"]:
        """All documents' texts, end to end, in UTF-8."""
        return np.asarray(np.memmap(self.path / TEXT, np.uint8, mode="r"))

    def _spans(self, which: int | str) -> spans.Spans:
        i = self._index(which)
        text = self.text(i)
        encoding = self.fast_tokenizer.encode(text, add_special_tokens=False)
        found = spans.spans_of(encoding, text)
        if len(found.starts) != self.lengths[i]:
            raise DamagedError(
                str(self.path),
                expected=f"{self.lengths[i]} tokens in document {self.ids[i]!r}",
                got=f"{len(found.starts)} when its text is tokenised again",
                fix="The installed tokenizers version differs from the one that made the corpus: "
                "make it again.",
            )
        return found

    def _index(self, which: int | str) -> int:
        if isinstance(which, str):
            return self.position(which)
        if not 0 <= which < self.n_documents:
            raise CorpusError(
                str(self.path),
                expected=f"a document from 0 to {self.n_documents - 1}",
                got=str(which),
                fix="Give a position in that range, or an id.",
            )
        return int(which)

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process opens the files itself rather than being sent their content.
        return (open_corpus, (self.path,))


def open_corpus(path: Path | str) -> Corpus:
    """Open a corpus; its files are memory-mapped.

    Raises:
        CorpusError: there is no corpus, or an unfinished one.
        DamagedError: a file is missing or has another size than was sealed.
    """
    path = Path(path).absolute()
    if not (path / RECORD).is_file():
        _say_what_is_there(path)
    check_sizes(path)
    record = read_json(path / RECORD)
    if record.get("whence") != "corpus" or record.get("version") != VERSION:
        raise DamagedError(
            str(path / RECORD),
            expected=f"the record of a corpus, version {VERSION}",
            got=f"{record.get('whence')!r}, version {record.get('version')}",
            fix="Make the corpus again with this version of Whence.",
        )
    try:
        with pa.memory_map(str(path / DOCUMENTS)) as file:
            table = pa.ipc.open_file(file).read_all()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path / DOCUMENTS, "a table of documents", str(error)) from None
    return Corpus(
        path=path,
        record=record,
        tokens=open_array(path / TOKENS),
        offsets=open_array(path / OFFSETS),
        text_offsets=open_array(path / TEXT_OFFSETS),
        table=table,
    )


def check(corpus: Corpus | Path | str) -> int:
    """Read every byte of a corpus, and of its index if there is one.

    Returns:
        The number of files checked.

    Raises:
        DamagedError: a file is truncated or altered, or the files do not fit together.
    """
    corpus = corpus if isinstance(corpus, Corpus) else open_corpus(corpus)
    checked = check_digests(corpus.path)
    _check_bounds(corpus)
    largest = max(
        int(corpus.tokens[i : i + _CHUNK].max()) for i in range(0, corpus.n_tokens, _CHUNK)
    )
    if largest >= corpus.vocabulary_size:
        raise _damaged(
            corpus.path / TOKENS, f"token ids below {corpus.vocabulary_size}", f"{largest}"
        )
    saved = digest_file(corpus.tokenizer_path / "tokenizer.json")
    if saved != corpus.record["digests"]["tokenizer"]:
        raise _damaged(corpus.tokenizer_path, "the tokenizer that made the corpus", "another")
    from whence.corpus.index import check_index  # noqa: PLC0415

    return checked + check_index(corpus)


def _check_bounds(corpus: Corpus) -> None:
    documents = corpus.record["documents"]
    for name, bounds, end in (
        (OFFSETS, corpus.offsets, corpus.n_tokens),
        (TEXT_OFFSETS, corpus.text_offsets, corpus.record["text_bytes"]),
    ):
        whole = len(bounds) == documents + 1 and bounds[0] == 0 and bounds[-1] == end
        if not whole or (np.diff(bounds) <= 0).any():
            raise _damaged(
                corpus.path / name, f"{documents} rising bounds up to {end}", "something else"
            )
    if len(corpus.table) != documents:
        raise _damaged(corpus.path / DOCUMENTS, f"{documents} rows", str(len(corpus.table)))


def _damaged(path: Path, expected: str, got: str) -> DamagedError:
    return DamagedError(str(path), expected=expected, got=got, fix="Make the corpus again.")


def _say_what_is_there(path: Path) -> None:
    if path.with_name(f".{path.name}.build").exists():
        got, fix = "an unfinished one", "Run the same build command again to finish it."
    elif path.exists():
        got, fix = "something else", "Name a folder made by: whence corpus build"
    else:
        got, fix = "no such folder", "Check the path, or make one with: whence corpus build"
    raise CorpusError(str(path), expected="a corpus", got=got, fix=fix)
