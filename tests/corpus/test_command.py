import json

import pytest
from typer.testing import CliRunner

from tests.corpus.samples import TEXTS
from whence.cli.corpus import app
from whence.core.errors import CorpusError, SourceError
from whence.corpus import open_corpus


def whence(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.fixture
def folder(corpora):
    return corpora["bpe"].path


def test_build_from_a_folder(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "a.xyz").write_text("some text in here\n" * 9)
    options = ("-o", tmp_path / "c", "--suffix", ".xyz", "--vocab-size", 300, "--max-tokens", 16)
    said = json.loads(whence("build", tmp_path / "s", *options, "--json"))
    corpus = open_corpus(tmp_path / "c")
    assert (said["documents"], said["tokens"]) == (corpus.n_documents, corpus.n_tokens)
    assert said["digest"] == corpus.digest
    assert said["cut"] == 1
    assert "documents" in whence("build", tmp_path / "s", *options)


def test_show(folder):
    assert json.loads(whence("show", folder, "--json"))["documents"] == len(TEXTS)
    by_id = json.loads(whence("show", folder, "d1", "--json", "--tokens"))
    assert by_id == json.loads(whence("show", folder, "1", "--json", "--tokens"))
    assert by_id["text"] == TEXTS[1]
    assert by_id["tokens"] == open_corpus(folder).document(1).tokens.tolist()
    assert "Lovelace" in whence("show", folder, "d0")


def test_count(folder):
    assert whence("count", folder, "born in London", "--json") == '{"count":3}\n'
    tokens = " ".join(map(str, open_corpus(folder).encode(" born in London")))
    assert whence("count", folder, "--tokens", tokens, "--json") == '{"count":3}\n'
    assert whence("count", folder, "zzzz", "--json") == '{"count":0}\n'
    assert "3" in whence("count", folder, "born in London")


def test_find(folder):
    found = json.loads(whence("find", folder, "born in London", "--json", "--limit", 2))
    assert found["count"] == 3
    assert [row["document"] for row in found["occurrences"]] == ["d0", "d3"]
    for row in found["occurrences"]:
        text = TEXTS[row["index"]]
        assert row["match"] == text[row["start"] : row["end"]] == " born in London"
        assert row["before"] + row["match"] + row["after"] in text
    shown = whence("find", folder, "born in London")
    assert "d4" in shown
    assert "3 occurrences" in shown


def test_next(folder):
    said = json.loads(whence("next", folder, "born in", "--json"))
    assert said["count"] == 3
    assert sum(row["probability"] for row in said["next"]) == pytest.approx(1)
    assert " London".startswith(said["next"][0]["text"])
    assert "probability" in whence("next", folder, "born in")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("count",), "either a text or --tokens, got neither"),
        (("count", "a", "--tokens", "1"), "got both"),
        (("count", "--tokens", "x"), "whole numbers"),
        (("count", ""), "at least one character"),
        (("next", "--tokens", "99999"), "token ids from 0"),
        (("show", "none"), "'none'"),
    ],
)
def test_mistakes(folder, arguments, message):
    command, *rest = arguments
    with pytest.raises(CorpusError, match=message):
        whence(command, folder, *rest)


def test_a_missing_source(tmp_path):
    with pytest.raises(SourceError, match="no such file or folder"):
        whence("build", tmp_path / "none", "-o", tmp_path / "c")
