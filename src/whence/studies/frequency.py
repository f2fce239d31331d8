"""Does frequency explain accuracy? Facts by how often the corpus has them, and what a model knows.

Claim: a model answers a question about a fact the better, the more documents of its training
hold both entities (Kandpal et al., "Large Language Models Struggle to Learn Long-Tail Knowledge",
ICML 2023, figure 1). The correlation is no proof of a cause: taking the documents away is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from whence.core import Behavior
from whence.core.errors import BehaviorError, SourceError
from whence.core.progress import progress
from whence.core.records import finite
from whence.corpus import Corpus
from whence.corpus.tasks import Fact, PairCounts, correlate, count_facts, frequency_bins
from whence.corpus.tasks.examples import rows_of_file
from whence.models import Model, greedy, values

_SPARE = 4  # tokens beyond the longest name, for an article or a blank


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What a model knows of some facts.

    Attributes:
        log_probability: of the most probable name of each object, after the prompt, nats.
        right: whether the model's own answer begins with a name of the object.
    """

    log_probability: Float64[np.ndarray, " fact"]
    right: Float64[np.ndarray, " fact"]


def ask_facts(model: Model, facts: Sequence[Fact], template: str) -> Known:
    """Ask a model for the object of each fact.

    Args:
        model: the model.
        facts: what to ask.
        template: the prompt, with {subject} and perhaps {relation} in it.

    Raises:
        BehaviorError: the template does not name the subject, or a prompt cannot be measured.
    """
    if "{subject}" not in template:
        raise BehaviorError(
            "template",
            expected="a prompt with {subject} in it",
            got=repr(template),
            fix="Such as: {subject} was born in",
        )
    best, right = np.zeros(len(facts)), np.zeros(len(facts))
    for k, fact in enumerate(progress(facts, "asking the model", len(facts))):
        prompt = template.replace("{subject}", fact.subject[0]).replace("{relation}", fact.relation)
        names = [name if prompt[-1:].isspace() else f" {name}" for name in fact.object]
        best[k] = values(model, [Behavior(prompt, target=name) for name in names]).max()
        tokens = max(len(model.tokenizer(name)["input_ids"]) for name in names)
        answer = greedy(model, prompt, tokens + _SPARE).strip().lower()
        right[k] = any(_begins(answer, name.lower()) for name in fact.object)
    return Known(best, right)


def read_known(path: Path, facts: int) -> Known:
    """Read what another model knows: `log_probability` and `right` of each fact, in their order.

    Raises:
        SourceError: the file or a line cannot be read, or there are more or fewer lines.
    """
    rows = rows_of_file(path)
    for number, row in rows:
        given = row.get("log_probability"), row.get("right")
        if not isinstance(given[0], int | float) or not isinstance(given[1], bool | int):
            raise SourceError(
                f"{path}, line {number}",
                expected='a number "log_probability" and a truth "right"',
                got=repr(given),
                fix='Write {"log_probability": -1.5, "right": true}.',
            )
    if len(rows) != facts:
        raise SourceError(
            str(path),
            expected=f"{facts} lines, one a fact",
            got=str(len(rows)),
            fix="Write one line for each fact, in their order.",
        )
    return Known(
        np.array([float(row["log_probability"]) for _, row in rows]),
        np.array([float(row["right"]) for _, row in rows]),
    )


def fact_frequency(
    corpus: Corpus,
    facts: Sequence[Fact],
    known: Known | None = None,
    *,
    window: int = 64,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Count facts in a corpus, and set what a model knows beside the counts.

    Args:
        corpus: what the model was trained on.
        facts: what to count.
        known: of the same facts; None only counts.
        window: what near means, in tokens.
        resamples: drawings for the intervals.
        seed: of the drawings.

    Returns:
        A record of plain values.

    Raises:
        CorpusError: fewer than three facts with a model, or a window that is not positive.
    """
    counts = count_facts(corpus, facts, window)
    record: dict[str, Any] = {
        "whence": "fact frequency",
        "version": 1,
        "corpus": {"path": str(corpus.path), "digest": corpus.digest},
        "settings": {"window": window, "resamples": resamples, "seed": seed},
        "facts": [_fact(fact, counts, known, k) for k, fact in enumerate(facts)],
    }
    if known is None:
        return record
    record["correlations"] = {}
    for name, column in (("documents", counts.documents), ("near", counts.near)):
        for side, measured in (("log_probability", known.log_probability), ("right", known.right)):
            found = correlate(column.astype(np.float64), measured, resamples=resamples, seed=seed)
            record["correlations"][f"{name} and {side}"] = {
                key: finite(value) if isinstance(value, float) else value
                for key, value in asdict(found).items()
            }
    record["bins"] = {
        name: [asdict(b) for b in frequency_bins(column, known.right, known.log_probability)]
        for name, column in (("documents", counts.documents), ("near", counts.near))
    }
    return record


def _fact(fact: Fact, counts: PairCounts, known: Known | None, k: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": fact.id,
        "subject": list(fact.subject),
        "relation": fact.relation,
        "object": list(fact.object),
        "documents": int(counts.documents[k]),
        "near": int(counts.near[k]),
        "subject_documents": int(counts.first_documents[k]),
        "object_documents": int(counts.second_documents[k]),
        "subject_places": int(counts.first_places[k]),
    }
    if known is not None:
        row["log_probability"] = float(known.log_probability[k])
        row["right"] = bool(known.right[k])
    return row


def _begins(answer: str, name: str) -> bool:
    """Whether an answer begins with a name as whole words."""
    rest = answer.removeprefix(name)
    return answer.startswith(name) and not rest[:1].isalnum()
