"""The examples run, in the order in which a newcomer meets them, in one folder as hers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import PACKAGE

ROOT = PACKAGE.parents[1]
EXAMPLES = ROOT / "docs" / "examples"
ORDER = [
    "make_documents.py",
    "build_a_corpus.py",
    "search_a_corpus.sh",
    "record_a_training.py",
    "judge_own_scores.py",
    "explain_a_behavior.py",
    "read_a_record.py",
    "reproduce_a_result.py",
    "explain_a_checkpoint.py",
]
OUTPUT = re.compile(r"<!-- output: (?P<file>\S+) -->\n+```\w*\n(?P<text>.*?)```\n", re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("newcomer")


@pytest.fixture(scope="module")
def said(folder):
    """Name -> what the example printed; grows as the tests run."""
    return {}


def run(example, folder):
    command = [sys.executable, "-W", "error"] if example.suffix == ".py" else ["bash", "-eu"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, example],
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_every_example_is_in_the_order():
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_an_example_runs(name, folder, said):
    said[name] = run(EXAMPLES / name, folder)
    assert said[name].strip()


def rough(text):
    """A printed text less what another machine may print otherwise: decimals and rules."""
    text = re.sub(r"-?\d+\.\d+", "#.#", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def shown_outputs():
    for page in sorted((ROOT / "docs").glob("*.md")):
        for match in OUTPUT.finditer(page.read_text()):
            yield pytest.param(match["file"], match["text"], id=match["file"])


@pytest.mark.parametrize(("name", "text"), list(shown_outputs()))
def test_a_page_shows_what_an_example_prints(name, text, said):
    if name not in said:
        pytest.skip(f"{name} was not run: run the whole file")
    assert rough(said[name]) == rough(text)


def test_rough_keeps_words_and_counts():
    assert rough("fell by -1.25 nats\n\n  in 3 steps ") == ["fell by #.# nats", "in 3 steps"]
