from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.stand_in import TokenLists
from whence.core.errors import DamagedError, RunError
from whence.training.order import OPEN_ROWS, Order, draw_order, pack
from whence.training.pieces import pieces


def draw(corpus, **options):
    settings = {"seed": 0, "steps": None, "epochs": 1.0, "packed": True} | options
    return draw_order(pieces(corpus, 8), 8, 2, **settings)


CORPUS = TokenLists(tuple(tuple(range(1, 2 + n % 11)) for n in range(1, 40)))


@given(st.lists(st.integers(2, 10), min_size=1, max_size=80))
def test_first_fit_by_hand(lengths):
    rows = []
    for length in lengths:
        fitting = [r for r in rows if sum(r) + length <= 10]
        if fitting:
            fitting[0].append(length)
        else:
            rows.append([length])
    row, column = pack(np.array(lengths), 10)
    if len(rows) <= OPEN_ROWS:  # beyond, old rows are closed
        made = [[n for n, r in zip(lengths, row, strict=True) if r == k] for k in range(len(rows))]
        assert made == rows
    taken = np.zeros((int(row.max()) + 1, 10), dtype=int)
    for length, r, c in zip(lengths, row, column, strict=True):
        taken[r, c : c + length] += 1
    assert taken.max() == 1


def test_an_epoch_holds_every_piece_once():
    order, wanted = draw(CORPUS), pieces(CORPUS, 8)
    key = np.lexsort((order.start, order.document))
    assert (order.document[key] == wanted.document).all()
    assert (order.stop[key] == wanted.stop).all()


def test_steps_and_epochs():
    one = draw(CORPUS)
    assert draw(CORPUS, epochs=2.0).steps == pytest.approx(2 * one.steps, abs=2)
    assert draw(CORPUS, epochs=0.5).steps == pytest.approx(one.steps / 2, abs=1)
    assert draw(CORPUS, steps=37).steps == 37
    few, more = draw(CORPUS, steps=5).document, draw(CORPUS, steps=9).document
    assert few.tolist() == more[: len(few)].tolist()


def test_the_seed_decides():
    assert draw(CORPUS).document.tolist() == draw(CORPUS).document.tolist()
    assert draw(CORPUS).document.tolist() != draw(CORPUS, seed=1).document.tolist()


def test_one_piece_a_row():
    order = draw(CORPUS, packed=False)
    assert order.column.max() == 0
    assert np.bincount(order.step)[1:-1].tolist() == [2] * (order.steps - 1)


def test_first_steps():
    order = draw(CORPUS)
    for document in range(CORPUS.n_documents):
        seen = [s for s, d in zip(order.step, order.document, strict=True) if d == document]
        assert order.first_steps(CORPUS.n_documents)[document] == min(seen, default=order.steps + 1)


def test_saved_and_loaded(tmp_path):
    order = draw(CORPUS)
    order.save(tmp_path / "order")
    again = Order.load(tmp_path / "order")
    assert again.of_step(2).document.tolist() == order.of_step(2).document.tolist()
    with (tmp_path / "order" / "row.npy").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DamagedError, match=r"row\.npy"):
        Order.load(tmp_path / "order")


def test_nothing_to_predict_is_refused():
    with pytest.raises(RunError, match="two tokens"):
        draw(TokenLists(((1,),)))


def test_an_altered_order_is_not_used(tmp_path):
    draw(CORPUS).save(tmp_path / "order")
    path = tmp_path / "order" / "document.npy"
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=r"document\.npy: expected the bytes"):
        Order.load(tmp_path / "order")
