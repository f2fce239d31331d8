import json

import pytest

from whence.core.behavior import Behavior, read_behaviors
from whence.core.errors import BehaviorError


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"target": ""}, "target"),
        ({"target": " a", "foil": ""}, "foil"),
        ({"foil": " a"}, "foil"),
        ({"target": " a", "foil": " a"}, "foil"),
        ({"target": "\udcff"}, "target"),
    ],
)
def test_texts_that_cannot_be_measured(arguments, place):
    with pytest.raises(BehaviorError) as caught:
        Behavior("Ada lives in", **arguments)
    assert caught.value.place == place


def test_a_prompt_that_is_not_unicode():
    with pytest.raises(BehaviorError, match="UTF-8"):
        Behavior("caf\udce9")


def test_an_empty_prompt_is_a_prompt():
    assert Behavior("").target is None


def test_records_keep_everything():
    for behavior in (Behavior("a"), Behavior("a", " b"), Behavior("a", " b", " c")):
        assert Behavior.from_json(json.loads(json.dumps(behavior.to_json()))) == behavior


def test_an_evaluation_file(tmp_path):
    path = tmp_path / "facts.jsonl"
    path.write_text('{"prompt": "a", "target": " b"}\n\n{"prompt": "ü", "target": " c"}\r\n')
    assert read_behaviors(path) == [Behavior("a", " b"), Behavior("ü", " c")]


@pytest.mark.parametrize(
    "line",
    [
        b'{"prompt": "a"',
        b"[]",
        b"{}",
        b'{"prompt": 1}',
        b'{"prompt": "a", "target": 1}',
        b'{"prompt": "a", "answer": "b"}',
        b'{"prompt": "a", "target": ""}',
        b'{"prompt": "\xff"}',
    ],
)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "facts.jsonl"
    path.write_bytes(b'{"prompt": "a", "target": " b"}\n' + line + b"\n")
    with pytest.raises(BehaviorError) as caught:
        read_behaviors(path)
    assert caught.value.place.startswith(f"{path}, line 2")


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_a_missing_or_empty_file(tmp_path, content):
    path = tmp_path / "facts.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BehaviorError, match=r"facts\.jsonl"):
        read_behaviors(path)


def test_a_folder_is_no_evaluation_file(tmp_path):
    with pytest.raises(BehaviorError, match="got a folder"):
        read_behaviors(tmp_path)
