from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def untyped():
    """Run lines without the type checker, as a user does; give the last line of the trace."""

    def run(*lines: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
        )
        return done.stderr.strip().splitlines()[-1]

    return run
