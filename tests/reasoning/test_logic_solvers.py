"""Orderings, first-order logic and SMT programs: answers, evidence, and mistakes."""

from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.core.errors import LogicError
from whence.reasoning.logic import solve_first_order, solve_ordering, solve_smt
from whence.reasoning.logic.first_order.notation import parse_formula
from whence.reasoning.logic.first_order.released import parse_released
from whence.reasoning.logic.program import Line
from whence.reasoning.logic.prover import Limits

pytest.importorskip("z3", reason="the extra `logic` is not installed")

ORDERING = """Domain:
1: leftmost
Variables:
a [IN] [1, 2, 3]
b [IN] [1, 2, 3]
c [IN] [1, 2, 3]
Constraints:
{}
AllDifferentConstraint([a, b, c]) ::: all differ
Query:
A) a == 1
B) b == 1
C) c == 1"""


def test_an_option_that_holds_in_every_order():
    solution = solve_ordering(ORDERING.format("a > b ::: a is right of b\nc == 3"))
    assert solution.answer == "B"
    assert any("a is right of b" in line for line in solution.evidence)


def test_contradictory_constraints_are_named():
    solution = solve_ordering(ORDERING.format("a > b\nb > a\nc == 1"))
    assert solution.answer is None
    assert [line.strip() for line in solution.evidence[1:]] == ["a > b", "b > a"]


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("a > d", "line 8, column 5", "a declared variable"),
        ("a == 1 or a == 2", "line 8, column 8", "the end of the line"),
        ("a 1", "line 8, column 3", "a comparison"),
        ("a == ?", "line 8, column 6", "a name, a number"),
    ],
)
def test_an_ordering_that_cannot_be_read(text, place, expected):
    with pytest.raises(LogicError) as caught:
        solve_ordering(ORDERING.format(text))
    assert caught.value.place == place
    assert caught.value.expected.startswith(expected)


COMPARISONS = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["<", ">", "==", "!=", "<=", ">="]),
    st.sampled_from("abc123"),
)


@given(st.lists(COMPARISONS, min_size=1, max_size=3))
@settings(deadline=None, max_examples=8)
def test_orderings_agree_with_trying_all(comparisons):
    text = "\n".join(" ".join(each) for each in comparisons)
    orders = []
    for order in permutations((1, 2, 3)):
        values = dict(zip("abc", order, strict=True)) | {"1": 1, "2": 2, "3": 3}
        tests = {
            "<": lambda x, y: x < y, ">": lambda x, y: x > y, "==": lambda x, y: x == y,
            "!=": lambda x, y: x != y, "<=": lambda x, y: x <= y, ">=": lambda x, y: x >= y,
        }  # fmt: skip
        if all(tests[sign](values[x], values[y]) for x, sign, y in comparisons):
            orders.append(values)
    first = {next(n for n in "abc" if values[n] == 1) for values in orders}
    expected = first.pop().upper() if len(first) == 1 else None
    assert solve_ordering(ORDERING.format(text)).answer == expected


def formula(text):
    return parse_formula(Line(text, "", 1, 1))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("A(x) ∧ B(x) → C(x)", "(A(x) ∧ B(x)) → C(x)"),
        ("A(x) → B(x) ∧ C(x)", "A(x) → (B(x) ∧ C(x))"),
        ("A(x) → B(x) → C(x)", "A(x) → (B(x) → C(x))"),
        ("¬A(x) ∨ B(x) ↔ C(x)", "((¬A(x)) ∨ B(x)) ↔ C(x)"),
        ("∀x (A(x)) → B(c)", "(∀x A(x)) → B(c)"),
        ("∀x A(x) → B(x)", "∀x (A(x) → B(x))"),
        ("∃x ∃y A(x, y)", "∃x, y A(x, y)"),
        ("a ≠ b", "¬(a = b)"),
        ("Old Dog(rex)", "Old Dog (rex)"),
    ],
)
def test_notation_binds_as_usual(text, same):
    assert formula(text) == formula(same)


@pytest.mark.parametrize("text", ["∀x (A(x) → ∃y B(x, y))", "A(f(x))", "a = b"])
def test_what_the_release_does_not_read(text):
    assert formula(text)
    with pytest.raises(LogicError):
        parse_released(Line(text, "", 1, 1))


def test_the_release_joins_all_connectives_from_the_left():
    read = parse_released(Line("Aa(cc) → Bb(cc) ∧ Dd(cc)", "", 1, 1))
    assert read.sign == "∧"
    assert read.left.sign == "→"


FOL = """Predicates:
Dog(x)
Premises:
∀x (Dog(x) → ∃y (Owns(y, x) ∧ Kind(y)))
∀x ∀y (Owns(x, y) → ¬Lonely(y)) ::: who has an owner is not lonely
Dog(rex)
Conclusion:
{}"""


@pytest.mark.parametrize(
    ("conclusion", "answer"),
    [
        ("¬Lonely(rex)", "A"),
        ("∃y Kind(y)", "A"),
        ("Lonely(rex)", "B"),
        ("Kind(rex)", "C"),
        ("rex = tom → Dog(tom)", "A"),
        ("Dog(tom) ⊕ Dog(tom)", "B"),
    ],
)
def test_entailment(conclusion, answer):
    assert solve_first_order(FOL.format(conclusion)).answer == answer


