"""`whence corpus trace`, `perplexity`, `sample` and `tree` as they are typed."""

import json

import pytest
from typer.testing import CliRunner

from tests.corpus.samples import TEXTS
from whence.cli import app
from whence.core.errors import CorpusError
from whence.corpus import continuations, ngram_model, perplexity


def whence(*arguments, **options):
    result = CliRunner().invoke(app, ["corpus", *map(str, arguments)], **options)
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.fixture
def corpus(corpora):
    return corpora["bpe"]


def test_trace(corpus, tmp_path):
    text = "Émile was born in London, too."
    record = json.loads(whence("trace", corpus.path, text, "--keep", 1, "--json"))
    assert {"start", "end", "text", "count", "documents"} <= set(record["spans"][0])
    (tmp_path / "a.txt").write_text(text)
    by_file = whence("trace", corpus.path, "--file", tmp_path / "a.txt", "--keep", 1, "--json")
    assert json.loads(by_file) == record
    assert (
        json.loads(whence("trace", corpus.path, "-", "--keep", 1, "--json", input=text)) == record
    )
    shown = whence("trace", corpus.path, text, "-o", tmp_path / "a.html", "--edits", 1)
    assert "shown" in shown
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")


def test_perplexity(corpus, tmp_path):
    text = "Ada was born in London."
    said = json.loads(whence("perplexity", corpus.path, text, "--order", 3, "--json"))
    assert said == {
        "order": 3,
        **perplexity(corpus, ngram_model(corpus, 3), [text]).to_json(),
    }
    lines = "\n".join(json.dumps({"text": t}) for t in TEXTS[:2])
    (tmp_path / "a.jsonl").write_text(lines)
    arguments = ("perplexity", corpus.path, "--source", tmp_path / "a.jsonl", "--order", 3)
    assert json.loads(whence(*arguments, "--json"))["texts"] == 2
    assert "bits a byte" in whence(*arguments)


def test_sample(corpus):
    for order in (3, 0):
        arguments = ("sample", corpus.path, "Ada", "--order", order, "--tokens", 5, "--count", 2)
        record = json.loads(whence(*arguments, "--seed", 4, "--json"))
        assert record == json.loads(whence(*arguments, "--seed", 4, "--json"))
        assert len(record["texts"]) == 2
        assert whence(*arguments).startswith("Ada")


def test_tree(corpus):
    record = json.loads(whence("tree", corpus.path, "born in", "--json"))
    expected = continuations(corpus, "born in", depth=3, breadth=4).to_json()
    assert record == json.loads(json.dumps(expected))
    assert "London" in whence("tree", corpus.path, "born in")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trace",), "either a text or --file, got neither"),
        (("trace", "a", "--file", "b"), "got both"),
        (("trace", "--file", "nowhere.txt"), "UTF-8"),
        (("trace", "a", "-o", "page.pdf"), r"\.html or \.json"),
        (("perplexity",), "either a text or --source"),
        (("perplexity", "a", "--order", "0"), "from 1 to 12"),
        (("sample", "--temperature", "-1"), "temperature"),
        (("sample", "--where", "id=d0"), "--order 0"),
        (("tree", "a", "--depth", "0"), "depth"),
    ],
)
def test_mistakes(corpus, arguments, message):
    command, *rest = arguments
    with pytest.raises(CorpusError, match=message):
        whence(command, corpus.path, *rest)
