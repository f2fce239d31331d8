"""Making a corpus: stream the sources, tokenise in batches, assemble, rename.

While it is made, everything lies in a hidden folder beside the corpus: the plan (settings
and a digest of every source), the tokenizer, and numbered parts (`parts`). Killed at any
moment, the same command goes on after the last complete part, and the finished corpus has the
same bytes as an unbroken build. The corpus itself appears under its name only when whole.

Memory holds a few parts at a time and eight bytes a document.
"""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from tokenizers import Tokenizer

from whence.core.errors import CorpusError, SourceError, StorageError, TokenizerError
from whence.core.locks import hold
from whence.core.progress import bar
from whence.core.records import (
    building,
    check_sizes,
    full_disk_is_an_error,
    read_json,
    write_json,
)
from whence.corpus import assemble, store
from whence.corpus.cutting import Cut, cut_all
from whence.corpus.documents import OnFault, RawDocument, Scalar, complain
from whence.corpus.parts import Parts, Piece
from whence.corpus.settings import DEFAULT_VOCABULARY, SKIP, BuildSettings
from whence.corpus.sources import find_sources, identity, read_documents
from whence.corpus.store import Corpus, open_corpus
from whence.corpus.tokenizer import (
    BYTES,
    SavedTokenizer,
    bytes_tokenizer,
    encode_batch,
    open_tokenizer,
    save_tokenizer,
    saved_tokenizer,
    tokenizer_identity,
    train_tokenizer,
)
from whence.corpus.unreadable import FILE as UNREADABLE
from whence.corpus.unreadable import Unreadable

PART_BYTES = 1 << 23
PART_DOCUMENTS = 1 << 13
_BATCH_CHARACTERS = 1 << 20
_AHEAD = 2  # stretches encoded while another one is read or written

Given = TypeVar("Given")
Made = TypeVar("Made")

