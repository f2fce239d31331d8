import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.attribution.lasso import cross_validated_lasso, highest_price, lasso


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 60), st.integers(2, 80), st.floats(0.01, 0.9), st.integers(0, 2**32 - 1))
def test_the_conditions_of_optimality_hold(n, causes, share, seed):
    """X'(y - Xb)/n is price * sign(b) where b is not 0, and no larger than price where it is."""
    rng = np.random.default_rng(seed)
    x = rng.random((n, causes)) < 0.5
    x = x - x.mean(0)
    y = rng.normal(size=(n, 3))
    y -= y.mean(0)
    price = share * highest_price(x, y)
    beta = lasso(x, y, price)
    slope = x.T @ (y - x @ beta) / n
    slack = 0.02 * price
    assert (np.abs(slope) <= price + slack).all()
    at = np.abs(beta) > 1e-9
    off = np.abs(slope - price * np.sign(beta))
    assert (off[at] <= np.broadcast_to(slack, beta.shape)[at]).all()


def test_with_orthogonal_columns_it_is_soft_thresholding():
    x = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 5)))[0] * np.sqrt(30)
    y = np.random.default_rng(1).normal(size=(30, 2))
    price = np.array([0.1, 0.2])
    free = x.T @ y / 30
    expected = np.sign(free) * np.maximum(np.abs(free) - price, 0)
    np.testing.assert_allclose(lasso(x, y, price), expected, atol=1e-4)


def test_nothing_is_bought_at_the_highest_price():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))
    assert (lasso(x, y, highest_price(x, y)) == 0).all()
    assert (lasso(x, y, highest_price(x, y) * 0.99) != 0).any()


def test_noise_alone_is_priced_out():
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 40)) < 0.5, rng.normal(size=(60, 30))
    beta, _ = cross_validated_lasso(x, y, folds=5, rng=rng)
    assert np.mean(np.count_nonzero(beta, axis=0)) < 6


def test_a_constant_target_gets_zeros():
    x = np.random.default_rng(0).random((20, 4)) < 0.5
    beta, prices = cross_validated_lasso(x, np.ones((20, 1)), folds=5, rng=np.random.default_rng(0))
    assert (beta == 0).all()
    assert (prices == 0).all()
