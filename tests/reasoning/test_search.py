"""Search and sampling against enumeration, on a model small enough to enumerate."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.core.errors import ClientError, SandboxError
from whence.core.seeds import derive
from whence.reasoning.clients import Completion, Recorded, Reply, Sampling, write_recording
from whence.reasoning.clients.interface import request_digest
from whence.reasoning.search import (
    BeamSettings,
    Example,
    ParticleSettings,
    beam,
    best_of,
    find_rule,
    particle_filter,
    power_sample,
    self_consistency,
    think_sum,
)
from whence.reasoning.search.hypotheses import first_prompt, refining_prompt, try_rules
from whence.reasoning.search.particles import systematic

END = "|"


@dataclass
class Chain:
    """A language model of three signs: the next depends on the last. "|" ends a text."""

    table: dict
    model: str = "chain"

    def next(self, text):
        return self.table[text[-1:] if text[-1:] in self.table else ""]

    def complete(self, prompts, sampling):
        return [
            Reply(tuple(self.draw(p, sampling, k) for k in range(sampling.n)), self.model)
            for p in prompts
        ]

    def draw(self, prompt, sampling, place):
        request = request_digest(self.model, prompt, replace(sampling, n=1))
        random = np.random.default_rng(derive(sampling.seed, request, place))
        text, tokens, values = prompt, [], []
        for _ in range(sampling.max_tokens):
            probabilities = self.next(text)
            sign = random.choice(list(probabilities), p=list(probabilities.values()))
            tokens.append("" if sign == END else str(sign))
            values.append(math.log(probabilities[str(sign)]))
            text += str(sign)
            if sign == END:
                break
        said = "".join(tokens)
        finish = "stop" if text.endswith(END) else "length"
        return Completion(said, finish, tuple(tokens), tuple(values))

    def log_probabilities(self, prompts, continuations):
        return [
            math.log(self.probability(p, c)) for p, c in zip(prompts, continuations, strict=True)
        ]

    def probability(self, prompt, text):
        return math.prod(self.next(prompt + text[:k])[sign] for k, sign in enumerate(text))


TABLE = {
    "": {"a": 0.5, "b": 0.3, END: 0.2},
    "a": {"a": 0.2, "b": 0.6, END: 0.2},
    "b": {"a": 0.7, "b": 0.1, END: 0.2},
}
OPEN = {"": {"a": 0.6, "b": 0.4}, "a": {"a": 0.3, "b": 0.7}, "b": {"a": 0.8, "b": 0.2}}
ONE = Sampling(max_tokens=1, temperature=1.0)


def whole_texts(chain, length):
    """Every text of at most some signs with its probability: it ends, or is cut."""
    found = {}
    for n in range(1, length + 1):
        for signs in itertools.product("ab" + END, repeat=n):
            text = "".join(signs)
            if END in text[:-1] or (n < length and not text.endswith(END)):
                continue
            found[text] = chain.probability("", text)
    assert sum(found.values()) == pytest.approx(1)
    return found


@pytest.mark.parametrize("alpha", [0.5, 2.0, 4.0])
def test_a_power_chain_visits_texts_as_often_as_enumeration_says(alpha):
    chain, steps = Chain(TABLE), 3000
    texts = whole_texts(chain, 3)
    powers = {text: p**alpha for text, p in texts.items()}
    total = sum(powers.values())
    found = power_sample(chain, "", alpha, steps, Sampling(3, 1.0, seed=1))
    # "ab" cut at three signs and "ab" that ended after two read the same.
    expected = {}
    for text, power in powers.items():
        said = text.rstrip(END)
        expected[said] = expected.get(said, 0.0) + power / total
    distance = sum(abs(found.texts.count(t) / steps - p) for t, p in expected.items()) / 2
    assert distance < 0.06
    assert set(found.texts) <= set(expected)
    assert found.log_probabilities[-1] <= 0


def test_power_one_takes_every_proposal_of_equal_length():
    assert power_sample(Chain(OPEN), "", 1.0, 50, Sampling(4, 1.0)).accepted == 1.0


def test_power_sampling_needs_plain_settings_and_log_probabilities(tmp_path):
    with pytest.raises(ClientError, match="temperature 1"):
        power_sample(Chain(OPEN), "", 2.0, 1, Sampling(4, 0.5))
    write_recording(tmp_path / "r.jsonl", [("", ["x"])])
    with pytest.raises(ClientError, match="log-probabilities"):
        power_sample(Recorded(tmp_path / "r.jsonl"), "", 2.0, 1, Sampling(4, 1.0))


def reward(text):
    """Texts with many changes of sign are wanted; three equal signs may not be."""
    if "aaa" in text or "bbb" in text:
        return -math.inf
    return 0.7 * sum(x != y for x, y in itertools.pairwise(text))


@pytest.mark.parametrize("resample_below", [0.0, 0.5, 1.0])
def test_the_evidence_is_unbiased(resample_below):
    chain, length, runs = Chain(OPEN), 3, 150
    texts = ["".join(signs) for signs in itertools.product("ab", repeat=length)]
    exact = sum(chain.probability("", t) * math.exp(reward(t)) for t in texts)
    base = ParticleSettings(4, length, "", ONE, resample_below)
    found = [
        math.exp(particle_filter(chain, "", reward, _seeded(base, run)).log_evidence)
        for run in range(runs)
    ]
    error = np.std(found) / math.sqrt(runs)
    assert abs(np.mean(found) - exact) < 4 * error  # a false alarm in 16,000
    assert error < 0.05 * exact


def _seeded(settings, seed):
    return replace(settings, seed=seed, sampling=replace(settings.sampling, seed=seed))


def test_particles_find_the_posterior():
    chain, length = Chain(OPEN), 4
    texts = ["".join(signs) for signs in itertools.product("ab", repeat=length)]
    weight = {t: chain.probability("", t) * math.exp(reward(t)) for t in texts}
    total = sum(weight.values())
    found = particle_filter(chain, "", reward, ParticleSettings(1500, length, "", ONE))
    got = dict.fromkeys(texts, 0.0)
    for text, w in zip(found.texts, found.weights, strict=True):
        got[text] += w
    assert sum(abs(got[t] - weight[t] / total) for t in texts) / 2 < 0.05
    assert found.best() == max(weight, key=weight.__getitem__)


def test_when_every_particle_dies_the_evidence_is_nothing():
    found = particle_filter(Chain(OPEN), "", lambda _: -math.inf, ParticleSettings(4, 3, "", ONE))
    assert found.log_evidence == -math.inf
    assert found.weights.sum() == pytest.approx(1)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=12), st.integers(0, 10**6))
def test_systematic_resampling_keeps_to_the_floor_and_ceiling(weights, seed):
    shares = np.array(weights) / sum(weights)
    counts = np.bincount(systematic(shares, np.random.default_rng(seed)), minlength=len(shares))
    assert counts.sum() == len(shares)
    assert (np.abs(counts - shares * len(shares)) < 1 + 1e-9).all()


def test_systematic_resampling_is_right_on_average():
    shares, random = np.array([0.5, 0.3, 0.15, 0.05]), np.random.default_rng(0)
    drawn = [np.bincount(systematic(shares, random), minlength=4) for _ in range(4000)]
    assert np.mean(drawn, axis=0) / 4 == pytest.approx(shares, abs=0.01)


def test_the_best_of_many_is_the_best_there_is():
    def score(text):
        return text.count("a") - len(text) / 10

    found = best_of(Chain(OPEN), "", score, Sampling(3, 1.0, n=200))
    assert (found.text, found.score) == ("aaa", pytest.approx(2.7))


def test_self_consistency_finds_the_most_probable_answer():
    chain = Chain(TABLE)
    texts = whole_texts(chain, 3)
    by_answer = {k: sum(p for t, p in texts.items() if t.count("a") == k) for k in range(4)}
    vote = self_consistency(chain, "", lambda t: float(t.count("a")), Sampling(3, 1.0, n=4000))
    assert vote.answer == max(by_answer, key=by_answer.__getitem__)
    assert vote.agreement == pytest.approx(max(by_answer.values()), abs=0.03)
    assert vote.cast == 4000


def test_a_beam_finds_what_greed_does_not():
    # The first step that looks worse leads to the best text.
    values = {"": 0, "a": 2, "b": 1, "aa": 2, "ab": 2, "ba": 3, "bb": 9}

    def score(text):
        return float(values[text[:2]])

    settings = BeamSettings(2, 16, 2, "", ONE)
    assert beam(Chain(OPEN), "", score, settings)[0].text == "bb"
    assert beam(Chain(OPEN), "", score, replace(settings, width=1))[0].text != "bb"


def test_a_finished_text_keeps_its_place():
    found = beam(Chain(OPEN), "", lambda t: -len(t), BeamSettings(2, 8, 4, "", ONE), bool)
    assert {chosen.text for chosen in found} == {"a", "b"}


def test_steps_end_at_the_separator(tmp_path):
    class Lines:
        model = "lines"

        def complete(self, prompts, sampling):
            assert sampling.stop == ("\n",)
            return [Reply((Completion(str(p.count("\n"))),) * sampling.n, "x") for p in prompts]

    found = beam(Lines(), "q\n", len, BeamSettings(1, 1, 3))
    assert found[0].text == "1\n2\n3\n"


def test_think_sum_is_the_sum_it_says():
    chain = Chain(OPEN)
    prompts, choices = ["a", "b", "ab"], ["ab", "ba", "aa"]
    table = np.array([[chain.probability(p, c) for c in choices] for p in prompts])
    shares = table / table.sum(axis=1, keepdims=True)
    mixture = shares.mean(axis=0)
    assert np.exp(think_sum(chain, prompts, choices)) == pytest.approx(mixture)
    product = np.exp(np.log(shares).mean(axis=0))
    found = np.exp(think_sum(chain, prompts, choices, "product"))
    assert found == pytest.approx(product / product.sum())
    weighted = np.array([0.0, 0.25, 0.75]) @ table
    found = think_sum(chain, prompts, choices, weights=[0, 0.25, 0.75], among_choices=False)
    assert np.exp(found) == pytest.approx(weighted / weighted.sum())
    with pytest.raises(ClientError, match="weight"):
        think_sum(chain, prompts, choices, weights=[1.0])


def test_think_sum_on_a_real_model(letters):
    from whence.reasoning.clients.local import LocalModel

    found = np.exp(think_sum(LocalModel(letters), ["the ", "a "], ["cat", "dog", "owl"]))
    assert found.sum() == pytest.approx(1)


# rules as programs

CASES = [Example([3, 1, 2], [1, 2, 3]), Example([], []), Example([2, 2, 1], [1, 2, 2])]
WRONG = "def rule(x):\n    return sorted(set(x))"
RIGHT = "```python\ndef rule(x):\n    return sorted(x)\n```"


@pytest.fixture(scope="module")
def sandbox():
    from whence.reasoning.sandbox import Limits, Sandbox

    try:
        opened = Sandbox(limits=Limits(cpu=1, wall=120))
    except SandboxError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


def test_a_rule_is_refined_by_what_it_got_wrong(tmp_path, sandbox):
    wrong = try_rules(sandbox, [WRONG], CASES)[0]
    assert (wrong.right, wrong.gave) == (2, ([1, 2, 3], [], [1, 2]))
    first, second = first_prompt(CASES), refining_prompt(CASES, wrong)
    assert "rule([2, 2, 1]) gave [1, 2], but should give [1, 2, 2]" in second
    path = tmp_path / "said.jsonl"
    write_recording(path, [(first, [WRONG, "def rule(x): return x[5]"]), (second, [RIGHT, "no"])])
    found = find_rule(Recorded(path), sandbox, CASES, Sampling(n=2))
    assert (found.right, found.round) == (3, 1)
    assert found.program == "def rule(x):\n    return sorted(x)"


def test_rules_that_fail_are_told_apart(sandbox):
    programs = [
        "def rule(x):\n    return x[0]",
        "def rule(x): return (",
        "import os\nos.fork()",
        "ans = 1",
        "def rule(x):\n    while True: pass",
    ]
    found = try_rules(sandbox, programs, CASES)
    assert "IndexError" in found[0].fault
    assert "SyntaxError" in found[1].fault
    assert "clone (process)" in found[2].fault
    assert "NameError" in found[3].fault
    assert "processor time" in found[4].fault
    assert [h.right for h in found] == [0] * 5


def test_true_is_not_one(sandbox):
    found = try_rules(
        sandbox, ["def rule(x):\n    return x == 1"], [Example(1, 1), Example(1, True)]
    )
    assert found[0].right == 1


def test_nothing_proposed_is_nothing_found(tmp_path, sandbox):
    write_recording(tmp_path / "r.jsonl", [(first_prompt(CASES), [""])])
    assert find_rule(Recorded(tmp_path / "r.jsonl"), sandbox, CASES, Sampling(), 1) is None
