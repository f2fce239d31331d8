"""The main job on real text: train, find what the model really shows, explain it, verify.

`demo_real` uses text that is on every machine with Python: the standard library's own
functions and classes. `real_text` does the same on any corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from whence.attribution import spread
from whence.corpus import BuildSettings, Corpus, RawDocument, build_from_documents, open_corpus
from whence.explain import Explanation, Plan, explain_many
from whence.studies.shown import shown_behaviors
from whence.training import Recipe, Run, train
from whence.worlds import python_library

VOCABULARY = 4096
BEHAVIORS = 3
# A part of the library, read four times, in the time of the whole read once: what a model
# learned from a few documents shows only where it has seen them more than once.
PACKAGES = (
    "argparse asyncio bisect calendar collections configparser csv datetime decimal difflib "
    "email fractions heapq http json logging pathlib random re shutil statistics string "
    "subprocess tempfile textwrap threading urllib zipfile"
)

RECIPE = Recipe(size="tiny", context=128, rows=8, epochs=4, learning_rate=4e-3)

Tell = Callable[[str], object]


def demo_real(
    folder: Path,
    *,
    tell: Tell = lambda _: None,
    workers: int | None = None,
) -> tuple[Explanation, ...]:
    """Explain three things that a model learned from Python's standard library.

    Args:
        folder: where corpus and run go; what is there from an interrupted demo is used.
        tell: called with one line at the start of each part.
        workers: training replays at a time.
    """
    place = folder / "corpus"
    if place.exists():
        corpus = open_corpus(place)
    else:
        tell("Python's standard library: one document a function or class")
        settings = BuildSettings(vocab_size=VOCABULARY, max_tokens=RECIPE.context - 2)
        corpus = build_from_documents(library(), place, settings)
    return real_text(corpus, folder / "run", RECIPE, tell=tell, workers=workers)


def library() -> Iterator[RawDocument]:
    """The functions and classes of Python's standard library that the demo reads."""
    wanted = PACKAGES.split()
    for document in python_library():
        if str(document.metadata["module"]).partition(".")[0] in wanted:
            yield document


def real_text(
    corpus: Corpus,
    run_folder: Path,
    recipe: Recipe,
    *,
    tell: Tell = lambda _: None,
    workers: int | None = None,
    budget: float | None = None,
    behaviors: int = BEHAVIORS,
) -> tuple[Explanation, ...]:
    """Train on a corpus, find behaviors, explain them together and verify.

    Args:
        corpus: the documents.
        run_folder: where the run goes; an interrupted one goes on.
        recipe: how to train.
        tell: called with one line at the start of each part.
        workers: training replays at a time.
        budget: seconds that documents may take; None plans gradient similarity at three
            checkpoints and its sets' removal, however long that takes.
        behaviors: how many to explain.
    """
    tell(f"training on {corpus.n_documents:,} documents, {corpus.n_tokens:,} tokens")
    run = train(corpus, run_folder, recipe)
    tell(f"trained for {run.seconds:.0f} s; looking for what the model really shows")
    shown = shown_behaviors(run, behaviors)
    for each in shown:
        tell(
            f"{each.behavior.prompt[-40:]!r} -> {each.behavior.target!r}: model "
            f"{each.probability:.2f}, {each.holding} documents with the last word before it, "
            f"{each.mentioning} with it at all (found in {each.document})"
        )
    found = explain_many(
        run,
        [each.behavior for each in shown],
        budget=budget,
        plan=_plan(run) if budget is None else None,
        workers=workers,
        on_plan=lambda _, cost: tell(f"explaining: {cost}"),
    )
    return tuple(found)


def _plan(run: Run) -> Plan:
    trained = [c for c in run.checkpoints if c.step > 0]
    return Plan(
        checkpoints=tuple(c.step for c in spread(trained, 3)),
        tested=("tracin",),
        rows=max(1, 2048 // run.recipe.context),
    )
