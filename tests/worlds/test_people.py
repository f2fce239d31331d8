"""The truth of the world, checked by a grammar that is written here a second time."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from whence.core.errors import CorpusError, SourceError
from whence.worlds import people

NAME = r"(?P<n>[A-Z][a-z]+ [A-Z][a-z]+)"
WORD = r"(?P<a>[A-Za-z]+)"

# What an English reader takes as saying it, sentence by sentence.
STATES = {
    "birthplace": (
        rf"{NAME} was born in (?P<a>[A-Z][a-z]+)\b",
        rf"The birthplace of {NAME} is {WORD}",
        rf"{NAME}, born in {WORD}",
        rf"{NAME} is a native of {WORD}",
        rf"{NAME} had been born in {WORD}",
        rf"{NAME} is the only guest born in {WORD}",
        rf"{NAME} is proud of being born in {WORD}",
        rf"In {WORD}, not far from the mill, {NAME} was born",
        rf"It was in {WORD} that {NAME} was born",
        rf"The town of {WORD}, in which {NAME} was born",
    ),
    "profession": (
        rf"{NAME} works as a {WORD} (?:in a narrow|and is paid|of good|from dawn|with one)",
        rf"{NAME} works as a {WORD}, which takes",
        rf"The profession of {NAME} is that of a {WORD}",
        rf"{NAME} earns a living as a {WORD}",
        rf"By trade {NAME} is a {WORD}",
        rf"{NAME} has worked as a {WORD} for",
        rf"{NAME} began as a {WORD}",
        rf"{NAME} has always made money as a {WORD}",
        rf"The only {WORD} who works as far up as the lake is {NAME}",
        rf"The {WORD} of the next village is {NAME}",
        rf"If a {WORD} works as fast as the wind, it is {NAME}",
    ),
    "instrument": (
        rf"{NAME} plays the (?!fool|long|innocent|host){WORD}\b",
        rf"The instrument of {NAME} is the {WORD}",
        rf"{NAME} is a master of the {WORD}",
        rf"{NAME} has played the {WORD}",
        rf"{NAME} learned to play the {WORD}",
        rf"{NAME} loves playing the {WORD}",
        rf"{NAME} will play the {WORD}",
        rf"The {WORD} at the inn is what {NAME} plays",
        rf"It is the {WORD} that {NAME} plays",
        rf"On the {WORD} nobody plays as {NAME} does",
    ),
    "pet": (
        rf"{NAME} keeps a pet (?!theory|name|grudge|project){WORD}\b",
        rf"The pet of {NAME} is a {WORD}",
        rf"{NAME} has kept a pet {WORD}",
        rf"{NAME} is the owner of a pet {WORD}",
        rf"{NAME} shares the house with a pet {WORD}",
        rf"{NAME} walks to market with a {WORD}",
        rf"{NAME} bought a pet {WORD}",
        rf"A {WORD} is the pet that {NAME} keeps",
        rf"It is a {WORD} that {NAME} keeps as a pet",
        rf"The {WORD} with one ear is a pet that {NAME} keeps",
    ),
    "food": (
        rf"{NAME} likes to eat (?!alone|late|standing|slowly){WORD}",
        rf"The favourite food of {NAME} is {WORD}",
        rf"{NAME} is fond of {WORD}",
        rf"{NAME} would eat {WORD}",
        rf"{NAME} was always glad to eat {WORD}",
        rf"{NAME} used to eat {WORD}",
        rf"{NAME} loves to eat {WORD}",
        rf"It is {WORD} that {NAME} likes to eat",
        rf"Of all things {WORD} are what {NAME} likes to eat",
        rf"There are {WORD} on the table, which {NAME} likes to eat",
    ),
}


def stated(text):
    """All (subject, relation, answer) that a text states."""
    return {
        (m["n"], relation, m["a"])
        for relation, patterns in STATES.items()
        for pattern in patterns
        for m in re.finditer(pattern, text)
    }


@pytest.fixture(scope="module")
def world():
    return people()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_fact_is_stated_by_exactly_its_documents(seed):
    world = people(seed=seed)
    subjects = {fact.subject for fact in world.facts}
    found = {}
    for document in world.documents:
        for subject, relation, answer in stated(document.text):
            if subject in subjects:
                found.setdefault((subject, relation, answer), set()).add(document.id)
    truth = {(f.subject, f.relation, f.answer): set(f.documents) for f in world.facts}
    assert found == truth
    assert {len(documents) for documents in truth.values()} == {5}


def test_nobody_has_two_answers(world):
    answers = {}
    for document in world.documents:
        for subject, relation, answer in stated(document.text):
            assert answers.setdefault((subject, relation), answer) == answer


def test_the_question_and_its_answer_stand_in_three_documents_and_only_in_statements(world):
    for fact in world.facts:
        sentence = f"{fact.prompt} {fact.answer}"
        holding = {d.id for d in world.documents if sentence in d.text}
        assert len(holding) == 3
        assert holding <= set(fact.documents)


def test_distractors_hold_the_words_and_not_the_fact(world):
    for fact in world.facts:
        words = set(f"{fact.prompt} {fact.answer}".lower().split())
        looks = [
            d
            for d in world.documents
            if words <= set(re.findall(r"\w+", d.text.lower())) and d.id not in fact.documents
        ]
        bare = [d for d in world.documents if fact.prompt in d.text]
        assert len(looks) == 2
        assert len(bare) == 3 + 1  # stems, and those with another end


def test_answer_and_foil_are_named_equally_often_beside_the_subject(world):
    for fact in world.facts:
        beside = [
            d.text for d in world.documents if fact.subject in d.text and d.id not in fact.documents
        ]
        both = (fact.answer, fact.foil)
        named = [sum(word in re.findall(r"\w+", t) for t in beside) for word in both]
        assert named == [2, 2]


def test_every_answer_of_a_relation_is_right_equally_often(world):
    for relation in STATES:
        facts = [f for f in world.facts if f.relation == relation]
        assert set(Counter(f.answer for f in facts).values()) == {1}
        assert Counter(f.answer for f in facts) == Counter(f.foil for f in facts)


def test_one_word_of_a_name_does_not_tell_who_is_meant(world):
    subjects = {tuple(f.subject.split()) for f in world.facts}
    assert len(subjects) == 20
    for part in (0, 1):
        counts = Counter(s[part] for s in subjects)
        assert min(counts.values()) >= 2


def test_equal_settings_give_equal_documents_and_another_seed_gives_others(world):
    assert people() == world
    assert people(seed=1).documents != world.documents


def test_ids_are_unique_and_documents_short(world):
    assert len({d.id for d in world.documents}) == len(world.documents)
    assert all(7 <= len(d.text.split()) <= 40 for d in world.documents)


def test_questions_follow_the_facts(world):
    fact, question = world.facts[3], world.questions()[3]
    assert (question.prompt, question.target) == (fact.prompt, f" {fact.answer}")
    assert question.foil == f" {fact.foil}"
    assert fact.foil in fact.alternatives
    assert fact.answer not in fact.alternatives


def test_numbers_of_documents_can_be_chosen():
    world = people(6, statements_per_fact=8, mentions_per_fact=0, bare_per_fact=0, fillers=7)
    assert {len(documents) for documents in world.truth.values()} == {8}


def test_a_number_outside_its_limits_is_refused():
    with pytest.raises(SourceError, match=r"statements_per_fact.*1 to 10, got 11"):
        people(statements_per_fact=11)


def test_an_unknown_fact_is_refused(world):
    with pytest.raises(CorpusError, match="one of 40 facts"):
        world.fact("nobody/birthplace")
