"""How often a corpus brings two entities together, and whether that explains what a model knows.

A fact is a subject, a relation and an object; each entity may have several names. Counted are
the documents with a name of each, and the places of the subject that have the object near.

References: Kandpal et al., "Large Language Models Struggle to Learn Long-Tail Knowledge", ICML
2023 (documents with both entities, against accuracy); Razeghi et al., "Impact of Pretraining
Term Frequencies on Few-Shot Numerical Reasoning", 2022. The interval of a share is Wilson's
(1927).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from whence.core.errors import SourceError
from whence.corpus.store import Corpus
from whence.corpus.tasks.counting import PairCounts, count_pairs
from whence.corpus.tasks.examples import rows_of_file

_Z = 1.959963984540054  # of a two-sided interval of 95 %


@dataclass(frozen=True, slots=True)
class Fact:
    """A subject, a relation and an object.

    Attributes:
        id: its name.
        subject: names of the subject; the first is the usual one.
        relation: what holds between them.
        object: names of the object.
    """

    id: str
    subject: tuple[str, ...]
    relation: str
    object: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FrequencyBin:
    """Facts of about the same frequency.

    Attributes:
        low: smallest count.
        high: largest count.
        facts: how many facts.
        right: share of them that the model gets right.
        right_low: lower end of its interval of 95 %.
        right_high: upper end.
        log_probability: mean log-probability of the object, nats.
    """

    low: int
    high: int
    facts: int
    right: float
    right_low: float
    right_high: float
    log_probability: float


def read_facts(path: Path) -> list[Fact]:
    """Read facts from a JSONL file.

    A line has `subject` and `object`, each a text or a list of names, further names in
    `subject_aliases` and `object_aliases`, and perhaps `relation` and `id`.

    Raises:
        SourceError: the file or a line cannot be read, or an entity has no name.
    """
    return [
        Fact(
            id=str(row.get("id", number)),
            subject=_names(row, "subject", f"{path}, line {number}"),
            relation=str(row.get("relation", "")),
            object=_names(row, "object", f"{path}, line {number}"),
        )
        for number, row in rows_of_file(path)
    ]


def count_facts(corpus: Corpus, facts: Sequence[Fact], window: int = 64) -> PairCounts:
    """Count each fact's subject and object in a corpus, alone and together.

    Args:
        corpus: where to count.
        facts: what to count.
        window: what near means, in tokens.

    Raises:
        CorpusError: the window is not positive.
    """
    subjects: dict[tuple[str, ...], int] = {}
    objects: dict[tuple[str, ...], int] = {}
    pairs = [
        (subjects.setdefault(f.subject, len(subjects)), objects.setdefault(f.object, len(objects)))
        for f in facts
    ]
    return count_pairs(
        corpus, tuple(subjects), tuple(objects), np.array(pairs, np.int64).reshape(-1, 2), window
    )


def frequency_bins(
    counts: Int64[np.ndarray, " fact"],
    right: Float[np.ndarray, " fact"],
    log_probability: Float[np.ndarray, " fact"],
) -> list[FrequencyBin]:
    """Facts by frequency: never, once, 2 to 3, 4 to 7, and so on; empty bins are left out.

    Args:
        counts: how often the corpus has each fact.
        right: 1 where the model is right, 0 where not.
        log_probability: of each object, nats.
    """
    power = np.where(counts > 0, np.floor(np.log2(np.maximum(counts, 1))), -1).astype(np.int64)
    found = []
    for k in np.unique(power).tolist():
        inside = power == k
        share = float(right[inside].mean())
        low, high = wilson(share, int(inside.sum()))
        found.append(
            FrequencyBin(
                low=0 if k < 0 else 1 << k,
                high=0 if k < 0 else (2 << k) - 1,
                facts=int(inside.sum()),
                right=share,
                right_low=low,
                right_high=high,
                log_probability=float(log_probability[inside].mean()),
            )
        )
    return found


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's interval of 95 % for a share seen in n trials."""
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * (share * (1 - share) / n + _Z**2 / (4 * n**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def _names(row: Mapping[str, Any], field: str, place: str) -> tuple[str, ...]:
    given = row.get(field)
    listed = [given] if isinstance(given, str) else given
    more = row.get(f"{field}_aliases", [])
    names = [*listed, *more] if isinstance(listed, list) and isinstance(more, list) else []
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise SourceError(
            place,
            expected=f"a name, or a list of names, in the field {field!r}",
            got=repr(given)[:80],
            fix=f'Write it such as "{field}": "Ada Lovelace".',
        )
    return tuple(dict.fromkeys(name.strip() for name in names))
