import random

import pytest

from tests.corpus.samples import TEXTS, make
from whence.core.errors import SourceError
from whence.corpus import BuildSettings, RawDocument, build_from_documents
from whence.corpus.cutting import cut_all
from whence.corpus.tokenizer import bytes_tokenizer

LIMIT = 12


@pytest.fixture
def cut_corpus(request, corpora, tmp_path):
    """The sample texts, many times over, cut with the tokenizer of each family."""

    def build(family):
        rng = random.Random(0)
        texts = ["".join(rng.choices(TEXTS, k=6)) for _ in range(5)]
        source = str(corpora[family].tokenizer_path)
        documents = [RawDocument(f"d{i}", t, {"source_id": "own"}) for i, t in enumerate(texts)]
        settings = BuildSettings(tokenizer=source, max_tokens=LIMIT)
        return texts, build_from_documents(documents, tmp_path / family, settings)

    return build


@pytest.mark.parametrize("family", ["bytes", "bpe", "metaspace", "prepend", "wordpiece"])
def test_pieces_fit_and_only_blanks_are_lost(cut_corpus, family):
    texts, corpus = cut_corpus(family)
    assert corpus.lengths.max() <= LIMIT
    rest = {f"d{i}": text for i, text in enumerate(texts)}
    for i in range(corpus.n_documents):
        piece = corpus.document(i)
        origin, start, end = (piece.metadata[f"source_{k}"] for k in ("id", "start", "end"))
        source = texts[int(origin[1:])]
        assert piece.text == source[start:end]
        assert piece.metadata["source_id_"] == "own"
        before = rest[origin].partition(piece.text)[0]
        assert before.strip() == ""
        rest[origin] = source[end:]
    assert all(text.strip() == "" for text in rest.values())


def test_pieces_are_named_after_their_document(tmp_path_factory):
    texts = ["short", "a longer text here"]
    corpus = make(tmp_path_factory, texts, tokenizer="bytes", max_tokens=8)
    assert list(corpus.ids) == ["d0", "d1#0", "d1#1", "d1#2"]
    assert corpus.record["sources"] == {
        "documents": 2,
        "empty": 0,
        "cut": 1,
        "unreadable": 0,
    }


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a b. c\nd e\n\nf g h i j k", ["a b. c\nd e", "f g h i j k"]),
        ("aa bb. cc\ndd ee ff gg", ["aa bb. cc", "dd ee ff gg"]),
        ("aa bb cc. dd ee", ["aa bb cc.", "dd ee"]),
        ("aaa bbb cccc ddd", ["aaa bbb cccc", "ddd"]),
        ("aaa bbb ccccc ddd", ["aaa bbb", "ccccc ddd"]),
        ("abcdefghijklmnopq", ["abcdefghijkl", "mnopq"]),
        ("x = 1\n\n\n    y = 2", ["x = 1", "    y = 2"]),
        ("。。。ん", ["。。。ん"]),
    ],
)
def test_cuts_fall_where_the_author_paused(tmp_path_factory, text, pieces):
    corpus = make(tmp_path_factory, [text], tokenizer="bytes", max_tokens=12)
    assert [corpus.text(i) for i in range(corpus.n_documents)] == pieces


def test_nothing_is_cut_inside_a_character(tmp_path_factory):
    corpus = make(tmp_path_factory, ["😀" * 11], tokenizer="bytes", max_tokens=10)
    assert [corpus.text(i) for i in range(corpus.n_documents)] == ["😀😀"] * 5 + ["😀"]


def test_a_character_of_too_many_tokens_is_an_error():
    with pytest.raises(SourceError, match=r"a.txt: expected characters of at most 2 tokens.*😀"):
        cut_all(bytes_tokenizer(), ["ab😀"], ["a.txt"], 2)


def test_too_small_a_limit_is_an_error():
    with pytest.raises(SourceError, match="at least 8"):
        BuildSettings(max_tokens=3)
