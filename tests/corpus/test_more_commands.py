"""`whence corpus stats`, `dedup`, `filter`, `tasks`, ...: the same as from Python, as JSON."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.corpus.samples import TEXTS
from whence.cli.corpus import app
from whence.core.errors import CorpusError, SourceError
from whence.corpus import BuildSettings, RawDocument, build_from_documents, open_corpus
from whence.corpus.statistics import DescribeSettings, describe
from whence.corpus.tasks import read_items


def whence(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = [RawDocument(f"d{i}", text, {"kind": "ab"[i % 2]}) for i, text in enumerate(TEXTS)]
    found.append(RawDocument("again", TEXTS[0], {"kind": "a"}))
    out = tmp_path_factory.mktemp("commands") / "c"
    return build_from_documents(found, out, BuildSettings(vocab_size=320)).path


def test_stats(folder, tmp_path):
    options = ("--by", "kind", "--ngrams", "1,4", "--no-languages")
    said = json.loads(whence("stats", folder, *options, "--json", "-o", tmp_path / "s.html"))
    settings = DescribeSettings(by="kind", ngrams=(1, 4))
    assert said == json.loads(json.dumps(describe(open_corpus(folder), settings)))
    assert (tmp_path / "s.html").read_text().startswith("<!doctype html>")
    shown = whence("stats", folder, *options)
    assert "near copies" in shown
    assert "not looked at" in shown


def test_dedup(folder, tmp_path):
    said = json.loads(whence("dedup", folder, "-o", tmp_path / "new", "--json"))
    assert said["removed"]["rules"] == {"equal": 1}
    assert said["documents"] == open_corpus(tmp_path / "new").n_documents == len(TEXTS)
    assert said["tokens"] == open_corpus(tmp_path / "new").n_tokens
    shown = whence("dedup", folder, "--exact", "--dry-run")
    assert "kept d0" in shown
    assert "removed 1 document," in shown


def test_filter(folder, tmp_path):
    words = ("filter", folder, "--where", "kind=a", "--longest", 100, "--equal")
    said = json.loads(whence(*words, "-o", tmp_path / "new", "--json"))
    assert said["removed"]["rules"] == {"where": 2, "equal": 1}
    assert list(open_corpus(tmp_path / "new").ids) == ["d0", "d2", "d4"]
    assert said["rules"]["where"] == {"kind": ["a"]}
    shown = whence("filter", folder, "--characters", "letter:0.95-1", "--dry-run")
    assert "removed 6 documents" in shown
    with pytest.raises(CorpusError, match="FIELD=VALUE"):
        whence("filter", folder, "--where", "kind", "--dry-run")
    with pytest.raises(CorpusError, match="a new folder"):
        whence("filter", folder, "--equal")


@pytest.fixture
def benchmark(tmp_path):
    rows = [
        {"id": "seen", "question": "Émile was born in London too; the cat sat on the mat, said he"},
        {"id": "new", "question": "who has ever been to the moon and back in one single day"},
        {"id": "short", "question": "who?"},
    ]
    path = tmp_path / "b.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_contamination(folder, benchmark, tmp_path):
    words = ("contamination", folder, benchmark, "--n", 11, "--clean", tmp_path / "clean.jsonl")
    said = json.loads(whence(*words, "--json"))
    assert [item["contaminated"] for item in said["per_item"]] == [True, False, None]
    assert (said["items"], said["contaminated"], said["too_short"]) == (3, 1, 1)
    assert said["per_item"][0]["documents"] == ["d3"]
    assert said["with_a_run"] == {"8": 1, "11": 1}
    assert [item.id for item in read_items(tmp_path / "clean.jsonl")] == ["new", "short"]
    assert "1 of 3 items" in whence(*words)


def test_decontaminate(folder, benchmark, tmp_path):
    words = ("decontaminate", folder, benchmark, "--n", 8)
    said = json.loads(whence(*words, "-o", tmp_path / "new", "--json"))
    assert said["removed"]["rules"] == {"benchmark": 1}
    assert "d3" not in open_corpus(tmp_path / "new").ids
    assert "removed 1 document," in whence(*words, "--dry-run")


def test_novelty(folder, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"text": TEXTS[3]}) + "\n" + json.dumps({"text": "zebras zip"}))
    said = json.loads(whence("novelty", folder, path, "--n", 3, "--json"))
    assert said["texts"][0]["novel"] == [0, 0, 0]
    assert 0 < said["novel"]["3"] < 1
    assert "share" in whence("novelty", folder, path)


def test_facts(folder, tmp_path):
    path = tmp_path / "f.jsonl"
    names = [("Ada Lovelace", "London"), ("Émile", "London"), ("Émile", "東京")]
    path.write_text("".join(json.dumps({"subject": a, "object": b}) + "\n" for a, b in names))
    said = json.loads(whence("facts", folder, path, "--json"))
    assert [fact["documents"] for fact in said["facts"]] == [2, 1, 0]
    known = tmp_path / "p.jsonl"
    known.write_text('{"log_probability": -1, "right": true}\n' * 3)
    page = tmp_path / "f.html"
    shown = whence("facts", folder, path, "--probabilities", known, "-o", page)
    assert "share right" in shown
    assert page.read_text().count("<svg") == 4
    with pytest.raises(SourceError, match="3 lines"):
        known.write_text('{"log_probability": -1, "right": true}\n')
        whence("facts", folder, path, "--probabilities", known)


def test_tasks(demo_run, demo_world, tmp_path):
    path, vectors = tmp_path / "e.jsonl", tmp_path / "v.npz"
    rows = [{"input": fact.prompt, "output": fact.answer} for fact in demo_world.facts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("tasks", demo_run.corpus().path, path, "--model", demo_run.path, "--n", 1)
    whence(*words[:3], "--n", 1, "--grams", tmp_path / "g.json")
    with pytest.raises(CorpusError, match="--model"):
        whence(*words[:3])
    grams = json.loads((tmp_path / "g.json").read_text())
    ones = {name: np.ones((len(texts), 2)) for name, texts in grams.items()}
    np.savez(vectors, **ones)
    said = json.loads(whence(*words, "--vectors", vectors, "--json"))
    expected = {(a, b) for row in rows for a in row["input"].split() for b in row["output"].split()}
    assert said["pairs"]["mined"] == len(expected)
    shown = whence(*words, "--threshold", -1)
    assert "Kendall distance" in shown
    np.savez(vectors, wrong=np.ones(2))
    with pytest.raises(CorpusError, match="the arrays `inputs` and `outputs`"):
        whence(*words, "--vectors", vectors)
