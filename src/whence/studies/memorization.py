"""Distributional memorisation: how far a model's answers follow what its corpus says of a task.

Pairs of n-grams, one of an input and one of its output, are mined from examples by similarity of
vectors. The corpus gives each pair's output a probability by counts, the model gives it one where
it stands in the answer; their rank correlation is the memorisation.

Claim: for recall of facts the correlation is large and that of pairs at least as large as that of
the infinity-gram; for tasks that need more than recall it is small (Wang et al., "Generalization
v.s. Memorization", ICLR 2025, sections 3 and 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from whence.core.errors import CorpusError
from whence.core.progress import progress
from whence.core.records import finite
from whence.corpus import Corpus
from whence.corpus.tasks import (
    Example,
    Found,
    PairCounts,
    PairTable,
    correlate,
    count_pairs,
    coverage,
    find_pairs,
    infinity_log_probabilities,
    mine_pairs,
    task_gram_log_probabilities,
    task_grams,
)
from whence.models import Model
from whence.studies.asked import INPUT, OUTPUT, AnswerScore, behavior_of, centred_embeddings


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """How pairs are mined and counted.

    Attributes:
        n: words in an n-gram of an input.
        n_output: words in an n-gram of an output; as many when None.
        threshold: pairs with a larger cosine belong together.
        window: tokens within which a pair is near.
        template: how an example is put to the model.
        resamples: drawings for the intervals.
        seed: of the drawings.
    """

    n: int = 3
    n_output: int | None = None
    threshold: float = 0.75
    window: int = 64
    template: str = f"{INPUT} {OUTPUT}"
    resamples: int = 1000
    seed: int = 0


def task_memorization(
    corpus: Corpus,
    model: Model,
    examples: Sequence[Example],
    test: Sequence[Example] | None = None,
    settings: TaskSettings | None = None,
    vectors: tuple[Float[np.ndarray, "input width"], Float[np.ndarray, "output width"]]
    | None = None,
) -> dict[str, Any]:
    """Mine pairs from examples, count them, and compare with a model on test examples.

    Args:
        corpus: what the model was trained on.
        model: the model.
        examples: pairs are mined from these.
        test: the model is asked these; the same ones when not given.
        settings: how.
        vectors: of the n-grams of inputs and of outputs (in the order of `task_grams`), from any
            encoder; by default the model's own states.

    Returns:
        A record of plain values.

    Raises:
        CorpusError: no pair is similar enough, or fewer than three can be compared.
        BehaviorError: the template does not hold input and output, or an example is too long.
    """
    settings = settings or TaskSettings()
    test = examples if test is None else test
    grams = task_grams(examples, settings.n, settings.n_output)
    if vectors is None:
        both = centred_embeddings(model, [*grams.inputs, *grams.outputs])
        vectors = both[: len(grams.inputs)], both[len(grams.inputs) :]
    table = mine_pairs(grams, *vectors, settings.threshold)
    found = find_pairs(table, test, settings.n, settings.n_output)
    if not found:
        raise CorpusError(
            "task",
            expected=f"pairs of n-grams with a cosine above {settings.threshold} in the test",
            got=f"none ({len(table)} pairs in the examples)",
            fix="Lower --threshold or --n.",
        )
    counts = count_pairs(
        corpus,
        [(text,) for text in table.inputs],
        [(text,) for text in table.outputs],
        table.pairs,
        settings.window,
    )
    said = _model_says(model, test, found, settings.template)
    pair = np.array([one.pair for one in found])
    sides = {
        "documents": task_gram_log_probabilities(counts)[pair],
        "near": task_gram_log_probabilities(counts, near=True)[pair],
        "infinity": _infinity(corpus, test, found, settings.template),
    }
    return {
        "whence": "task memorization",
        "version": 1,
        "corpus": {"path": str(corpus.path), "digest": corpus.digest},
        "model": {"name": model.name, "digest": model.digest},
        "settings": asdict(settings),
        "examples": len(examples),
        "test": len(test),
        "pairs": {"mined": len(table), "found": len(found)},
        "coverage": _coverage(found, counts, len(test)),
        "memorization": _correlations(sides, said, found, settings),
        "table": _table(table, counts),
        "points": _points(test, found, {**sides, "model": said}),
    }


def _model_says(
    model: Model, test: Sequence[Example], found: Sequence[Found], template: str
) -> Float64[np.ndarray, " found"]:
    scores: dict[int, AnswerScore] = {}
    said = []
    for one in progress(found, "asking the model", len(found)):
        if one.example not in scores:
            example = test[one.example]
            behavior = behavior_of(template, example.input, example.output)
            scores[one.example] = AnswerScore(model, behavior)
        said.append(scores[one.example].of(one.start, one.end))
    return np.array(said)


def _correlations(
    sides: Mapping[str, Float64[np.ndarray, " found"]],
    said: Float64[np.ndarray, " found"],
    found: Sequence[Found],
    settings: TaskSettings,
) -> dict[str, dict[str, Any]]:
    groups = np.array([one.example for one in found])
    told = {}
    for name, side in sides.items():
        correlation = correlate(
            side, said, groups, resamples=settings.resamples, seed=settings.seed
        )
        told[name] = _plain(asdict(correlation))
    return told


def _points(
    test: Sequence[Example],
    found: Sequence[Found],
    columns: Mapping[str, Float64[np.ndarray, " found"]],
) -> list[dict[str, Any]]:
    """Every pair found: its example, its row in the table, the log-probabilities (nats)."""
    return [
        {"example": test[one.example].id, "pair": one.pair}
        | _plain({name: float(column[k]) for name, column in columns.items()})
        for k, one in enumerate(found)
    ]


def _infinity(
    corpus: Corpus, test: Sequence[Example], found: Sequence[Found], template: str
) -> Float64[np.ndarray, " found"]:
    said = np.zeros(len(found))
    groups = groupby(range(len(found)), key=lambda k: found[k].example)
    for number, members in groups:
        behavior = behavior_of(template, test[number].input, test[number].output)
        own, shift = list(members), len(behavior.prompt)
        said[own] = infinity_log_probabilities(
            corpus,
            behavior.prompt + (behavior.target or ""),
            [(shift + found[k].start, shift + found[k].end) for k in own],
        )
    return said


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as JSON can hold them: None for nan and the infinities."""
    return {
        name: finite(value) if isinstance(value, float) else value for name, value in values.items()
    }


def _coverage(found: Sequence[Found], counts: PairCounts, examples: int) -> Mapping[str, Any]:
    covered = coverage(found, counts, examples)
    pair = np.array([one.pair for one in found])
    return {
        "examples_with_a_pair": len({one.example for one in found}),
        "examples_with_a_counted_pair": int((covered > 0).sum()),
        "pairs_counted": int((counts.documents[pair] > 0).sum()),
        "pairs_near": int((counts.near[pair] > 0).sum()),
        "inputs_never_seen": int((counts.first_documents[pair] == 0).sum()),
        "documents_a_example": float(covered.mean()),
    }


def _table(table: PairTable, counts: PairCounts) -> list[dict[str, Any]]:
    return [
        {
            "input": table.inputs[i],
            "output": table.outputs[j],
            "similarity": float(table.similarity[k]),
            "documents": int(counts.documents[k]),
            "input_documents": int(counts.first_documents[k]),
            "near": int(counts.near[k]),
            "input_places": int(counts.first_places[k]),
        }
        for k, (i, j) in enumerate(table.pairs.tolist())
    ]
