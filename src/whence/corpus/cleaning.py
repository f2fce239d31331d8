"""Writing a corpus again without some of its documents, and why each of them went.

Rules are looked at in one order: metadata, length, language, characters, personal data, copied
stretches, equal documents, near copies. A document goes by the first rule that it breaks, so
that each is told once; of equal or near documents one of those that are left is kept.

The new corpus has the old one's tokenizer and ids. Beside its other files lies `removed.jsonl`:
one line a document, with its id, the rule and the number that decided.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from whence.core.errors import CorpusError
from whence.core.records import digest
from whence.corpus.build import build_derived
from whence.corpus.documents import RawDocument
from whence.corpus.groups import group_by
from whence.corpus.settings import BuildSettings
from whence.corpus.statistics.characters import CLASSES
from whence.corpus.statistics.duplicates import equal_documents, find_duplicates
from whence.corpus.statistics.measures import Measures, measure
from whence.corpus.statistics.personal import PERSONAL
from whence.corpus.statistics.repeats import find_repeats
from whence.corpus.store import Corpus

REMOVED = "removed.jsonl"
FIRST, LONGEST = "first", "longest"


@dataclass(frozen=True, slots=True)
class Rules:
    """Which documents go; a rule that is None removes nothing.

    Attributes:
        where: metadata fields and the values of which a document must have one.
        without: metadata fields and the values that a document may not have.
        shortest: fewest tokens of a document.
        longest: most tokens of a document.
        languages: codes of which a document's language must be one (an extra).
        characters: for a class of characters, the smallest and the largest share of a document.
        personal: most matches of patterns of personal data in a document.
        copied: largest share of a document's tokens in stretches that occurred before.
        repeat: stretches of at least this many tokens count as copied.
        equal: whether only one of equal documents stays.
        near: only one stays of documents that share this much of their runs of five words.
        keep: of equal or near documents, the "first" or the "longest" stays.

    Raises:
        CorpusError: a rule that makes no sense.
    """

    where: Mapping[str, tuple[str, ...]] | None = None
    without: Mapping[str, tuple[str, ...]] | None = None
    shortest: int | None = None
    longest: int | None = None
    languages: tuple[str, ...] | None = None
    characters: Mapping[str, tuple[float, float]] | None = None
    personal: int | None = None
    copied: float | None = None
    repeat: int = 32
    equal: bool = False
    near: float | None = None
    keep: str = FIRST

    def __post_init__(self) -> None:
        unknown = set(self.characters or ()) - set(CLASSES)
        if unknown:
            _refuse("characters", f"classes out of {', '.join(CLASSES)}", sorted(unknown)[0])
        if self.keep not in (FIRST, LONGEST):
            _refuse("keep", f'"{FIRST}" or "{LONGEST}"', self.keep)
        shares = [self.copied, *(x for pair in (self.characters or {}).values() for x in pair)]
        if any(share is not None and not 0 <= share <= 1 for share in shares):
            _refuse("share", "a number from 0 to 1", shares)
        if (self.shortest or 0) > (self.longest or float("inf")):
            _refuse("shortest", f"at most the longest ({self.longest})", self.shortest)

    def to_json(self) -> dict[str, Any]:
        """The rules that remove something."""
        # By identity: a bound of 0 is equal to False and a rule all the same.
        return {n: v for n, v in asdict(self).items() if v is not None and v is not False}


@dataclass(frozen=True, slots=True)
class Removal:
    """A document that goes.

    Attributes:
        document: its position.
        rule: the first one that it breaks.
        detail: what decided: the number and its bound, or the document that stays for it.
    """

    document: int
    rule: str
    detail: Mapping[str, Any]


Detail = Callable[[int], Mapping[str, Any]]


def find_removals(corpus: Corpus, rules: Rules) -> list[Removal]:
    """The documents that break a rule, in the order of the corpus.

    Raises:
        CorpusError: there is no such metadata field.
        MissingExtraError: a rule asks for languages, and py3langid is not installed.
    """
    going: dict[int, Removal] = {}
    for rule, breaks, detail in _broken(corpus, rules):
        for i in np.flatnonzero(breaks).tolist():
            going.setdefault(i, Removal(i, rule, detail(i)))
    stays = np.ones(corpus.n_documents, bool)
    stays[list(going)] = False
    for rule, first in _copies(corpus, rules):
        for i, kept in _spare(corpus, first, stays, rules.keep):
            going[i] = Removal(i, rule, {"kept": corpus.ids[kept]})
            stays[i] = False
    return [going[i] for i in sorted(going)]


def write_cleaned(
    corpus: Corpus, removals: Sequence[Removal], rules: Mapping[str, Any], out: Path | str
) -> Corpus:
    """Write a corpus without some documents.

    Killed, the same call goes on where it stopped.

    Args:
        corpus: the old one.
        removals: what goes; each document once.
        rules: why, for the record.
        out: the new one, a folder that does not exist yet.

    Raises:
        CorpusError: nothing would be left, or `out` holds something else.
        BusyError: another process is making it.
        StorageError: the disk is full or cannot be written.
    """
    going = {removal.document for removal in removals}
    if len(going) == corpus.n_documents:
        raise CorpusError(
            str(corpus.path),
            expected="at least one document that stays",
            got=f"rules that remove all {corpus.n_documents:,}",
            fix="Loosen the rules; --dry-run tells what each of them removes.",
        )
    lines = [
        {"id": corpus.ids[r.document], "rule": r.rule, "detail": dict(r.detail)} for r in removals
    ]
    identity = {
        "cleaned": corpus.digest,
        "rules": json.loads(json.dumps(dict(rules))),
        "removed": dict(Counter(r.rule for r in removals)),
        "digest": digest(lines),
    }

    def finish(folder: Path) -> None:
        with (folder / REMOVED).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

    settings = BuildSettings(
        tokenizer=str(corpus.tokenizer_path),
        parse_special=corpus.record["plan"]["settings"]["parse_special"],
    )
    return build_derived(lambda: _left(corpus, going), identity, Path(out), settings, finish)


def _left(corpus: Corpus, going: set[int]) -> Iterator[RawDocument]:
    i = 0
    for batch in corpus.metadata.to_batches():
        for row in batch.to_pylist():
            if i not in going:
                name = row.pop("id")
                yield RawDocument(name, corpus.text(i), row, f"{corpus.path}, document {name!r}")
            i += 1


def _broken(
    corpus: Corpus, rules: Rules
) -> Iterator[tuple[str, Bool[np.ndarray, " document"], Detail]]:
    """Of each rule about single documents: which break it, and by what."""
    yield from _metadata(corpus, rules)
    lengths = corpus.lengths

    def tokens(bound: int | None) -> Detail:
        return lambda i: {"tokens": int(lengths[i]), "bound": bound}

    if rules.shortest is not None:
        yield "shortest", lengths < rules.shortest, tokens(rules.shortest)
    if rules.longest is not None:
        yield "longest", lengths > rules.longest, tokens(rules.longest)
    if rules.languages or rules.characters or rules.personal is not None:
        yield from _measured(measure(corpus, languages=bool(rules.languages)), rules)
    if rules.copied is not None:
        share = find_repeats(corpus, rules.repeat, 1).copied / lengths
        yield (
            "copied",
            share > rules.copied,
            lambda i: {"share": round(float(share[i]), 6), "bound": rules.copied},
        )


def _metadata(
    corpus: Corpus, rules: Rules
) -> Iterator[tuple[str, Bool[np.ndarray, " document"], Detail]]:
    for rule, fields in (("where", rules.where), ("without", rules.without)):
        for field, values in (fields or {}).items():
            has = np.zeros(corpus.n_documents, bool)
            own = np.full(corpus.n_documents, "", object)
            for value, documents in group_by(corpus, field).items():
                own[documents] = value
                has[documents] = value in values

            def detail(i: int, own: Any = own, field: str = field) -> Mapping[str, Any]:
                return {"field": field, "value": str(own[i])}

            yield rule, ~has if rule == "where" else has, detail


def _measured(
    measures: Measures, rules: Rules
) -> Iterator[tuple[str, Bool[np.ndarray, " document"], Detail]]:
    if rules.languages:
        told = measures.languages
        other = np.array([language not in rules.languages for language in told], bool)
        yield "language", other, lambda i: {"language": told[i]}
    total = measures.characters.sum(axis=1)
    for name, (low, high) in (rules.characters or {}).items():
        share = measures.share(name) / total

        def detail(
            i: int, share: Any = share, name: str = name, bounds: Any = (low, high)
        ) -> Mapping[str, Any]:
            return {"class": name, "share": round(float(share[i]), 6), "bounds": list(bounds)}

        yield "characters", (share < low) | (share > high), detail
    if rules.personal is not None:
        found = measures.personal
        yield (
            "personal",
            found.sum(axis=1) > rules.personal,
            lambda i: {k: int(n) for k, n in zip(PERSONAL, found[i], strict=True) if n},
        )


def _copies(corpus: Corpus, rules: Rules) -> Iterator[tuple[str, Int64[np.ndarray, " document"]]]:
    if rules.near is not None:
        found = find_duplicates(corpus, rules.near)
        yield from (("equal", found.equal), ("near", found.near))
    elif rules.equal:
        yield "equal", equal_documents(corpus)


def _spare(
    corpus: Corpus,
    first: Int64[np.ndarray, " document"],
    stays: Bool[np.ndarray, " document"],
    keep: str,
) -> list[tuple[int, int]]:
    """Documents that are one too many, each with the one that stays for it."""
    there = np.flatnonzero(stays)
    # Within a cluster: the longest first where that is asked for, then by place.
    size = -corpus.lengths[there] if keep == LONGEST else np.zeros(len(there), np.int64)
    order = there[np.lexsort((there, size, first[there]))]
    kept: dict[int, int] = {}
    spare = []
    for i in order.tolist():
        best = kept.setdefault(int(first[i]), i)
        if best != i:
            spare.append((i, best))
    return spare


def _refuse(what: str, expected: str, got: object) -> None:
    raise CorpusError(what, expected=expected, got=repr(got), fix="Change the rule.")