def test_premises_that_matter_are_cited_and_others_not():
    solution = solve_first_order(FOL.format("∃y Kind(y)"))
    assert len(solution.evidence) == 3
    assert not any("lonely" in line for line in solution.evidence)


SHAPES = st.recursive(
    st.sampled_from(["P(a)", "Q(a)", "R(b)"]),
    lambda inner: st.one_of(
        st.builds("¬{}".format, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from("∧∨→↔⊕"), inner),
    ),
    max_leaves=5,
)


def truth(node, world):
    kind = type(node).__name__
    if kind == "Relation":
        return world[f"{node.name}({node.terms[0].name})"]
    if kind == "Negation":
        return not truth(node.body, world)
    left, right = truth(node.left, world), truth(node.right, world)
    return {
        "∧": left and right, "∨": left or right, "→": not left or right,
        "↔": left == right, "⊕": left != right,
    }[node.sign]  # fmt: skip


@given(SHAPES, SHAPES)
@settings(deadline=None, max_examples=12)
def test_entailment_agrees_with_truth_tables(premise, conclusion):
    atoms = ["P(a)", "Q(a)", "R(b)"]
    worlds = [dict(zip(atoms, bits, strict=True)) for bits in product((True, False), repeat=3)]
    values = {truth(formula(conclusion), w) for w in worlds if truth(formula(premise), w)}
    # From a contradiction the conclusion follows, which is asked first.
    expected = "C" if len(values) == 2 else "A" if True in values or not values else "B"
    program = f"Premises:\n{premise}\nConclusion:\n{conclusion}"
    assert solve_first_order(program).answer == expected


SMT = """# Declarations
people = EnumSort([Ada, Ben, Cleo])
days = EnumSort([1, 2, 3])
visits = Function([people] -> [days])
likes = Function([people, people] -> [bool])
{}
# Constraints
Distinct([p:people], visits(p)) ::: each on a day of their own
visits(Ada) < visits(Ben)
Count([p:people], likes(Ada, p)) == 1
# Options
Question ::: which one?
{}"""


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (["is_valid(visits(Ada) == 1)", "is_sat(visits(Ada) == 1)"], "B"),
        (["is_sat(visits(Ada) == 3)", "is_unsat(visits(Ada) == 3)"], "B"),
        (["is_exception(is_sat(visits(Ben) == 1))"], "A"),
        (["is_valid(Exists([p:people], likes(Ada, p)))"], "A"),
        (["is_sat(And(likes(Ada, Ben), likes(Ada, Cleo)))", "is_valid(visits(Cleo) <= 3)"], "B"),
        (["is_accurate_list([visits(Ada) == 1, visits(Ada) == 2])"], "A"),
        (["is_valid(Sum([visits(Ada), visits(Ben), visits(Cleo)]) == 6)"], "A"),
        (["is_valid(ForAll([d:days], Exists([p:people], visits(p) == d)))"], "A"),
    ],
)
def test_the_first_option_that_holds(options, answer):
    lines = [f"{option} ::: ({letter})" for option, letter in zip(options, "ABCDE", strict=False)]
    assert solve_smt(SMT.format("", "\n".join(lines))).answer == answer


def test_constraints_among_declarations_count_but_not_in_the_release():
    text = SMT.format("visits(Cleo) == 1", "is_sat(visits(Ada) == 1)\nis_sat(visits(Ada) == 2)")
    assert solve_smt(text).answer == "B"
    assert solve_smt(text, "released").answer == "A"


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("is_sat(visits(Dov) == 1)", "a declared name"),
        ("is_sat(visits(Ada) == Ben)", "arguments whose sorts fit"),
        ("is_sat(visits(Ada, Ben) == 1)", "visits with 1 arguments"),
        ("is_sat(visits(Ada) == 1 and likes(Ada, Ben))", "',' or ')'"),
        ("is_sat(1 < visits(Ada) < 3)", "one comparison"),
        ("visits(Ada) == 1", "one of is_valid"),
        ("is_sat(__import__(Ada))", "a declared function"),
        ("is_sat(visits(Ada) == 7)", "an option that holds"),
    ],
)
def test_an_option_that_cannot_be_asked(option, expected):
    with pytest.raises(LogicError) as caught:
        solve_smt(SMT.format("", option))
    assert caught.value.expected.startswith(expected)


def test_work_is_limited_by_resources():
    pigeons = ", ".join(f"p{n}" for n in range(12))
    holes = ", ".join(f"h{n}" for n in range(11))
    text = (
        f"# Declarations\np = EnumSort([{pigeons}])\nh = EnumSort([{holes}])\n"
        "f = Function([p] -> [h])\n# Constraints\nDistinct([x:p], f(x))\n"
        "# Options\nis_sat(f(p0) == h0)"
    )
    with pytest.raises(LogicError, match="resource"):
        solve_smt(text, limits=Limits(resources=20_000))
