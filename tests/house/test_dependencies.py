"""What `pyproject.toml` asks for is what the source imports, and is pinned for the two commands."""

import re
import sys
import tomllib

import pytest

from tests.house.source import modules

IMPORTED_AS = {"Jinja2": "jinja2", "protobuf": "google", "z3-solver": "z3"}
# transformers imports them when it is asked for such a tokenizer, a Trainer or an adapter.
# Programs of models import sympy in the sandbox.
BROUGHT_ALONG = {"sentencepiece", "protobuf", "accelerate", "peft", "sympy"}
DEVELOPERS = {"beartype", "hypothesis", "mypy", "pytest", "pytest-xdist", "ruff"}


def names(requirements):
    found = {re.match(r"[\w-]+", text)[0] for text in requirements}
    return found - {"whence"}


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def extras(project):
    return set().union(*map(names, project["optional-dependencies"].values()))


@pytest.fixture(scope="module")
def imported():
    tops = {name.split(".")[0] for module in modules() for _, name in module.imports()}
    return tops - set(sys.stdlib_module_names) - {"whence"}


def test_everything_asked_for_is_used(project, extras, imported):
    asked = names(project["dependencies"]) | extras - BROUGHT_ALONG - DEVELOPERS
    assert {IMPORTED_AS.get(name, name) for name in asked} - imported == set()


def test_everything_used_is_asked_for(project, extras, imported):
    asked = names(project["dependencies"]) | extras
    assert imported - {IMPORTED_AS.get(name, name) for name in asked} - asked == set()


def test_everything_asked_for_is_pinned(project, extras, repository):
    lines = (repository / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert names(project["dependencies"]) | extras <= pins.keys()
    assert pins["torch"] == "2.13.0"
