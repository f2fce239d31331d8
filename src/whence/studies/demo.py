"""The demo: everything once, on this machine, where the truth is known.

A model is trained in front of the reader on a world of invented people. Every fact stands
in a known number of documents, among others that use the same words without stating it.
Some facts that the model has learned are then explained together: gradient similarity
names documents, training again without them shows whether the fact goes, and the truth
tells whether they are the ones that state it. One fact is explained in full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from whence.core.errors import RunError
from whence.corpus import BuildSettings, Corpus, build_from_documents, open_corpus
from whence.explain import Explanation, Plan, document_scores, explain_many
from whence.interventions import Documents
from whence.models import values
from whence.studies.recall import planted_recall
from whence.training import Recipe, Run, train
from whence.worlds import Fact, World, people

VOCABULARY = 1024
EXPLAINED = 12
# The other facts' sets are controls, and two random ones.
CONTROLS = EXPLAINED - 1 + 2

RECIPE = Recipe(
    architecture="llama",
    size="tiny",
    context=64,
    rows=8,
    epochs=15,
    learning_rate=5e-3,
    checkpoint_every=40,
)
# While the facts are being learned: a model that knows its text by heart has almost no
# gradient left on it (see docs/log.md).
GRADIENT_STEPS = (40, 80, 120, 200)

Tell = Callable[[str], object]


@dataclass(frozen=True, eq=False, slots=True)
class Demo:
    """What the demo found.

    Attributes:
        world: documents and truth.
        run: the recorded training.
        known: whether the model prefers the right answer to the foil, by fact.
        recall: share of a fact's documents among the first as many, by method, over all facts.
        explained: facts that were explained, the main one first.
        explanations: theirs, in the same order.
    """

    world: World
    run: Run
    known: Bool[np.ndarray, " fact"]
    recall: dict[str, Float[np.ndarray, " fact"]]
    explained: tuple[Fact, ...]
    explanations: tuple[Explanation, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One line a fact: what was found, and what became of the fact without it."""
        lines = []
        for fact, explanation in zip(self.explained, self.explanations, strict=True):
            record = explanation.record
            named = next(
                s for s in record["sets"] if s["kind"] == "document" and s["method"] == "tracin"
            )
            value = record["behavior"]["value"]
            lines.append(
                {
                    "fact": f"{fact.prompt} {fact.answer}",
                    "stated": len(fact.documents),
                    "found": len(set(named["causes"]) & set(fact.documents)),
                    "value": value,
                    "without_named": value - named["measured"],
                    "without_others": value - named["control"]["mean"],
                    "verdict": named["verdict"],
                }
            )
        return lines


def demo(folder: Path, *, tell: Tell = lambda _: None, workers: int | None = None) -> Demo:
    """Run the demo; what is already there from an earlier, interrupted one is used.

    Args:
        folder: where corpus, run and report go.
        tell: called with one line at the start of each part.
        workers: training replays at a time.
    """
    world = people()
    tell(
        f"a world of {len(world.documents):,} documents that state {len(world.facts)} facts, "
        f"each in {len(world.facts[0].documents)} of them"
    )
    corpus = build(folder / "corpus", world)
    tell(f"training a model on {corpus.n_tokens:,} tokens, every step recorded")
    run = train(corpus, folder / "run", RECIPE)
    own = values(run.model(), world.questions())
    known = own > 0
    tell(f"the model has learned {int(known.sum())} of {len(known)} facts; scoring documents")
    intervention = Documents(run, workers=workers)
    plan = _plan(run, world)
    scores = document_scores(intervention, world.questions(), plan)
    recall = {s.method: planted_recall(s, world) for s in scores}
    chosen = _chosen(world, own)
    tell(f"explaining {len(chosen)} facts: training again without the documents named for each")
    explanations = explain_many(
        run, [fact.question() for fact in chosen], plan=plan, scores=scores, workers=workers
    )
    return Demo(world, run, known, recall, chosen, tuple(explanations))


def build(folder: Path, world: World) -> Corpus:
    """The world's documents as a corpus, with a vocabulary trained on them."""
    if folder.exists():
        return open_corpus(folder)
    return build_from_documents(world.documents, folder, BuildSettings(vocab_size=VOCABULARY))


def _plan(run: Run, world: World) -> Plan:
    """Gradient similarity names documents; its sets are removed, and two random ones.

    Circuits of twelve facts would take longer than all retrainings together.
    """
    kept = {c.step for c in run.checkpoints}
    return Plan(
        checkpoints=tuple(step for step in GRADIENT_STEPS if step in kept),
        tested=("tracin",),
        top_documents=len(world.facts[0].documents),
        controls=CONTROLS,
        circuit=False,
    )


def _chosen(world: World, own: Float[np.ndarray, " fact"]) -> tuple[Fact, ...]:
    """The first learned facts about different people, so that no set states another's fact.

    The one that the model is surest of leads.
    """
    chosen: dict[str, tuple[float, Fact]] = {}
    for fact, value in zip(world.facts, own.tolist(), strict=True):
        if value > 0 and len(chosen) < EXPLAINED:
            chosen.setdefault(fact.subject, (value, fact))
    if len(chosen) < EXPLAINED:
        raise RunError(
            "demo",
            expected=f"a model that has learned facts about {EXPLAINED} people",
            got=f"{len(chosen)}",
            fix="Remove the demo's folder and run it again; if it stays so, report it.",
        )
    by_value = sorted(chosen.values(), key=lambda pair: -pair[0])
    return tuple(fact for _, fact in by_value)