Documents = Callable[[OnFault], Iterator[RawDocument]]
Finish = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What decides the bytes of a corpus; `sources` is None when they have no identity."""

    sources: list[dict[str, Any]] | None
    settings: BuildSettings

    def to_json(self) -> dict[str, Any]:
        return {
            "version": store.VERSION,
            "sources": self.sources,
            "settings": self.settings.to_json(),
            "tokenizers": version("tokenizers"),
            "tokenizer": tokenizer_identity(self.settings.tokenizer),
        }


def build_corpus(
    sources: Sequence[str | Path], out: Path | str, settings: BuildSettings | None = None
) -> Corpus:
    """Make a corpus from folders, files and data sets.

    Args:
        sources: folders of text or code, JSONL (also `.gz`, `.zst`), Parquet, other text
            files, `hf:NAME`, or folders of `save_to_disk`.
        out: the corpus, a folder that does not exist yet. If it holds this very corpus
            already, that is opened; if an earlier attempt was killed, it is continued.
        settings: how documents are found, cut and tokenised.

    Raises:
        SourceError: a source is missing, empty or unreadable, or two documents share an id.
        TokenizerError: the tokenizer cannot be opened.
        CorpusError: `out` holds something else.
        BusyError: another process is making it.
        StorageError: the disk is full or cannot be written.
    """
    settings = settings or BuildSettings()
    found = find_sources(sources, settings)
    known = [{"name": s.name, "digest": identity(s, settings)} for s in found]

    def documents(on_fault: OnFault) -> Iterator[RawDocument]:
        for source in found:
            stream = read_documents(source, settings, on_fault)
            first = next(stream, None)
            if first is None:
                raise SourceError(
                    source.given,
                    expected="at least one document",
                    got="none" if settings.unreadable != SKIP else "none that can be read",
                    fix="Name a source that holds documents.",
                )
            yield from chain([first], stream)

    return _build(Path(out), _Plan(known, settings), documents)


def build_from_documents(
    documents: Iterable[RawDocument], out: Path | str, settings: BuildSettings | None = None
) -> Corpus:
    """Make a corpus from documents that a program hands over.

    An attempt that was killed starts anew, since what an iterable will give is not known.

    Args:
        documents: read in order; an iterator is read once.
        out: the corpus, a folder that does not exist yet.
        settings: how documents are cut and tokenised.

    Raises:
        SourceError: there is no document, or two share an id.
        CorpusError: `out` exists.
    """
    settings = settings or BuildSettings()
    # Training a tokenizer and encoding read the documents twice.
    once = settings.tokenizer is None and iter(documents) is documents
    return _build(Path(out), _Plan(None, settings), lambda _: iter(documents), spool=once)


def build_derived(
    documents: Callable[[], Iterator[RawDocument]],
    identity: Mapping[str, Any],
    out: Path,
    settings: BuildSettings,
    finish: Finish,
) -> Corpus:
    """Make a corpus out of another one; killed, it goes on as a build from sources does.

    Args:
        documents: gives the same documents in the same order at every call.
        identity: says what they are: equal records mean equal documents.
        out: the corpus, a folder that does not exist yet.
        settings: how documents are cut and tokenised.
        finish: adds files to the folder before it is sealed.
    """
    plan = _Plan([dict(identity)], settings)
    return _build(Path(out), plan, lambda _: documents(), finish=finish)


def _build(
    out: Path,
    plan: _Plan,
    documents: Documents,
    *,
    spool: bool = False,
    finish: Finish | None = None,
) -> Corpus:
    work = out.with_name(f".{out.name}.build")
    _make_room(out)
    with full_disk_is_an_error(out):
        if out.exists():
            return _existing(out, plan)
        with hold(work):
            if out.exists():
                return _existing(out, plan)
            _take_up(work, plan)
            try:
                if spool:
                    documents = _spool(documents, work / "documents.jsonl")
                _make(out, work, plan, documents, finish)
            except (SourceError, TokenizerError):
                # Mending these makes it another plan, which could use nothing of this.
                shutil.rmtree(work)
                raise
            shutil.rmtree(work)
    return open_corpus(out)


def _make(out: Path, work: Path, plan: _Plan, documents: Documents, finish: Finish | None) -> None:
    saved = _tokenizer(work / "tokenizer", plan.settings, documents)
    parts = Parts(work, store.token_type(saved.vocabulary_size))
    # Sources are read from their beginning even when a build goes on, so the list is whole.
    with closing(Unreadable(work / UNREADABLE)) as unreadable:
        skips = plan.settings.unreadable == SKIP
        _encode(documents, parts, saved, plan.settings, unreadable if skips else complain)
    with building(out) as temporary:
        if skips:
            shutil.copyfile(unreadable.path, temporary / UNREADABLE)
        assemble.assemble(parts, saved, temporary, plan.to_json(), unreadable=unreadable.count)
        if finish is not None:
            finish(temporary)


def _make_room(out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            str(out.parent),
            expected="a place where a folder can be made",
            got=error.strerror or str(error),
            fix="Choose another place.",
        ) from None


def _existing(out: Path, plan: _Plan) -> Corpus:
    record = out / store.RECORD
    if plan.sources is not None and record.is_file():
        if read_json(record).get("plan") == plan.to_json():
            check_sizes(out)
            shutil.rmtree(out.with_name(f".{out.name}.build"), ignore_errors=True)
            return open_corpus(out)
        got = "a corpus of other sources or settings"
    else:
        got = "an existing file or folder"
    raise CorpusError(
        str(out),
        expected="a name that is free, or this very corpus",
        got=got,
        fix="Choose another name or remove it.",
    )


def _take_up(work: Path, plan: _Plan) -> None:
    """Keep what an earlier attempt at the same plan left; throw anything else away."""
    note = work / "plan.json"
    wanted = plan.to_json()
    if plan.sources is not None and note.is_file() and read_json(note) == wanted:
        return
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != ".lock":
            path.unlink()
    write_json(note, wanted)


def _tokenizer(folder: Path, settings: BuildSettings, documents: Documents) -> SavedTokenizer:
    if folder.exists():
        return saved_tokenizer(folder)
    if settings.tokenizer == BYTES:
        return save_tokenizer(bytes_tokenizer(), folder)
    if settings.tokenizer is not None:
        return save_tokenizer(settings.tokenizer, folder)
    with bar("training a tokenizer", None, "document") as shown:

        def texts() -> Iterator[str]:
            for document in documents(_pass_over if settings.unreadable == SKIP else complain):
                shown.update()
                yield document.text

        return save_tokenizer(
            train_tokenizer(texts(), settings.vocab_size or DEFAULT_VOCABULARY), folder
        )


def _pass_over(_: SourceError) -> None:
    """What cannot be read teaches a tokenizer nothing; it is written down when encoding."""


def _encode(
    documents: Documents,
    parts: Parts,
    saved: SavedTokenizer,
    settings: BuildSettings,
    on_fault: OnFault,
) -> None:
    tokenizer = open_tokenizer(saved.path, parse_special=settings.parse_special)
    consumed = parts.note.consumed
    rest = islice(documents(on_fault), consumed, None)

    def pieces_of(stretch: list[RawDocument]) -> tuple[list[Piece], int, int]:
        return _pieces(stretch, tokenizer, settings)

    with bar("tokenising", None, "B") as shown, ThreadPoolExecutor(_AHEAD) as pool:
        for stretch, (pieces, empty, number_cut) in _ahead(pool, pieces_of, _stretches(rest)):
            consumed += len(stretch)
            parts.add(pieces, consumed=consumed, empty=empty, cut=number_cut)
            shown.update(sum(len(d.text) for d in stretch))
    if parts.note.documents == 0:
        raise SourceError(
            "the sources",
            expected="at least one document with text in it",
            got=f"{consumed} documents, all of them empty",
            fix="Name sources that hold text.",
        )


def _ahead(
    pool: Executor, work: Callable[[Given], Made], items: Iterable[Given]
) -> Iterator[tuple[Given, Made]]:
    """Do some work on each item, a few items ahead of where they are taken, in their order.

    The tokenizers library works outside Python's lock, so that reading, encoding and writing
    go on side by side.
    """
    waiting: deque[tuple[Given, Future[Made]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(work, item)))
        if len(waiting) > _AHEAD:
            first, made = waiting.popleft()
            yield first, made.result()
    for rest, made in waiting:
        yield rest, made.result()


def _stretches(documents: Iterator[RawDocument]) -> Iterator[list[RawDocument]]:
    """Documents in groups of the size of a part."""
    stretch: list[RawDocument] = []
    size = 0
    for document in documents:
        stretch.append(document)
        size += len(document.text)
        if size >= PART_BYTES or len(stretch) >= PART_DOCUMENTS:
            yield stretch
            stretch, size = [], 0
    if stretch:
        yield stretch


def _pieces(
    stretch: Sequence[RawDocument], tokenizer: Tokenizer, settings: BuildSettings
) -> tuple[list[Piece], int, int]:
    """Tokenise a stretch: its pieces, and how many documents were empty and how many cut."""
    pieces: list[Piece] = []
    empty = number_cut = 0
    for batch in _batches(stretch):
        if settings.max_tokens is None:
            encoded = zip(batch, encode_batch(tokenizer, [d.text for d in batch]), strict=True)
            found = [[Piece(d.id, d.place, d.text, ids, d.metadata)] for d, ids in encoded]
        else:
            found = _cut_batch(batch, tokenizer, settings.max_tokens)
        for own in found:
            kept = [p for p in own if len(p.tokens) and p.text.strip()]
            empty += not kept
            number_cut += len(kept) > 1
            pieces += kept
    return pieces, empty, number_cut


def _batches(documents: Sequence[RawDocument]) -> Iterator[list[RawDocument]]:
    batch: list[RawDocument] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _cut_batch(
    documents: Sequence[RawDocument], tokenizer: Tokenizer, max_tokens: int
) -> list[list[Piece]]:
    texts, places = [d.text for d in documents], [d.place for d in documents]
    found = cut_all(tokenizer, texts, places, max_tokens)
    return [_cut_pieces(d, cuts) for d, cuts in zip(documents, found, strict=True)]


def _cut_pieces(document: RawDocument, cuts: Sequence[Cut]) -> list[Piece]:
    pieces = []
    for number, (start, stop, tokens) in enumerate(cuts):
        name = document.id if len(cuts) == 1 else f"{document.id}#{number}"
        origin: dict[str, Scalar] = {
            "source_id": document.id,
            "source_start": start,
            "source_end": stop,
        }
        # A field of the source that has one of these names steps aside.
        own = {key + "_" * (key in origin): value for key, value in document.metadata.items()}
        text = document.text[start:stop]
        pieces.append(Piece(name, document.place, text, tokens, {**own, **origin}))
    return pieces


def _spool(documents: Documents, path: Path) -> Documents:
    """Keep documents that can be read only once in a file, so that they can be read again."""
    with path.open("w", encoding="utf-8") as file:
        for d in documents(complain):
            file.write(json.dumps([d.id, d.text, dict(d.metadata), d.place]) + "\n")

    def again(_: OnFault) -> Iterator[RawDocument]:
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield RawDocument(*json.loads(line))

    return again
