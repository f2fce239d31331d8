import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.core import records
from whence.core.errors import BusyError, DamagedError, StorageError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=6))
def test_canonical_text_is_one_text_and_loses_nothing(record):
    shuffled = dict(reversed(list(record.items())))
    assert records.canonical(record) == records.canonical(shuffled)
    assert json.loads(records.canonical(record)) == record


def test_digests_are_sha256_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"ab")
    expected = "sha256:" + hashlib.sha256(b"ab").hexdigest()
    assert records.digest(b"ab") == records.digest_file(tmp_path / "a") == expected
    assert (
        records.digest({"b": 1, "a": "ü"})
        == "sha256:" + hashlib.sha256('{"a":"ü","b":1}'.encode()).hexdigest()
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_lacks(value, tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        records.canonical({"x": value})
    with pytest.raises(ValueError, match="JSON compliant"):
        records.write_json(tmp_path / "x.json", {"x": value})
    assert list(tmp_path.iterdir()) == []
    assert records.finite(value) is None


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "deep" / "er" / "x.json"
    records.write_json(path, {"b": [1, None], "a": "ü"})
    assert records.read_json(path) == {"b": [1, None], "a": "ü"}
    assert path.read_text() == '{\n "a": "ü",\n "b": [\n  1,\n  null\n ]\n}\n'
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe"])
def test_a_record_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"x\.json"):
        records.read_json(path)
    with pytest.raises(DamagedError):
        records.read_json(tmp_path)


def test_a_fault_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    records.write_bytes(path, b"old")
    with pytest.raises(RuntimeError), records.writing(path) as temporary:
        temporary.write_bytes(b"ne")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


DIE = """
import os, pathlib, sys
from whence.core import records
with getattr(records, sys.argv[1])(pathlib.Path(sys.argv[2])) as temporary:
    target = temporary if sys.argv[1] == "writing" else temporary / "a"
    target.write_bytes(b"half")
    os._exit(9)
"""


def die(verb, path):
    code = subprocess.run([sys.executable, "-c", DIE, verb, path], check=False).returncode
    assert code == 9


def test_a_process_that_dies_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    records.write_bytes(path, b"old")
    die("writing", path)
    assert path.read_bytes() == b"old"
    records.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_process_that_dies_while_building_leaves_no_folder(tmp_path):
    folder = tmp_path / "corpus"
    die("building", folder)
    assert not folder.exists()
    with records.building(folder) as temporary:
        assert list(temporary.iterdir()) == []
        (temporary / "b").write_bytes(b"whole")
    assert list(records.manifest(folder)) == ["b"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_fault_while_building_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), records.building(tmp_path / "corpus") as temporary:
        (temporary / "a").mkdir()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_building_where_something_is(tmp_path):
    (tmp_path / "corpus").mkdir()
    with pytest.raises(StorageError, match="a name that is free"):
        with records.building(tmp_path / "corpus"):
            pytest.fail("must not be reached")


def test_two_builders_of_one_folder(tmp_path):
    with records.building(tmp_path / "corpus") as temporary:
        (temporary / "a").write_bytes(b"first")
        with pytest.raises(BusyError), records.building(tmp_path / "corpus"):
            pytest.fail("must not be reached")
    assert (tmp_path / "corpus" / "a").read_bytes() == b"first"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk(tmp_path, monkeypatch, code):
    def full(self, data):
        raise OSError(code, os.strerror(code))

    path = tmp_path / "x"
    records.write_bytes(path, b"old")
    with monkeypatch.context() as patched, pytest.raises(StorageError, match=str(path)):
        patched.setattr(Path, "write_bytes", full)
        records.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_while_building(tmp_path):
    with pytest.raises(StorageError, match="a full disk"):
        with records.building(tmp_path / "corpus") as temporary:
            (temporary / "a").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_on_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    for verb in (records.writing, records.building):
        with pytest.raises(StorageError, match="a file where a folder must be"):
            with verb(tmp_path / "file" / "x"):
                pytest.fail("must not be reached")


def test_no_permission_to_write_is_about_the_place(tmp_path, monkeypatch):
    def forbidden(self, *rest, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(StorageError, match="no permission"):
        records.write_bytes(tmp_path / "x", b"")


def test_no_permission_to_read_a_source_is_not_about_the_place(tmp_path):
    with pytest.raises(PermissionError), records.building(tmp_path / "corpus"):
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/else/source.txt")


@pytest.fixture
def sealed(tmp_path):
    with records.building(tmp_path / "run") as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "a.bin").write_bytes(b"12345")
        (temporary / "b.txt").write_bytes(b"")
        (temporary / ".lock").write_bytes(b"42")
    return tmp_path / "run"


def test_a_sealed_folder_is_whole(sealed):
    records.check_sizes(sealed)
    assert records.check_digests(sealed) == 2
    assert records.manifest(sealed)["deep/a.bin"]["bytes"] == 5


def test_a_lock_may_change_hands(sealed):
    (sealed / ".lock").write_bytes(b"4242")
    records.check_sizes(sealed)
    records.check_digests(sealed)


def test_a_truncated_file_is_seen_at_once(sealed):
    (sealed / "deep" / "a.bin").write_bytes(b"1234")
    with pytest.raises(DamagedError, match=r"a\.bin: expected 5 bytes, got 4 bytes"):
        records.check_sizes(sealed)


def test_an_altered_file_is_seen_by_a_full_check(sealed):
    (sealed / "deep" / "a.bin").write_bytes(b"12346")
    records.check_sizes(sealed)
    with pytest.raises(DamagedError, match=r"a\.bin"):
        records.check_digests(sealed)


def test_a_missing_file(sealed):
    (sealed / "b.txt").unlink()
    with pytest.raises(DamagedError, match="no such file"):
        records.check_sizes(sealed)


@pytest.mark.parametrize("text", ["[]", "{}", '{"files": {"a": {}}}', '{"files": {"a": 1}}'])
def test_an_altered_manifest(sealed, text):
    (sealed / records.MANIFEST).write_text(text)
    with pytest.raises(DamagedError, match=records.MANIFEST):
        records.check_sizes(sealed)


def test_a_folder_stands_where_a_file_is_to_be(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(StorageError, match="a folder where a file must be"):
        records.write_bytes(tmp_path / "report.html", b"text")
