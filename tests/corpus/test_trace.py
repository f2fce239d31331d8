import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.samples import make
from whence.core.errors import CorpusError
from whence.corpus import TraceSettings, open_corpus, trace
from whence.corpus.trace.page import render
from whence.corpus.trace.relevance import log_unigram_probability, relevance, token_counts
from whence.corpus.trace.spans import candidates

WORDS = ["ab", "abc", "the", "then", "cat", "ca"]
ALL = TraceSettings(keep=1.0)
LETTERS = TraceSettings(keep=1.0, shortest=1, whole_words=False, within_sentences=False)


@pytest.fixture(scope="module")
def speeches(tmp_path_factory):
    texts = [
        "We shall pay any price, bear any burden. Ask not what your country can do for you.",
        "He said that we shall pay any price for it. The union is strong.",
        "The state of the union is strong, and the people know it.",
        "The state of the union is strong, and the people know it.",
        "Nothing here has to do with anything, or so the people of the town believe.",
    ]
    return make(tmp_path_factory, texts, vocab_size=320)


def traced(corpus, text, **options):
    return trace(corpus, text, settings=TraceSettings(**options))


def test_spans_are_word_for_word_with_their_places(speeches):
    found = traced(speeches, "I say: we shall pay any price for the union is strong!", keep=1.0)
    for span in found.spans:
        assert found.text[span.start : span.end] == span.text
        for source in span.documents:
            text = speeches.text(source.document)
            start, _ = speeches.char_span(source.document, source.offset, source.offset + 1)
            assert text[start:].lstrip().startswith(span.text)
            assert speeches.ids[source.document] == source.id
    said = {span.text: span.count for span in found.spans}
    assert said["we shall pay any price for"] == 1
    assert said["the union is strong"] == 3 - 1  # "The union" begins with another letter


def words_of(text):
    """Word bounds of a text without marks, by another way than the one under test."""
    place, bounds = 0, set()
    for word in text.split(" "):
        bounds |= {place, place + len(word)}
        place += len(word) + 1
    return bounds


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=12),
    st.lists(
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=8),
        min_size=1,
        max_size=4,
    ),
)
def test_no_span_can_be_made_longer(tmp_path_factory, text, documents):
    text = " ".join(text)
    texts = [" ".join(words) for words in documents]
    corpus = make(tmp_path_factory, texts, tokenizer="bytes")
    found = traced(corpus, text, keep=1.0, shortest=1)
    bounds = words_of(text)
    # By brute force over words: what stands in a document from a word's beginning to its end,
    # and in no longer such stretch. A blank before it is the same stretch.
    held = {
        (a, b)
        for a in bounds
        for b in bounds
        if a < b and text[a] != " " and text[b - 1] != " " and any(text[a:b] in t for t in texts)
    }
    maximal = {
        (a, b) for a, b in held if not any(c <= a and b <= d and (a, b) != (c, d) for c, d in held)
    }
    assert {(span.start, span.end) for span in found.spans} == maximal


def test_without_bounds_spans_are_the_maximal_matches(corpora):
    for name in ("bytes", "bpe"):
        corpus = corpora[name]
        index = corpus.index()
        text = "The cat sat on the mat. Émile was born in 東京, def f"
        tokens = corpus.encode(" " + text)
        expected = {
            corpus.decode(tokens[m.start : m.end]).strip()
            for m in index.maximal_matches(tokens.tolist())
        }
        said = {text[c.start : c.end] for c in candidates(corpus, index, text, LETTERS)}
        # Bytes of one letter are never parted, and the text's beginning has a second reading.
        assert {e for e in expected if len(e) > 3 and "\ufffd" not in e} <= said


def test_sentences_end_spans(speeches):
    text = "we shall pay any price, bear any burden. Ask not what your country can do for you."
    whole = traced(speeches, text, keep=1.0, within_sentences=False).spans
    assert max(len(span.text) for span in whole) > len(text) - 4
    parted = [span.text for span in traced(speeches, text, keep=1.0).spans]
    assert "Ask not what your country can do for you." in parted
    assert all("." not in said[:-1] for said in parted)


