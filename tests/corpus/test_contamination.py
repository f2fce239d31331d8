"""Contamination: runs of words against sets of tuples; what is told is what is there."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus.samples import documents
from whence.core.errors import CorpusError, SourceError
from whence.corpus import BuildSettings, Corpus, build_from_documents
from whence.corpus.lookup import words
from whence.corpus.tasks import Item, find_contamination, read_items

LETTERS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8).map(" ".join)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    chooser = random.Random(0)
    texts = [" ".join(chooser.choices("abcx", k=chooser.randint(3, 30))) for _ in range(12)]
    folder = tmp_path_factory.mktemp("contamination") / "c"
    return build_from_documents(documents(texts), folder, BuildSettings(tokenizer="bytes"))


def runs(text, n):
    found = words(text)
    return {tuple(found[i : i + n]) for i in range(len(found) - n + 1)}


@settings(deadline=None, max_examples=40)
@given(items=st.lists(st.lists(LETTERS, min_size=1, max_size=2), min_size=1, max_size=4))
def test_runs_are_those_of_sets(items, corpus):
    given_items = [Item(str(k), tuple(texts), {}) for k, texts in enumerate(items)]
    found = find_contamination(corpus, given_items, (2, 4), longest=False)
    for c, n in enumerate((2, 4)):
        own = [set().union(*(runs(text, n) for text in texts)) for texts in items]
        there = [runs(corpus.text(i), n) for i in range(corpus.n_documents)]
        for k, mine in enumerate(own):
            assert found.runs[k, c] == len(mine)
            assert found.found[k, c] == len(mine & set().union(*there))
        benchmark = set().union(*own)
        hit = [i for i, theirs in enumerate(there) if theirs & benchmark]
        assert found.documents_with(n).tolist() == hit
    for k, mine in enumerate(set().union(*(runs(t, 4) for t in texts)) for texts in items):
        for name in found.documents[k] if found.found[k, 1] else ():
            assert runs(corpus.text(name), 4) & mine


def test_case_and_punctuation_hide_nothing(tmp_path):
    texts = ["It was, he said, a BRIGHT cold day in April; and the clocks struck."]
    corpus = build_from_documents(documents(texts), tmp_path / "c", BuildSettings(vocab_size=300))
    item = Item("0", ("it was he said a bright cold day -- in april",), {})
    new = Item("1", ("something else that nobody has said of any day in april",), {})
    short = Item("2", ("two words",), {})
    found = find_contamination(corpus, [item, new, short], (8, 10))
    assert found.verdicts(8) == [True, False, None]
    assert found.verdicts(10) == [True, False, None]
    assert found.documents == (("d0",), (), ())
    with pytest.raises(CorpusError, match="one of 8, 10"):
        found.verdicts(13)


def test_the_share_decides(corpus):
    text = corpus.text(0)
    half = Item("0", (text + " zz" * len(words(text)),), {})
    found = find_contamination(corpus, [half], (2,), longest=False)
    share = found.found[0, 0] / found.runs[0, 0]
    assert 0 < share < 1
    assert found.verdicts(2, share + 0.01) == [False]
    assert found.verdicts(2, share - 0.01) == [True]


def test_the_longest_match_is_in_the_document_it_names(tmp_path):
    texts = ["one two three four five", "the cat sat on the mat"]
    corpus = build_from_documents(
        documents(texts), tmp_path / "c", BuildSettings(tokenizer="bytes")
    )
    (match,) = find_contamination(
        corpus, [Item("0", ("xx", "a cat sat on a mat"), {})], (3,)
    ).longest
    assert (match.text, match.tokens, match.count, match.document) == (" cat sat on ", 12, 1, "d1")


def test_items_are_read(tmp_path):
    path = tmp_path / "b.jsonl"
    rows = [
        {"id": "x", "question": "what?", "choices": ["one", "two"], "n": 3},
        {"question": "why?", "choices": []},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = read_items(path)
    assert [(i.id, i.texts) for i in items] == [("x", ("what?", "one", "two")), ("2", ("why?",))]
    assert [i.texts for i in read_items(path, ["question"])] == [("what?",), ("why?",)]
    with pytest.raises(SourceError, match=r"line 1.*text in answer"):
        read_items(path, ["answer"])
    path.write_text(json.dumps({"question": "half of \ud800"}))
    with pytest.raises(SourceError, match=r"line 1.*lone surrogate"):
        read_items(path)
    with pytest.raises(CorpusError, match="positive numbers of words"):
        find_contamination(Corpus.__new__(Corpus), [], (8,))
