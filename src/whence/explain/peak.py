"""The most memory that a piece of work took."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_PEAK_ONLY = "5"


class Peak:
    """Filled in when the work is done.

    Attributes:
        megabytes: the process's largest resident size while it worked, libraries, model and
            all; None where the system does not tell.
    """

    megabytes: float | None = None


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watch the process's resident memory; Linux keeps a peak that can be set back."""
    found = Peak()
    tells = _CLEAR.exists()
    if tells:
        _CLEAR.write_text(_PEAK_ONLY)
    yield found
    match = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text()) if tells else None
    if match:
        found.megabytes = int(match[1]) * 1024 / 1e6
