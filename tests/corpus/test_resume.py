"""A build that is killed, starved or disturbed goes on, and ends with the same bytes."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from whence.core.errors import BusyError, StorageError
from whence.core.locks import hold
from whence.core.records import manifest
from whence.corpus import BuildSettings, build, build_corpus, open_corpus

SETTINGS = BuildSettings(vocab_size=300, max_tokens=16)

CHILD = """
import json, resource, sys
from whence.corpus import BuildSettings, build
from whence.core.errors import StorageError
source, out, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
build.PART_DOCUMENTS = 10
print("ready", flush=True)
try:
    build.build_corpus([source], out, BuildSettings(vocab_size=300, max_tokens=16)).index()
except StorageError as error:
    sys.exit(f"storage: {error}")
"""


@pytest.fixture
def source(tmp_path):
    rng = random.Random(0)
    letters = "abcdefg\n .😀é"
    rows = [{"text": "".join(rng.choices(letters, k=200)) + "x", "n": i} for i in range(300)]
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def child(source, out, limit=0):
    """Run a build in a process of its own; gives the process and what it says at its end."""
    command = [sys.executable, "-c", CHILD, str(source), str(out), str(limit)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process):
    _, errors = process.communicate()
    return process.returncode, errors


def test_killed_at_any_moment_it_ends_with_the_same_bytes(source, tmp_path):
    started = time.monotonic()
    assert finish(child(source, tmp_path / "whole")) == (0, "")
    seconds = time.monotonic() - started
    killed = 0
    rng = random.Random(0)
    for attempt in range(4):
        process = child(source, tmp_path / "c")
        time.sleep(rng.random() * seconds / 2 * (attempt + 1) / 4)
        process.send_signal(signal.SIGKILL)
        killed += finish(process)[0] == -signal.SIGKILL
        if (tmp_path / "c").exists():
            open_corpus(tmp_path / "c")
    assert finish(child(source, tmp_path / "c")) == (0, "")
    assert killed
    for folder in (".", "index/00000"):
        assert manifest(tmp_path / "c" / folder) == manifest(tmp_path / "whole" / folder)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".c.")] == []


def test_what_was_done_is_not_done_again(source, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "PART_DOCUMENTS", 10)
    whole = build_corpus([source], tmp_path / "whole", SETTINGS)
    cut_batch, calls = build._cut_batch, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return cut_batch(*arguments)

    monkeypatch.setattr(build, "_cut_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_corpus([source], tmp_path / "c", SETTINGS)
    corpus = build_corpus([source], tmp_path / "c", SETTINGS)
    # What was encoded ahead of the interruption is lost, and nothing else.
    assert 30 < len(calls) <= 30 + 1 + build._AHEAD
    assert manifest(corpus.path) == manifest(whole.path)


def test_other_data_under_the_same_name_starts_anew(source, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "PART_DOCUMENTS", 10)
    monkeypatch.setattr(build.assemble, "assemble", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build_corpus([source], tmp_path / "c", SETTINGS)
    monkeypatch.undo()
    source.write_text(json.dumps({"text": "other"}))
    assert build_corpus([source], tmp_path / "c", SETTINGS).n_documents == 1


def test_how_it_is_divided_into_parts_does_not_show(source, tmp_path, monkeypatch):
    one = build_corpus([source], tmp_path / "one", SETTINGS)
    monkeypatch.setattr(build, "PART_DOCUMENTS", 7)
    assert manifest(build_corpus([source], tmp_path / "many", SETTINGS).path) == manifest(one.path)


@pytest.mark.parametrize("limit", [2_000, 12_000, 40_000])
def test_a_full_disk_is_said_and_overcome(source, tmp_path, limit):
    # A limit on the size of files makes the system refuse writes as a full disk does.
    _, errors = finish(child(source, tmp_path / "c", limit))
    assert "storage:" in errors, errors
    assert "expected room to write" in errors
    assert build_corpus([source], tmp_path / "c", SETTINGS).n_documents > 300


def test_a_folder_that_is_being_made_is_busy(source, tmp_path):
    with hold(tmp_path / ".c.build"), pytest.raises(BusyError):
        build_corpus([source], tmp_path / "c", SETTINGS)


def test_a_place_that_cannot_be_written(source):
    with pytest.raises(StorageError, match=r"below: expected a place where a folder can be"):
        build_corpus([source], source / "below" / "c", SETTINGS)
