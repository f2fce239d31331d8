import pytest

from tests.corpus.samples import TEXTS
from whence.core.errors import CorpusError


def brute_force(corpus, i, start, end):
    """Tokens that hold any character of [start, end), by looking at each token's own span."""
    offsets = corpus.fast_tokenizer.encode(TEXTS[i], add_special_tokens=False).offsets
    return [k for k, (a, b) in enumerate(offsets) if max(a, start) < min(b, end)]


def test_text_comes_back_character_for_character(corpus):
    assert [corpus.text(i) for i in range(len(TEXTS))] == TEXTS


def test_token_spans_hold_exactly_the_tokens_of_their_characters(corpus):
    for i, text in enumerate(TEXTS):
        for start in range(0, len(text), 3):
            for end in (start + 1, start + 2, min(start + 9, len(text))):
                if end > len(text):
                    continue
                first, last = corpus.token_span(i, start, end)
                inside = brute_force(corpus, i, start, end)
                assert set(inside) <= set(range(first, last))
                if inside:
                    assert (first, last) == (inside[0], inside[-1] + 1)


def test_char_span_of_a_token_span_covers_the_characters(corpus):
    for i, text in enumerate(TEXTS):
        assert corpus.token_span(i, 0, len(text)) == (0, corpus.lengths[i])
        for start in range(0, len(text), 5):
            first, last = corpus.token_span(i, start, start + 1)
            if first < last:
                a, b = corpus.char_span(i, first, last)
                assert a <= start < b


def test_every_byte_of_an_emoji_is_the_whole_emoji(corpora):
    corpus, at = corpora["bytes"], TEXTS[1].index("😀")
    first, last = corpus.token_span(1, at, at + 1)
    assert last - first == 4
    assert {corpus.char_span(1, k, k + 1) for k in range(first, last)} == {(at, at + 1)}
    assert bytes(corpus.document(1).tokens[first:last].tolist()).decode() == "😀"


def test_combining_characters_are_characters_of_their_own(corpora):
    corpus, at = corpora["bytes"], TEXTS[1].index("\u0301")
    assert corpus.char_span(1, *corpus.token_span(1, at, at + 1)) == (at, at + 1)


def test_a_span_outside_is_an_error(corpora):
    with pytest.raises(CorpusError, match="span of characters"):
        corpora["bpe"].token_span(0, 0, 10_000)
    with pytest.raises(CorpusError, match="span of tokens"):
        corpora["bpe"].char_span(0, 3, 2)


def test_empty_spans_stay_empty(corpus):
    assert corpus.char_span(0, 2, 2)[0] == corpus.char_span(0, 2, 2)[1]
    first, last = corpus.token_span(0, 4, 4)
    assert first == last
