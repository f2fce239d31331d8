"""Facts and rules: what is read, what follows, and why."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.core.errors import LogicError
from whence.reasoning.logic.chaining import chain, proof
from whence.reasoning.logic.deduction import solve_prontoqa, solve_proofwriter
from whence.reasoning.logic.program import Line, sections
from whence.reasoning.logic.rules import Atom, Rule, parse_rules

PROGRAM = """Predicates:
Warm($x, bool)
Facts:
Warm(Rex, True) ::: Rex is warm.
Likes(Rex, Ada, False)
Rules:
Warm($x, True) && Likes($x, Ada, False) >>> Calm($x, True) ::: why
Calm($x, True) >>> Quiet($x, False) && Likes(Ada, $x, True)
Query:
{}"""


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("Quiet(Rex, False)", "A"),
        ("Quiet(Rex, True)", "B"),
        ("Quiet(Ada, True)", "C"),
        ("Likes(Ada, Rex, True)", "A"),
        ("Likes(Rex, Ada, True)", "B"),
    ],
)
def test_what_follows(query, answer):
    assert solve_proofwriter(PROGRAM.format(query)).answer == answer


def test_the_release_reads_one_thing_of_a_query():
    assert solve_proofwriter(PROGRAM.format("Likes(Ada, Rex, True)"), "released").answer == "C"


def test_prontoqa_has_no_third_answer():
    assert solve_prontoqa(PROGRAM.format("Quiet(Ada, True)")).answer == "B"


def test_a_proof_goes_down_to_facts():
    solution = solve_proofwriter(PROGRAM.format("Quiet(Rex, False)"))
    assert [line.split(":")[0].strip() for line in solution.evidence] == [
        "Quiet(Rex, False)",
        "Calm(Rex, True)",
        "Warm(Rex, True)",
        "Likes(Rex, Ada, False)",
    ]
    assert "given, line 4" in solution.evidence[2]


def test_what_was_missing_is_said():
    (line,) = solve_proofwriter(PROGRAM.format("Quiet(Ada, True)")).evidence
    assert line == "line 8 would give Quiet(Ada, False), but Calm(Ada, True) is not derived"


@pytest.mark.parametrize(
    ("old", "new", "place", "expected"),
    [
        ("Warm(Rex, True)", "Warm(Rex True)", "line 4, column 10", "',' or ')'"),
        ("Likes(Rex, Ada, False)", "Rex is warm", "line 5, column 5", "'('"),
        (">>> Calm", "=> Calm", "line 7, column 41", "a name, a number or a sign of the format"),
        ("Query:", "Question:", "program", "one section 'Query:'"),
        ("Query:", "Query:\nQuery:", "line 10", "one section 'Query:'"),
        ("Calm($x, True) ::: why", "Calm($y, True)", "line 7, column 50", "every variable"),
    ],
)
def test_a_mistake_is_named_with_its_place(old, new, place, expected):
    with pytest.raises(LogicError) as caught:
        solve_proofwriter(PROGRAM.format("Warm(Rex, True)").replace(old, new, 1))
    assert caught.value.place == place
    assert caught.value.expected.startswith(expected)


@pytest.mark.parametrize("sign", ["!{}", "~{}", "¬{}", "Not({})", "not {}"])
def test_wide_reading_negates(sign):
    text = PROGRAM.format("Quiet(Rex, False)").replace(
        "Likes(Rex, Ada, False)", sign.format("Likes(Rex, Ada, True)")
    )
    assert solve_proofwriter(text, "wide").answer == "A"
    with pytest.raises(LogicError):
        solve_proofwriter(text)


def test_wide_reading_takes_names_of_several_words():
    text = PROGRAM.format("Calm(Old Rex, True)").replace("Rex", "Old Rex")
    text = text.replace("Old Old", "Old")
    assert solve_proofwriter(text, "wide").answer == "A"


def test_statements_are_told_apart_where_a_section_is_empty():
    text = "Facts:\nA(x1, True)\nA($x, True) >>> B($x, True)\nRules:\nQuery:\nB(x1, True)"
    assert solve_proofwriter(text).answer == "A"


def test_both_values_count_as_false():
    text = "Facts:\nA(c, True)\nA(c, False)\nRules:\nB($x, True) >>> A($x, True)\nQuery:\nA(c, {})"
    assert solve_proofwriter(text.format("False")).answer == "A"
    assert solve_proofwriter(text.format("True")).answer == "B"


def test_sections_know_their_lines():
    found = sections("A: one\n\n  two ::: note\nB:\n", ["A:", "B:"])
    assert [(line.text, line.number, line.column) for line in found["A:"]] == [
        ("one", 1, 4),
        ("two", 3, 3),
    ]
    assert found["A:"][1].note == "note"


THINGS = ("a", "b", "c")
NAMES = ("P", "Q", "R")
ARGUMENTS = st.tuples(st.sampled_from(("a", "b", "$x", "$y")), st.sampled_from(("c", "$x", "$y")))
ATOMS = st.builds(Atom, st.sampled_from(NAMES), ARGUMENTS)
LINE = Line("a rule", "", 1, 1)


def all_that_follows(facts, rules):
    """Every rule under every binding, until nothing is new: slow and plain."""
    known = set(facts)
    while True:
        new = set()
        for rule in rules:
            for values in product(THINGS, repeat=2):
                bound = dict(zip(("$x", "$y"), values, strict=True))

                def say(atom, bound=bound):
                    return Atom(atom.predicate, tuple(bound.get(a, a) for a in atom.arguments))

                if all(say(premise) in known for premise in rule.premises):
                    new |= {say(conclusion) for conclusion in rule.conclusions}
        if new <= known:
            return known
        known |= new


@given(
    st.lists(st.builds(Atom, st.sampled_from(NAMES), st.tuples(*[st.sampled_from(THINGS)] * 2))),
    st.lists(st.tuples(st.lists(ATOMS, min_size=1, max_size=3), ATOMS), max_size=4),
)
@settings(deadline=None, max_examples=30)
def test_chaining_finds_what_plain_iteration_finds(facts, drafts):
    rules = []
    for premises, conclusion in drafts:
        free = {a for p in premises for a in p.arguments}
        if all(a in free for a in conclusion.arguments if a.startswith("$")):
            rules.append(Rule(tuple(premises), (conclusion,), LINE))
    known = chain([(fact, LINE) for fact in facts], tuple(rules))
    expected = all_that_follows(facts, rules)
    assert len(known) == len(expected)
    assert all(atom in known for atom in expected)
    for atom in expected:
        assert proof(atom, known)
        for premise in known.step(atom).premises:
            assert premise in known


def test_a_query_may_have_no_answer_to_its_shape():
    assert parse_rules(PROGRAM.format("Warm(Rex, True)")).query.things == ("Rex",)
