"""Whatever is typed wrong ends in one message and exit code 2, never in a trace."""

import sys

import pytest

from whence import cli


def typed(monkeypatch, capsys, *words):
    """Exit code and what was said on standard error."""
    monkeypatch.setattr(sys, "argv", ["whence", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return end.value.code, said.err


MISTAKES = [
    ["explian"],
    ["--nonsense"],
    ["corpus"],
    ["corpus", "build"],
    ["corpus", "build", "nowhere", "-o", "c"],
    ["corpus", "build", ".", "-o", "c"],
    ["corpus", "build", "a.txt", "-o", "c", "--vocab-size", "3"],
    ["corpus", "build", "a.txt", "-o", "c", "--vocab-size", "many"],
    ["corpus", "show", "nowhere"],
    ["corpus", "count", "nowhere", "text"],
    ["train", "nowhere", "-o", "r"],
    ["train", "nowhere"],
    ["train", "nowhere", "-o", "r", "--size", "huge"],
    ["explain", "nowhere", "a prompt"],
    ["explain", "nowhere"],
    ["explain", "nowhere", "a prompt", "--target", ""],
    ["explain", "nowhere", "a prompt", "--by", "neurons"],
    ["explain", "nowhere", "a prompt", "-o", "report.pdf"],
    ["explain", "nowhere", "a prompt", "--behaviors", "missing.jsonl"],
    ["check", "nowhere"],
    ["check", "."],
]


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_is_said_in_one_message(words, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, said = typed(monkeypatch, capsys, *words)
    assert code == 2
    assert said.strip()
    assert sorted(path.name for path in tmp_path.iterdir()) == []


def test_the_version(monkeypatch, capsys):
    from whence import __version__

    monkeypatch.setattr(sys, "argv", ["whence", "--version"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert capsys.readouterr().out == f"whence {__version__}\n"
