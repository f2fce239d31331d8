import errno
from pathlib import Path

import numpy as np
import pytest

from whence.core.arrays import save_array


@pytest.mark.parametrize(
    "values",
    [np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3).T, np.zeros((0, 3)), np.arange(3)],
)
def test_the_bytes_are_those_of_numpy(values, tmp_path):
    save_array(tmp_path / "ours.npy", values)
    np.save(tmp_path / "theirs.npy", np.ascontiguousarray(values))
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_says_so():
    with pytest.raises(OSError, match="No space left") as found:
        save_array(Path("/dev/full"), np.zeros(4000))
    assert found.value.errno == errno.ENOSPC
