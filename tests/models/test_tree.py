"""Passes that go on from another's keys and values, and rows that share their beginnings."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from tests.models.small import ARCHITECTURES, STATE_SPACE, small
from whence.models import Row, Score, keys_and_values, log_probabilities, past_of
from whence.models.past import goes_on
from whence.models.rows import run_rows
from whence.models.tree import PIECE, run_alike


def row(ids, positions=None, reads=None):
    at = range(len(ids)) if positions is None else positions
    reads = [(len(ids) - 1, 5, 1), (len(ids) - 1, 9, -1)] if reads is None else reads
    return Row(tuple(ids), tuple(at), len(ids), tuple(Score(*read) for read in reads))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_goes_on(name):
    assert small(name).goes_on


@pytest.mark.parametrize("name", STATE_SPACE)
def test_a_state_does_not_go_on(name):
    """Its values are those of whole passes all the same."""
    assert not small(name).goes_on
    rows = replaced(np.random.default_rng(0), 21, 4, [3])
    expected = run_rows(small(name), rows)
    assert (run_alike(small(name), rows) == expected).all()


def test_a_module_that_forgets_its_past_is_found_out():
    module = copy.deepcopy(small("llama").module)
    attention = module.model.layers[1].self_attn
    usual = attention.forward
    attention.forward = lambda *args, **kwargs: usual(*args, **{**kwargs, "past_key_values": None})
    assert not goes_on(module)


def test_a_past_is_left_as_it_was():
    model = small("gpt2")
    first = row([1, 2, 3, 4], reads=[])

    past = DynamicCache()
    with torch.no_grad():
        log_probabilities(model, [first], past=past)
        kept = keys_and_values(past)
        again = past_of(kept)
        log_probabilities(model, [row([1, 2, 3, 4, 8, 9])], past=again)
    assert again.get_seq_length() == 6
    assert [k.shape[-2] for k, _ in kept] == [4] * 3


def replaced(rng, length, count, continuation):
    """One prompt with random tokens replaced, each followed by the same continuation."""
    prompt = rng.integers(1, 300, length)
    keep = rng.random((count, length)) < rng.random((count, 1))
    ends = [(length - 1 + i, int(t), 1) for i, t in enumerate(continuation)]
    return [row([*np.where(k, prompt, 7).tolist(), *continuation[:-1]], reads=ends) for k in keep]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_sharing_changes_no_value(name):
    rows = replaced(np.random.default_rng(0), 21, 24, [3, 4, 5])
    rows += rows[:3]
    expected = run_rows(small(name), rows)
    np.testing.assert_allclose(run_alike(small(name), rows), expected, atol=2e-5)
    few = run_alike(small(name), rows, batch_size=5)
    np.testing.assert_allclose(few, expected, atol=2e-5)


tokens = st.lists(st.sampled_from([1, 2]), min_size=1, max_size=2 * PIECE + 3)


@given(st.lists(tokens, min_size=1, max_size=12), st.data())
@settings(max_examples=40, deadline=None)
def test_any_rows_as_a_tree(lists, data):
    """Rows of any lengths, equal ones among them, gaps in positions, reads anywhere."""
    rows = []
    for ids in lists:
        gaps = data.draw(st.lists(st.sampled_from([1, 1, 1, 2]), min_size=len(ids)))
        at = st.integers(0, len(ids) - 1)
        reads = data.draw(st.lists(st.tuples(at, st.sampled_from([3, 4]), st.just(1)), max_size=3))
        rows.append(row(ids, np.cumsum(gaps[: len(ids)]).tolist(), reads))
    found = run_alike(small("llama"), rows, batch_size=8)
    np.testing.assert_allclose(found, run_rows(small("llama"), rows), atol=2e-5)


def test_what_is_shared_is_not_computed_again():
    """Leaving out each token alone: about half of all tokens."""
    model = small("gpt2")
    prompt = list(range(1, 33))
    rows = [row([*prompt[:i], 0, *prompt[i + 1 :]]) for i in range(32)]
    seen = []
    handle = model.sites.layers[0].mlp.register_forward_hook(
        lambda _, args, __: seen.append(args[0].shape[0] * args[0].shape[1])
    )
    run_alike(model, rows)
    handle.remove()
    fewest = len({r.ids[:n] for r in rows for n in range(1, 33)})
    assert fewest <= sum(seen) <= 0.8 * 32 * 32


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_rows_with_hidden_tokens_share_only_what_sees_the_same(name):
    ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    rows = [replace(row(ids), unseen=hidden) for hidden in [(), (9,), (9, 10), (2,), (2, 10)]]
    model = small(name)
    expected = run_rows(model, rows)
    assert len(set(expected.round(6))) == len(rows)
    np.testing.assert_allclose(run_alike(model, rows), expected, atol=1e-4)
