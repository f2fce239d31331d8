import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.corpus.brute import Brute
from whence.cli import app
from whence.core.errors import CorpusError, RunError
from whence.corpus import BuildSettings, RawDocument, build_from_documents, where

FACTS = [
    {"lang": "de", "year": 1990, "date": "1990-02-01"},
    {"lang": "en", "year": 2001, "date": "2001-10-05"},
    {"lang": "en", "year": 1985, "date": None},
    {"lang": None, "year": None, "date": "2010-01-01"},
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    documents = [
        RawDocument(f"d{i}", f"the cat number {i} sat on the cat", facts)
        for i, facts in enumerate(FACTS)
    ]
    out = tmp_path_factory.mktemp("slices") / "c"
    return build_from_documents(documents, out, BuildSettings(vocab_size=300))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["lang=en"], [1, 2]),
        (["lang=en", "lang=de"], [0, 1, 2]),
        (["lang=en", "year<2000"], [2]),
        (["lang!=en"], [0, 3]),
        (["lang="], [3]),
        (["year>=1990"], [0, 1]),
        (["year=1990.0"], [0]),
        (["date>1990-02-01"], [1, 3]),
        (["date<=1990-02-01"], [0]),
        (["id=d2"], [2]),
        (["id~[13]$"], [1, 3]),
        (["lang~^e", "id!=d1"], [2]),
    ],
)
def test_conditions(corpus, conditions, expected):
    assert np.flatnonzero(where(corpus, conditions)).tolist() == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("lang", "FIELD=VALUE"),
        ("nothing=1", "a field out of id, "),
        ("year>soon", "a number"),
        ("lang~(", "regular expression"),
        ("lang=fr", "some document fulfils"),
    ],
)
def test_mistakes(corpus, condition, message):
    with pytest.raises(CorpusError, match=message):
        where(corpus, [condition])


def whence(*arguments):
    result = CliRunner().invoke(app, ["corpus", *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.stdout


def test_searching_a_slice(corpus):
    only = Brute([corpus.document(i).tokens.tolist() for i in (1, 2)])
    tokens = corpus.encode(" cat").tolist()
    slice_ = ("--where", "lang=en", "--json")
    assert json.loads(whence("count", corpus.path, "cat", *slice_))["count"] == only.count(tokens)
    found = json.loads(whence("find", corpus.path, "cat", *slice_))
    assert {row["document"] for row in found["occurrences"]} == {"d1", "d2"}
    following = json.loads(whence("next", corpus.path, "cat", *slice_))
    assert following["count"] == len(only.after(tokens))
    traced = json.loads(whence("trace", corpus.path, "the cat number 3 sat", "--keep", 1, *slice_))
    assert {d["id"] for d in traced["documents"]} == {"d1", "d2"}
    tree = json.loads(whence("tree", corpus.path, "cat", *slice_))
    assert tree["count"] == only.count(tokens)


def test_as_of_a_step(demo_run):
    corpus = demo_run.corpus()
    order = demo_run.order
    for step in (0, 1, 3, order.steps):
        seen = {int(d) for d, s in zip(order.document, order.step, strict=True) if s <= step}
        assert np.flatnonzero(demo_run.seen_until(step)).tolist() == sorted(seen)
    assert (demo_run.seen_until() == demo_run.seen_until(order.steps)).all()
    mask = demo_run.seen_until(2)
    text = " ".join(corpus.text(int(np.flatnonzero(mask)[0])).split()[:1])
    counted = json.loads(
        whence("count", corpus.path, text, "--run", demo_run.path, "--until", 2, "--json")
    )
    whole = json.loads(whence("count", corpus.path, text, "--json"))
    assert 0 < counted["count"] < whole["count"]


def test_wrong_steps_and_runs(demo_run, corpus):
    with pytest.raises(RunError, match="a step from 0"):
        demo_run.seen_until(10**6)
    with pytest.raises(RunError, match="on this corpus"):
        whence("count", corpus.path, "cat", "--run", demo_run.path)
    with pytest.raises(RunError, match="Add --run"):
        whence("count", corpus.path, "cat", "--until", 3)
