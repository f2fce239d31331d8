import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.small import small
from whence.attribution import leave_one_out
from whence.core import Behavior
from whence.core.errors import InterventionError
from whence.interventions import Components, drawn_swap, other_prompts, swapped
from whence.models import encode_prompt
from whence.worlds import copying

LETTERS = [chr(ord("a") + i) for i in range(12)]


def test_words_are_swapped_wherever_they_stand():
    model = copying(1).model
    assert swapped(model, "a b c a", {"a": "d", "c": "e"}) == "d b e d"
    # Both at once, and not one after the other.
    assert swapped(model, "a b", {"a": "b", "b": "a"}) == "b a"


@given(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=8), st.integers(0, 5))
@settings(deadline=None, max_examples=30)
def test_drawn_swaps_are_one_to_one(letters, seed):
    prompt = " ".join(letters)
    kind = LETTERS[:3] + LETTERS[8:]
    if not set(letters) & set(kind) or len(set(letters) & set(kind)) > len(set(kind)) // 2:
        return
    model = MODEL
    other = drawn_swap(model, prompt, kind, seed=seed).split()
    changed = {(a, b) for a, b in zip(letters, other, strict=True) if a in kind}
    assert all(a == b for a, b in zip(letters, other, strict=True) if a not in kind)
    assert len({a for a, _ in changed}) == len({b for _, b in changed}) == len(changed)
    assert all(b in kind and b not in letters for _, b in changed)
    assert drawn_swap(model, prompt, kind, seed=seed).split() == other


MODEL = copying(1).model


def test_only_tokens_of_the_words_change():
    """In this vocabulary " London" and " capital" are one token each, " Rome" is five."""
    model = small()
    prompt = "Ada was born in London."
    ids = encode_prompt(model, prompt).ids
    other = encode_prompt(model, swapped(model, prompt, {"London": "capital"})).ids
    assert len(ids) == len(other)
    assert sum(a != b for a, b in zip(ids, other, strict=True)) == 1
    with pytest.raises(InterventionError, match="as many tokens"):
        swapped(model, prompt, {"London": "Rome"})
    assert drawn_swap(model, prompt, ["London", "Rome", "capital"]) == "Ada was born in capital."
    with pytest.raises(InterventionError, match="another word for 'London'"):
        drawn_swap(model, prompt, ["London", "Rome"])
    with pytest.raises(InterventionError, match="words of the prompt"):
        swapped(model, prompt, {"Lond": "Paris"})
    with pytest.raises(InterventionError, match="stands in"):
        drawn_swap(model, prompt, ["Madrid"])


def test_what_a_copying_head_needs_is_found_with_swapped_words():
    written = copying(1, at=3, noise=0.01)
    (asked,) = written.behaviors
    letters = asked.prompt.split()
    kind = [letters[2], *(letter for letter in LETTERS if letter not in letters)]
    others = other_prompts(written.model, [asked], words=kind)
    parts = Components(written.model, replacement="other", other_prompt=others)
    scores = leave_one_out(parts, [asked]).values[0]
    assert parts.causes[int(scores.argmax())].id == "L0.H0"
    given = other_prompts(written.model, [asked], swaps={letters[2]: kind[1], "zz": "a"})
    assert given == {asked.prompt: asked.prompt.replace(letters[2], kind[1])}
    with pytest.raises(InterventionError, match="words of the prompt"):
        other_prompts(written.model, [Behavior("a b", " c")], swaps={"zz": "a"})
