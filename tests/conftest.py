"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before any room is imported: no test may ask the network, or fight over cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

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
