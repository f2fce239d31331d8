from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.stand_in import TokenLists
from whence.core.errors import RunError
from whence.training.pieces import piece_tokens, pieces

frames = st.lists(st.integers(90, 99), max_size=2).map(tuple)
texts = st.lists(st.lists(st.integers(1, 50), max_size=20).map(tuple), min_size=1, max_size=6)


def cut_by_hand(framed, context):
    """Pieces as lists of tokens, each beginning with the last token of the one before."""
    found = []
    while len(framed) > context:
        found.append(framed[:context])
        framed = framed[context - 1 :]
    return [*found, framed] if len(framed) > 1 else found


@given(texts.map(tuple), frames, frames, st.integers(2, 9))
def test_pieces_are_those_cut_by_hand(documents, start, end, context):
    corpus = TokenLists(documents, start, end)
    made = pieces(corpus, context)
    if not corpus.n_tokens:
        return
    tokens = np.split(piece_tokens(corpus, made), np.cumsum(made.lengths)[:-1])
    expected = [
        (i, piece)
        for i in range(len(documents))
        for piece in cut_by_hand(corpus.framed(i), context)
    ]
    found = [(int(d), t.tolist()) for d, t in zip(made.document, tokens, strict=False)]
    assert found == expected


def test_chosen_documents_keep_their_order():
    corpus = TokenLists(((1, 2), (3, 4, 5), (6, 7)))
    made = pieces(corpus, 2, np.array([1, 0]))
    assert made.document.tolist() == [1, 1, 0]
    assert piece_tokens(corpus, made).tolist() == [3, 4, 4, 5, 1, 2]


def test_unknown_documents_are_refused():
    with pytest.raises(RunError, match="from 0 to 0"):
        pieces(TokenLists(((1, 2),)), 4, np.array([1]))
