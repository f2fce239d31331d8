"""What cannot be read is reported and counted, and the rest is built."""

import gzip
import json

import pytest
from typer.testing import CliRunner

from whence.cli.corpus import app
from whence.core.errors import SourceError
from whence.corpus import BuildSettings, build, build_corpus, check, open_corpus
from whence.corpus.unreadable import read_unreadable

GOOD = [{"id": f"d{i}", "text": f"text number {i}"} for i in range(40)]
SKIP = BuildSettings(tokenizer="bytes", unreadable="skip")


def as_line(row):
    return json.dumps(row).encode()


def broken_lines():
    """Good rows with six kinds of broken ones between them; line numbers of the broken ones."""
    lines = [as_line(row) for row in GOOD]
    faults = {
        3: b'{"id": "x", "text": "\xff"}',
        7: b'{"id": "x", "text": "cut',
        8: b"[1, 2]",
        20: b'{"id": "x", "body": "no text"}',
        30: b'{"id": true, "text": "no id"}',
        45: b'{"id": "x", "text": "\\ud800"}',
    }
    for place, line in sorted(faults.items()):
        lines.insert(place, line)
    return b"\n".join(lines) + b"\n", [place + 1 for place in sorted(faults)]


def test_rows_that_cannot_be_read_are_left_out_and_written_down(tmp_path):
    data, numbers = broken_lines()
    path = tmp_path / "s.jsonl"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"line 4, byte 21"):
        build_corpus([path], tmp_path / "stopped", BuildSettings(tokenizer="bytes"))
    corpus = build_corpus([path], tmp_path / "c", SKIP)
    assert list(corpus.ids) == [row["id"] for row in GOOD]
    places = [fault["place"] for fault in read_unreadable(corpus.path)]
    assert [int(p.split("line ")[1].split(",")[0]) for p in places] == numbers
    assert corpus.record["sources"]["unreadable"] == len(numbers)
    assert check(corpus)
    # The same documents, tokens and ids as a build without the broken rows.
    path.write_bytes(b"\n".join(map(as_line, GOOD)))
    clean = build_corpus([path], tmp_path / "clean", BuildSettings(tokenizer="bytes"))
    assert clean.digest == corpus.digest
    assert clean.record["sources"]["unreadable"] == 0


def test_files_that_cannot_be_read_are_left_out(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    (folder / "b.txt").write_bytes(b"caf\xe9")
    (folder / "c.txt").write_text("two")
    corpus = build_corpus([folder], tmp_path / "c", SKIP)
    assert list(corpus.ids) == ["a.txt", "c.txt"]
    (fault,) = read_unreadable(corpus.path)
    assert fault["place"].endswith("b.txt, byte 3")


def test_the_rest_of_a_truncated_file_is_left_out(tmp_path):
    packed = gzip.compress(b"\n".join(map(as_line, GOOD)))
    (tmp_path / "s.jsonl.gz").write_bytes(packed[:-20])
    (tmp_path / "t.jsonl").write_bytes(b'{"id": "last", "text": "last"}')
    corpus = build_corpus([tmp_path / "s.jsonl.gz", tmp_path / "t.jsonl"], tmp_path / "c", SKIP)
    kept = list(corpus.ids)
    assert kept == [f"d{i}" for i in range(len(kept) - 1)] + ["last"]
    assert 1 < len(kept) < 41
    assert [f["place"] for f in read_unreadable(corpus.path)] == [str(tmp_path / "s.jsonl.gz")]


def test_a_build_that_goes_on_lists_every_fault(tmp_path, monkeypatch):
    data, numbers = broken_lines()
    path = tmp_path / "s.jsonl"
    path.write_bytes(data)
    whole = build_corpus([path], tmp_path / "whole", SKIP)
    monkeypatch.setattr(build, "PART_DOCUMENTS", 8)
    add, added = build.Parts.add, []

    def dying(self, *args, **options):
        if len(added) == 3:
            raise KeyboardInterrupt
        added.append(1)
        add(self, *args, **options)

    monkeypatch.setattr(build.Parts, "add", dying)
    with pytest.raises(KeyboardInterrupt):
        build_corpus([path], tmp_path / "c", SKIP)
    monkeypatch.setattr(build.Parts, "add", add)
    corpus = build_corpus([path], tmp_path / "c", SKIP)
    assert corpus.digest == whole.digest
    assert read_unreadable(corpus.path) == read_unreadable(whole.path)
    assert len(read_unreadable(corpus.path)) == len(numbers)


def test_nothing_left_is_an_error(tmp_path):
    (tmp_path / "s.jsonl").write_bytes(b"broken\nbroken\n")
    with pytest.raises(SourceError, match="none that can be read"):
        build_corpus([tmp_path / "s.jsonl"], tmp_path / "c", SKIP)
    assert [p.name for p in tmp_path.iterdir()] == ["s.jsonl"]


def test_the_choice_is_checked():
    with pytest.raises(SourceError, match="'ignore'"):
        BuildSettings(unreadable="ignore")


def test_the_command_tells(tmp_path):
    data, numbers = broken_lines()
    (tmp_path / "s.jsonl").write_bytes(data)
    words = ["build", tmp_path / "s.jsonl", "-o", tmp_path / "c", "--tokenizer", "bytes"]
    done = CliRunner().invoke(app, [*map(str, words), "--unreadable", "skip", "--json"])
    assert json.loads(done.stdout)["unreadable_left_out"] == len(numbers)
    assert "left out: " in done.stderr
    assert "1 more" in done.stderr
    assert open_corpus(tmp_path / "c").n_documents == len(GOOD)