def test_the_rarest_are_kept(speeches):
    text = "The people know that we shall pay any price, and the union is strong."
    every = traced(speeches, text, keep=1.0)
    share = 2.4 / every.tokens
    few = traced(speeches, text, keep=share)
    assert len(every.spans) == every.found
    assert few.spans == every.spans[:3]
    rarities = [span.log_probability for span in every.spans]
    assert rarities == sorted(rarities)
    counts = np.bincount(speeches.tokens, minlength=speeches.vocabulary_size)
    tokens = speeches.encode(" people")
    by_hand = sum(np.log(counts[t] / speeches.n_tokens) for t in tokens)
    assert log_unigram_probability(speeches, tokens) == pytest.approx(by_hand)


def test_equal_documents_stand_once(speeches):
    (span,) = traced(speeches, "and the people know it", keep=1.0).spans
    (source,) = span.documents
    assert (span.count, source.copies, source.id) == (2, 2, "d2")


def test_relevance_is_bm25_as_a_share(speeches):
    import bm25s

    documents = [
        speeches.document(i).tokens.astype(int).tolist() for i in range(speeches.n_documents)
    ]
    retriever = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
    vocabulary = {str(i): i for i in range(speeches.vocabulary_size)}
    retriever.index((documents, vocabulary), show_progress=False)
    query = speeches.encode("ask what the people can pay")
    scores = retriever.get_scores_from_ids(query.tolist())
    ours = relevance(speeches, query, range(speeches.n_documents))
    assert np.corrcoef(scores, ours)[0, 1] == pytest.approx(1, abs=1e-5)


def test_a_document_of_average_length_is_as_relevant_to_itself_as_can_be(tmp_path_factory):
    corpus = make(tmp_path_factory, ["abcdeffx", "abcdefgg", "hijklmno"], tokenizer="bytes")
    for i in range(3):
        assert relevance(corpus, corpus.document(i).tokens, [i])[0] == pytest.approx(1)
    assert relevance(corpus, corpus.encode("abcdeffx"), [2])[0] == 0


def test_token_counts(corpus):
    counts = token_counts(corpus)
    documents = [corpus.document(i).tokens.tolist() for i in range(corpus.n_documents)]
    for token in {t for d in documents for t in d}:
        assert counts.occurrences[token] == sum(d.count(token) for d in documents)
        assert counts.documents[token] == sum(token in d for d in documents)


def test_a_slice(speeches):
    only = speeches.index().restricted(np.arange(5) == 1)
    found = trace(speeches, "we shall pay any price, bear any burden", index=only, settings=ALL)
    assert {s.id for span in found.spans for s in span.documents} == {"d1"}


def test_the_record(speeches):
    found = traced(speeches, "we shall pay any price", keep=1.0)
    record = json.loads(json.dumps(found.to_json()))
    (span,) = record["spans"]
    assert (span["start"], span["end"], span["text"]) == (0, 22, "we shall pay any price")
    assert span["count"] == sum(speeches.text(i).count("we shall pay any price") for i in range(5))
    assert {"id", "offset"} <= set(span["documents"][0])
    assert record["stretches"] == [{"start": 0, "end": 22, "spans": [0]}]


def test_text_that_is_nowhere(speeches):
    found = traced(speeches, "漢字 漢字")
    assert found.spans == ()
    assert found.covered == 0
    assert "No stretch" in render(found)


def test_the_page_escapes_what_it_shows(tmp_path_factory):
    evil = "<script>alert(1)</script> & so on, said the <b>document</b> to the reader"
    corpus = make(tmp_path_factory, [evil, "another text"], vocab_size=300)
    page = render(traced(corpus, "It is <script>alert(1)</script> & so on", keep=1.0, edits=1))
    assert "<script>" not in page
    assert "&lt;" in page
    assert 'href="#s1"' in page
    assert 'id="s1"' in page


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "an empty one"),
        ("  \n", {}, "an empty one"),
        ("\ud800", {}, "UTF-8"),
        ("a", {"keep": 0}, "keep"),
        ("a", {"shortest": 0}, "shortest"),
        ("a", {"edits": -1}, "edits"),
    ],
)
def test_mistakes(speeches, text, options, message):
    with pytest.raises(CorpusError, match=message):
        traced(speeches, text, **options)


def test_save(speeches, tmp_path):
    found = traced(speeches, "we shall pay any price", keep=1.0)
    found.save(tmp_path / "a.html")
    found.save(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == found.to_json()
    with pytest.raises(CorpusError, match=r"\.html or \.json"):
        found.save(tmp_path / "a.txt")
    assert open_corpus(speeches.path).digest in json.dumps(found.to_json())
