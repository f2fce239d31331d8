"""What is light stays light: each case runs in a fresh interpreter."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "scipy.stats", "datasets", "accelerate", "peft", "pandas"}
LOADED = "; import sys; print(*sorted(sys.modules))"


def loaded(code):
    done = subprocess.run(
        [sys.executable, "-c", code + LOADED], capture_output=True, text=True, check=True
    )
    return HEAVY & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "module", ["whence", "whence.core", "whence.corpus", "whence.cli", "whence.reasoning"]
)
def test_importing_loads_no_torch(module):
    assert loaded(f"import {module}") == set()


def test_asking_for_help_loads_no_torch():
    assert (
        loaded(
            "import sys\n"
            "from whence.cli import main\n"
            "sys.argv = ['whence', '--help']\n"
            "try:\n"
            "    main()\n"
            "except SystemExit as end:\n"
            "    assert not end.code, end.code\n"
            "pass"
        )
        == set()
    )


def test_a_heavy_import_is_seen():
    assert "torch" in loaded("import torch")
