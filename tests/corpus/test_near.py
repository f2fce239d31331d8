import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus.samples import make
from whence.corpus import TraceSettings, trace
from whence.corpus.trace.near import _furthest

WORDS = st.lists(st.sampled_from("abcd"), max_size=9)


def distance(a, b):
    """Levenshtein's, from the textbook's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1]


@settings(max_examples=400, deadline=None)
@given(WORDS, WORDS, st.integers(0, 3))
def test_how_far_two_texts_agree(mine, theirs, edits):
    for k, (up, there) in enumerate(_furthest(mine, theirs, edits)):
        assert distance(mine[:up], theirs[:there]) <= k
        # No longer beginning of mine ends in a shared word within the edits.
        longest = max(
            (
                i
                for i in range(1, len(mine) + 1)
                for j in range(1, len(theirs) + 1)
                if mine[i - 1] == theirs[j - 1] and distance(mine[:i], theirs[:j]) <= k
            ),
            default=0,
        )
        # With two edits and more it may stop a word early (see the function).
        assert max(0, longest - k + 1 if k > 1 else longest) <= up <= longest
        assert up == there == 0 or mine[up - 1] == theirs[there - 1]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    texts = [
        "we shall pay any price, bear any burden, meet any hardship, support any friend",
        "With malice toward none;\n  with CHARITY for all; with firmness in the right",
        # Word for word what is traced below: it must not hide what is only near.
        "So we shall pay every price, bear any burden, meet any hardship.",
        "an unrelated text about the weather of the coast and its winds",
    ]
    return make(tmp_path_factory, texts, vocab_size=400)


def near(corpus, text, **options):
    return trace(corpus, text, settings=TraceSettings(seed=2, **options)).near


def test_a_changed_word_is_bridged(corpus):
    text = "So we shall pay every price, bear any burden, meet any hardship."
    best = near(corpus, text, edits=1)[0]
    assert text[best.start : best.end] == best.text
    assert best.text == "we shall pay every price, bear any burden, meet any hardship"
    assert (best.edits, best.id, best.words) == (1, "d0", 11)
    said = corpus.text(best.document)[best.document_start : best.document_end]
    assert said == best.document_text
    assert said == "we shall pay any price, bear any burden, meet any hardship"


def test_case_and_blanks_cost_nothing(corpus):
    text = "with malice toward none, with charity for all, with firmness"
    (best,) = near(corpus, text, fold=True)
    assert best.text == text
    assert best.edits == 0
    assert best.document_text.startswith("With malice toward none;\n  with CHARITY")


def test_what_is_there_word_for_word_is_not_near(corpus):
    assert near(corpus, "bear any burden, meet any hardship", edits=2, fold=True) == ()


def test_words_left_out_and_put_in(corpus):
    left_out = near(corpus, "we shall pay any price, bear burden, meet any hardship", edits=1)
    assert left_out[0].edits == 1
    assert left_out[0].text.endswith("hardship")
    put_in = near(corpus, "we shall pay any price, bear any old burden, meet any", edits=1)
    assert (put_in[0].edits, put_in[0].words) == (1, 11)
    assert put_in[0].document_text == "we shall pay any price, bear any burden, meet any"
