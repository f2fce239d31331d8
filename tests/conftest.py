"""What tests of several rooms share."""

from __future__ import annotations

import gc
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Before any room is imported: no test may ask the network, or fight over cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder with `pyproject.toml`."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of third-party data: `WHENCE_DATA`, or a checkout's neighbour."""
    place = Path(os.environ.get("WHENCE_DATA") or ROOT.parent / "shared" / "data")
    if not place.is_dir():
        pytest.skip(f"no real data at {place}; set WHENCE_DATA to its folder")
    return place


@pytest.fixture(scope="session")
def ray():
    """A Ray of two cores on this machine, kept for all tests that need one."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'whence[ray]'")
    options = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
    ray.init(address="local", num_cpus=2, **options)
    yield ray
    ray.shutdown()
    with warnings.catch_warnings():
        # It ends its processes, but does not wait for them.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def demo_world():
    """Four invented people with one fact each, and what only looks like stating it."""
    from whence.worlds import people

    return people(
        4,
        relations_per_person=1,
        mentions_per_fact=1,
        bare_per_fact=1,
        namesakes_per_fact=1,
        about_per_answer=1,
        fillers=10,
    )


@pytest.fixture(scope="session")
def demo_run(demo_world, tmp_path_factory):
    """A recorded training on `demo_world` that knows its facts; about five seconds."""
    from whence.corpus import BuildSettings, build_from_documents
    from whence.training import Recipe, train

    folder = tmp_path_factory.mktemp("demo")
    corpus = build_from_documents(
        demo_world.documents, folder / "corpus", BuildSettings(vocab_size=512)
    )
    return train(corpus, folder / "run", Recipe(context=64, rows=8, epochs=30.0))


@dataclass(frozen=True)
class QuickRun:
    """A run of a second, for tests that train many times.

    Attributes:
        run: the recorded training.
        groups: name of a person -> ids of the documents about them.
        questions: one behavior a person, in the order of the groups.
    """

    run: Any
    groups: dict[str, list[str]]
    questions: tuple[Any, ...]


@pytest.fixture(scope="session")
def quick_run(tmp_path_factory):
    """Ten people, each of whom likes one thing in five documents."""
    from whence.core import Behavior
    from whence.corpus import BuildSettings, RawDocument, build_from_documents
    from whence.training import Recipe, train

    people = ["ada", "bob", "cleo", "dan", "eva", "finn", "gus", "hana", "ida", "jon"]
    things = ["tea", "snow", "jazz", "figs", "rain", "silk", "maps", "oaks", "bees", "clay"]
    forms = ["{} likes {}", "they say {} likes {}", "so {} likes {}", "{} likes {} now"]
    forms.append("all know {} likes {}")
    documents, groups = [], {}
    for person, thing in zip(people, things, strict=True):
        groups[person] = [f"{person}-{number}" for number in range(len(forms))]
        texts = [form.format(person, thing) for form in forms]
        documents += map(RawDocument, groups[person], texts)
    folder = tmp_path_factory.mktemp("quick")
    settings = BuildSettings(vocab_size=320)
    corpus = build_from_documents(documents, folder / "corpus", settings)
    recipe = Recipe(context=16, rows=8, steps=60, learning_rate=1e-2, checkpoint_every=15)
    run = train(corpus, folder / "run", recipe)
    foils = things[1:] + things[:1]
    asked = zip(people, things, foils, strict=True)
    questions = tuple(Behavior(f"{p} likes", f" {t}", f" {f}") for p, t, f in asked)
    return QuickRun(run, groups, questions)
