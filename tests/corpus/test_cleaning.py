"""A cleaned corpus: what goes goes for a reason that is written down, what stays is the same."""

import json

import numpy as np
import pytest

from whence.core.errors import CorpusError
from whence.corpus import (
    BuildSettings,
    RawDocument,
    build,
    build_from_documents,
    check,
    open_corpus,
)
from whence.corpus.cleaning import REMOVED, Removal, Rules, find_removals, write_cleaned

LONG = "It was a bright cold day in April, and the clocks were striking thirteen times that day."
TEXTS = {
    "a": LONG,
    "b": "short",
    "same as a": LONG,
    "nearly a": LONG + " Indeed!",
    "digits": "1234567890 " * 9,
    "mail": "Please write to ada@example.org about all of these things, and soon.",
    "other": "Nothing of this kind was ever said by anybody who had seen the sea in winter.",
}
KINDS = {"other": "fiction", "mail": "letter"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    found = [
        RawDocument(name, text, {"kind": KINDS.get(name, "plain"), "number": len(text)})
        for name, text in TEXTS.items()
    ]
    return build_from_documents(
        found, tmp_path_factory.mktemp("old") / "c", BuildSettings(vocab_size=300)
    )


def going(corpus, **rules):
    return {corpus.ids[r.document]: r.rule for r in find_removals(corpus, Rules(**rules))}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, {}),
        ({"equal": True}, {"same as a": "equal"}),
        ({"near": 0.6}, {"same as a": "equal", "nearly a": "near"}),
        ({"near": 0.6, "keep": "longest"}, {"same as a": "equal", "a": "near"}),
        ({"shortest": 5}, {"b": "shortest"}),
        ({"longest": 5}, dict.fromkeys(set(TEXTS) - {"b"}, "longest")),
        ({"characters": {"digit": (0.0, 0.5)}}, {"digits": "characters"}),
        ({"characters": {"letter": (0.5, 1.0)}}, {"digits": "characters"}),
        ({"personal": 0}, {"mail": "personal"}),
        ({"personal": 1}, {}),
        ({"where": {"kind": ("fiction", "letter")}}, dict.fromkeys(list(TEXTS)[:5], "where")),
        ({"without": {"kind": ("fiction",)}}, {"other": "without"}),
        ({"copied": 0.5, "repeat": 8}, {"same as a": "copied", "nearly a": "copied"}),
        (
            {"shortest": 5, "without": {"kind": ("plain",)}},
            dict.fromkeys(list(TEXTS)[:5], "without"),
        ),
    ],
)
def test_a_rule_removes_what_breaks_it(corpus, rules, expected):
    found = going(corpus, **rules)
    found.pop("digits", None) if "copied" in rules else None
    assert found == expected


def test_a_copy_of_something_that_goes_stays(corpus):
    """The one that is kept is chosen among those that no other rule removes."""
    rules = Rules(near=0.6, without={"number": (str(len(LONG)),)})
    removed = {corpus.ids[r.document]: r.rule for r in find_removals(corpus, rules)}
    assert removed == {"a": "without", "same as a": "without"}


def test_details_say_what_decided(corpus):
    by_id = {
        corpus.ids[r.document]: dict(r.detail)
        for r in find_removals(corpus, Rules(shortest=5, personal=0, equal=True))
    }
    assert by_id["b"] == {"tokens": int(corpus.lengths[1]), "bound": 5}
    assert by_id["mail"] == {"email": 1}
    assert by_id["same as a"] == {"kept": "a"}


def test_what_stays_is_the_same(corpus, tmp_path):
    removals = find_removals(corpus, Rules(shortest=5, equal=True))
    cleaned = write_cleaned(corpus, removals, {}, tmp_path / "new")
    assert check(cleaned)
    assert list(cleaned.ids) == [name for name in TEXTS if name not in ("b", "same as a")]
    assert cleaned.record["digests"]["tokenizer"] == corpus.record["digests"]["tokenizer"]
    for i, name in enumerate(cleaned.ids):
        old, new = corpus.document(name), cleaned.document(i)
        assert new.text == old.text
        assert np.array_equal(new.tokens, old.tokens)
        assert new.metadata == old.metadata
    lines = [json.loads(line) for line in (cleaned.path / REMOVED).read_text().splitlines()]
    assert [(line["id"], line["rule"]) for line in lines] == [
        ("b", "shortest"),
        ("same as a", "equal"),
    ]


def test_the_same_call_gives_the_same_bytes_and_opens_what_is_there(corpus, tmp_path):
    removals = find_removals(corpus, Rules(shortest=5))
    first = write_cleaned(corpus, removals, {"shortest": 5}, tmp_path / "one")
    second = write_cleaned(corpus, removals, {"shortest": 5}, tmp_path / "two")
    files = [p.relative_to(first.path) for p in sorted(first.path.rglob("*")) if p.is_file()]
    for name in files:
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes(), name
    again = write_cleaned(corpus, removals, {"shortest": 5}, tmp_path / "one")
    assert again.digest == first.digest
    with pytest.raises(CorpusError, match="other sources or settings"):
        write_cleaned(corpus, removals, {"shortest": 6}, tmp_path / "one")


def test_killed_it_goes_on(corpus, tmp_path, monkeypatch):
    removals = find_removals(corpus, Rules(shortest=5))
    whole = write_cleaned(corpus, removals, {}, tmp_path / "whole")
    monkeypatch.setattr(build, "PART_DOCUMENTS", 1)
    add, added = build.Parts.add, []

    def dying(self, *args, **options):
        if len(added) == 3:
            raise KeyboardInterrupt
        added.append(1)
        add(self, *args, **options)

    monkeypatch.setattr(build.Parts, "add", dying)
    with pytest.raises(KeyboardInterrupt):
        write_cleaned(corpus, removals, {}, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(build.Parts, "add", add)
    assert write_cleaned(corpus, removals, {}, tmp_path / "new").digest == whole.digest
    assert (tmp_path / "new" / REMOVED).read_bytes() == (whole.path / REMOVED).read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_nothing_left_is_an_error(corpus, tmp_path):
    everything = [Removal(i, "r", {}) for i in range(corpus.n_documents)]
    with pytest.raises(CorpusError, match="remove all 7"):
        write_cleaned(corpus, everything, {}, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"characters": {"vowel": (0, 1)}}, "vowel"),
        ({"characters": {"letter": (0, 2)}}, "from 0 to 1"),
        ({"copied": -0.1}, "from 0 to 1"),
        ({"keep": "last"}, "'last'"),
        ({"shortest": 9, "longest": 3}, "at most the longest"),
    ],
)
def test_rules_that_make_no_sense(rules, message):
    with pytest.raises(CorpusError, match=message):
        Rules(**rules)


def test_the_record_has_every_rule_that_removes():
    rules = Rules(personal=0, copied=0.0, shortest=3)
    kept = {"personal": 0, "copied": 0.0, "shortest": 3, "repeat": 32, "keep": "first"}
    assert rules.to_json() == kept


def test_a_cleaned_corpus_can_be_cleaned(corpus, tmp_path):
    once = write_cleaned(corpus, find_removals(corpus, Rules(shortest=5)), {}, tmp_path / "a")
    twice = write_cleaned(once, find_removals(once, Rules(equal=True)), {}, tmp_path / "b")
    at_once = find_removals(corpus, Rules(shortest=5, equal=True))
    assert twice.digest == write_cleaned(corpus, at_once, {}, tmp_path / "c").digest
    assert open_corpus(tmp_path / "b").n_documents == 5
