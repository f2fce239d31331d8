"""Models trained on the spot: they know their task, and need what they are said to need."""

import numpy as np
import pytest

from whence.attribution import leave_one_out
from whence.core.errors import MethodError
from whence.interventions import Tokens
from whence.models import encode_prompt, values
from whence.verification import recall_at_planted
from whence.worlds import chosen, marked


@pytest.fixture(scope="module", params=[marked, chosen], ids=lambda f: f.__name__)
def world(request):
    return request.param(6)


def test_it_answers_rightly(world):
    assert world.accuracy > 0.9
    assert len(world.behaviors) == 6
    assert (values(world.model, world.behaviors) > 1).all()


def test_the_needed_tokens_tell_the_answer(world):
    """Read off the prompt by a rule that knows nothing of the model."""
    for behavior in world.behaviors:
        words = behavior.prompt.split()
        kind = str.isdigit if words[-1] == "?" else str.isupper
        place = next(i for i, word in enumerate(words) if kind(word))
        assert behavior.target.strip() == words[place].lower()
        needed = world.tokens[behavior.prompt]
        assert place + 1 in needed
        assert len(encode_prompt(world.model, behavior.prompt).ids) == len(words) + 1


def test_other_words_in_their_place_change_the_answer_most(world):
    found = []
    for behavior in world.behaviors:
        tokens = Tokens(world.model, behavior.prompt, removal="replace")
        assert tokens.describe()["replacement"] == world.model.tokenizer.unk_token_id
        truth = {f"T{i}" for i in world.tokens[behavior.prompt]}
        found += list(recall_at_planted(leave_one_out(tokens, [behavior]), [truth]))
    assert np.mean(found) > 0.8


def test_the_same_seed_gives_the_same_weights():
    one, two, other = (marked(1, length=2, steps=120, seed=s).model.digest for s in (1, 1, 2))
    assert one == two != other


def test_what_cannot_be_is_refused():
    with pytest.raises(MethodError, match="2 to 8"):
        marked(length=9)
    with pytest.raises(MethodError, match="at least one prompt"):
        chosen(0)
    with pytest.raises(MethodError, match="has learned its task"):
        chosen(4, steps=1)
