"""Problems that are made: proofs that hold, classes of graphs that are complete."""

import subprocess
import sys
from itertools import combinations, product

import pytest

from whence.core.errors import LogicError
from whence.reasoning.logic import (
    PuzzleSettings,
    causal_problems,
    equivalence_classes,
    puzzles,
    score_programs,
)
from whence.reasoning.logic.causation import (
    CLAIMS,
    Claim,
    dags,
    follows,
    independencies,
    separated,
)
from whence.reasoning.logic.chaining import chain
from whence.reasoning.logic.rules import Atom, parse_rules


@pytest.mark.parametrize(("depth", "distractors"), [(1, 0), (1, 4), (3, 0), (5, 6)])
def test_the_solver_agrees_with_every_puzzle(depth, distractors):
    made = list(puzzles(15, PuzzleSettings(depth, distractors, seed=3)))
    record = score_programs([puzzle.problem() for puzzle in made], "ProntoQA").to_json()
    assert record["correct_executed"] == 15
    assert {puzzle.answer for puzzle in made} == {"A", "B"}


def test_the_proof_is_the_shortest_and_is_told():
    for puzzle in puzzles(8, PuzzleSettings(4, 5)):
        assert len(puzzle.proof) == puzzle.depth + 1
        assert all(step in puzzle.statements for step in puzzle.proof)
        program = parse_rules(puzzle.program)
        known = chain(program.facts, program.rules)
        (reached,) = known.about(program.query.predicate, program.query.things)
        rules = 0
        current: Atom = reached
        while known.step(current).premises:
            assert known.step(current).line.text == puzzle.proof[puzzle.depth - rules].logic
            (current,) = known.step(current).premises
            rules += 1
        assert rules == puzzle.depth


def test_the_property_is_also_elsewhere_with_the_other_value():
    for puzzle in puzzles(8, PuzzleSettings(3, 2)):
        name = parse_rules(puzzle.program).query.predicate
        values = {s.logic.rsplit(" ", 1)[1] for s in puzzle.statements if f">>> {name}(" in s.logic}
        assert values == {"True)", "False)"}


def test_equal_seeds_give_equal_puzzles():
    one, same, other = (list(puzzles(5, PuzzleSettings(seed=s))) for s in (1, 1, 2))
    assert one == same
    assert one != other


def test_a_puzzle_without_depth_is_refused():
    with pytest.raises(LogicError):
        PuzzleSettings(depth=0)


@pytest.mark.parametrize(
    ("variables", "graphs", "classes"), [(2, 3, 2), (3, 25, 11), (4, 543, 185)]
)
def test_known_counts_of_graphs_and_classes(variables, graphs, classes):
    found = equivalence_classes(variables)
    assert (sum(map(len, found)), len(found)) == (graphs, classes)


def test_known_counts_for_five_variables():
    # In a process of its own, without the type checker of the tests.
    code = (
        "from whence.reasoning.logic import equivalence_classes\n"
        "found = equivalence_classes(5)\n"
        "print(sum(map(len, found)), len(found))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["29281", "8782"]


@pytest.mark.parametrize("variables", [3, 4])
def test_equivalent_graphs_have_equal_independencies_and_others_have_not(variables):
    classes = equivalence_classes(variables)
    told = [{independencies(dag) for dag in members} for members in classes]
    assert all(len(each) == 1 for each in told)
    assert len(set().union(*told)) == len(classes)


def open_path(dag, left, right, given):
    """d-separation by its definition: some path on which nothing blocks."""
    count = len(dag)
    below = {v: {v} for v in range(count)}
    for _ in range(count):
        for v, w in product(range(count), repeat=2):
            if dag[w] >> v & 1:
                below[v] |= below[w]

    def joined(a, b):
        return dag[a] >> b & 1 or dag[b] >> a & 1

    def walk(path):
        if path[-1] == right:
            for a, b, c in zip(path, path[1:], path[2:], strict=False):
                collider = dag[b] >> a & 1 and dag[b] >> c & 1
                if collider and not below[b] & set(given):
                    return False
                if not collider and b in given:
                    return False
            return True
        return any(walk([*path, v]) for v in range(count) if v not in path and joined(path[-1], v))

    return walk([left])


def test_separation_agrees_with_its_definition():
    for number, dag in enumerate(dags(4)):
        if number % 29:
            continue
        for left, right in combinations(range(4), 2):
            rest = [v for v in range(4) if v not in (left, right)]
            for size in range(3):
                for given in combinations(rest, size):
                    assert separated(dag, left, right, given) != open_path(dag, left, right, given)


def test_separation_agrees_with_networkx():
    networkx = pytest.importorskip("networkx")
    for number, dag in enumerate(dags(4)):
        if number % 17:
            continue
        graph = networkx.DiGraph([(a, b) for b in range(4) for a in range(4) if dag[b] >> a & 1])
        graph.add_nodes_from(range(4))
        for left, right in combinations(range(4), 2):
            rest = [v for v in range(4) if v not in (left, right)]
            for given in ((), (rest[0],), (rest[1],), tuple(rest)):
                apart = networkx.is_d_separator(graph, {left}, {right}, set(given))
                assert separated(dag, left, right, given) == apart


def test_answers_agree_with_looking_at_every_graph():
    """A claim follows when no graph of the same independencies denies it, by networkx alone."""
    networkx = pytest.importorskip("networkx")
    graphs = []
    for dag in dags(3):
        graph = networkx.DiGraph([(a, b) for b in range(3) for a in range(3) if dag[b] >> a & 1])
        graph.add_nodes_from(range(3))
        graphs.append(graph)

    def told(graph):
        return frozenset(
            (a, b, given)
            for a, b in combinations(range(3), 2)
            for given in ((), (3 - a - b,))
            if networkx.is_d_separator(graph, {a}, {b}, set(given))
        )

    def holds(graph, kind, a, b):
        direct, back = graph.has_edge(a, b), graph.has_edge(b, a)
        ways = {"indirect cause": (a, b, direct), "indirect effect": (b, a, back)}
        if kind in ways:
            start, end, joined = ways[kind]
            return networkx.has_path(graph, start, end) and not joined
        common = graph.pred if kind == "common cause" else graph.succ
        if kind.startswith("common"):
            return bool(set(common[a]) & set(common[b]))
        return direct if kind == "cause" else back

    for problem in causal_problems(40, 3, seed=5):
        known = frozenset((e.left, e.right, e.given) for e in problem.independencies)
        alike = [graph for graph in graphs if told(graph) == known]
        claim = problem.claim
        assert problem.graphs == len(alike)
        assert problem.follows == all(holds(g, claim.kind, claim.left, claim.right) for g in alike)


def test_claims_on_graphs_that_are_known():
    collider = next(m for m in equivalence_classes(3) if m == ((0, 0, 3),))
    assert follows(Claim("cause", 0, 2), collider)
    assert follows(Claim("common effect", 0, 1), collider)
    chain_class = next(m for m in equivalence_classes(3) if (0, 1, 2) in m)
    assert len(chain_class) == 3
    assert not any(follows(Claim(kind, 0, 2), chain_class) for kind in CLAIMS)


def test_causal_problems_have_both_answers_and_say_everything():
    made = list(causal_problems(20, 4, seed=1))
    assert {problem.follows for problem in made} == {True, False}
    assert made == list(causal_problems(20, 4, seed=1))
    for problem in made:
        assert problem.text.endswith("?")
        assert problem.text.count("are independent") == len(problem.independencies)
