import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from whence.core import locks
from whence.core.errors import BusyError, StorageError

HOLDER = """
import sys, time
from whence.core import locks
with locks.hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "run"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_told_who_writes(holder, tmp_path):
    with pytest.raises(BusyError, match=f"process {holder.pid} "), locks.hold(tmp_path / "run"):
        pass


def test_a_killed_writer_frees_the_folder(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locks.hold(tmp_path / "run"):
        assert (tmp_path / "run" / ".lock").read_text() == str(os.getpid())


def test_a_folder_is_free_again_after_use_and_after_a_fault(tmp_path):
    with pytest.raises(KeyError), locks.hold(tmp_path):
        raise KeyError
    with locks.hold(tmp_path):
        pass


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(StorageError, match="a file where a folder must be"):
        with locks.hold(tmp_path / "run"):
            pass


def test_a_folder_made_for_work_that_fails_goes_again(tmp_path):
    with pytest.raises(KeyError), locks.hold(tmp_path / "run"):
        raise KeyError
    assert not (tmp_path / "run").exists()
    with pytest.raises(KeyError), locks.hold(tmp_path / "run"):
        (tmp_path / "run" / "journal.jsonl").write_text("")
        raise KeyError
    assert (tmp_path / "run" / "journal.jsonl").exists()


def test_work_may_take_its_folder_away_and_fail(tmp_path):
    with pytest.raises(KeyError), locks.hold(tmp_path / "run"):
        shutil.rmtree(tmp_path / "run")
        raise KeyError


def test_a_lock_taken_away_while_waiting_for_it_is_no_lock(tmp_path, monkeypatch):
    real = locks.fcntl.flock

    def taken_away(file, how):
        (tmp_path / locks.LOCK).unlink()
        real(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", taken_away)
    with pytest.raises(BusyError), locks.hold(tmp_path):
        pass


def test_a_place_where_nothing_can_be_made():
    with (
        pytest.raises(StorageError, match="nothing can be made"),
        locks.hold(Path("/proc/nowhere/x")),
    ):
        pass
