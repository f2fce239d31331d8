from __future__ import annotations

import inspect
import json.decoder
import textwrap

import pytest

from whence.core.errors import SourceError
from whence.worlds import python_library


@pytest.fixture(scope="module")
def documents():
    return {d.id: d for d in python_library()}


def test_a_method_is_what_inspect_says_it_is(documents):
    document = documents["json.decoder.JSONDecoder.decode"]
    source = textwrap.dedent(inspect.getsource(json.decoder.JSONDecoder.decode))
    assert document.text == source
    assert document.metadata["module"] == "json.decoder"
    assert document.metadata["kind"] == "method"
    line = inspect.getsourcelines(json.decoder.JSONDecoder.decode)[1]
    assert document.metadata["line"] == line


def test_there_is_enough_of_it_and_no_test_folder(documents):
    assert len(documents) > 3000
    assert not any({"test", "tests"} & set(name.split(".")[:-1]) for name in documents)


def test_length_is_limited(documents):
    assert all(len(d.text) <= 1600 for d in documents.values())


def test_it_comes_the_same_twice():
    first, second = ([*python_library(limit=50)] for _ in range(2))
    assert first == second
    assert len(first) == 50


def test_a_class_leaves_out_methods_that_are_documents_themselves(tmp_path):
    (tmp_path / "shapes.py").write_text(
        "class Square:\n"
        '    """A square."""\n\n'
        "    sides = 4\n\n"
        "    @property\n"
        "    def area(self):\n"
        '        """Its area."""\n'
        "        return 1\n\n"
        "    def hidden(self):\n"
        "        return 2\n"
    )
    found = {d.id: d.text for d in python_library(root=tmp_path, min_characters=1)}
    assert set(found) == {"shapes.Square", "shapes.Square.area"}
    assert "Its area" not in found["shapes.Square"]
    assert "hidden" in found["shapes.Square"]
    assert found["shapes.Square.area"].startswith("@property\ndef area(self):\n    ")


def test_a_name_that_is_defined_twice_keeps_both(tmp_path):
    (tmp_path / "two.py").write_text('def f():\n    """One."""\n\ndef f():\n    """Two."""\n')
    assert [d.id for d in python_library(root=tmp_path, min_characters=1)] == ["two.f", "two.f:4"]


def test_broken_files_are_passed_over(tmp_path):
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    (tmp_path / "good.py").write_text('def f():\n    """Good."""\n')
    assert [d.id for d in python_library(root=tmp_path, min_characters=1)] == ["good.f"]


@pytest.mark.parametrize(("name", "got"), [("nowhere", "no such folder"), (".", "none in it")])
def test_a_folder_without_modules_is_refused(tmp_path, name, got):
    with pytest.raises(SourceError, match=got):
        list(python_library(root=tmp_path / name))
