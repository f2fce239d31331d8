"""Graphs, walks and path ranking, against counting by hand and published counts."""

import itertools
import json

import numpy as np
import pytest

from whence.core.errors import GraphError
from whence.reasoning.paths import (
    Graph,
    MiningSettings,
    Rule,
    WalkSettings,
    aggregate,
    best_walks,
    graph_of,
    mine_rules,
    random_walks,
    read_graph,
    read_rules,
    score_heads,
    score_paths,
    with_inverses,
    write_rules,
    write_walks,
)
from whence.reasoning.paths import mining as mining_module
from whence.reasoning.paths.mining import logistic_weights

FAMILY = [
    ("ann", "parent", "bob"),
    ("ann", "parent", "bea"),
    ("bob", "parent", "cid"),
    ("bea", "parent", "coe"),
    ("ann", "grandparent", "cid"),
]


@pytest.fixture
def family():
    return graph_of(FAMILY, {"test": [("ann", "grandparent", "coe")]})


def random_graph(seed, entities=12, relations=3, edges=60):
    draw = np.random.default_rng(seed)
    rows = draw.integers((entities, relations, entities), size=(edges, 3))
    return graph_of([(f"e{h}", f"r{r}", f"e{t}") for h, r, t in rows])


def by_walking(graph, head, path):
    """The probability of each tail, walk by walk."""
    edges = graph.edges.tolist()
    found = {}

    def walk(entity, rest, probability):
        if not rest:
            found[entity] = found.get(entity, 0.0) + probability
            return
        out = [edge for edge in edges if edge[0] == entity]
        for _, relation, tail in out:
            if relation == rest[0]:
                walk(tail, rest[1:], probability / len(out))

    walk(head, path, 1.0)
    return found


def test_steps_are_those_of_a_uniform_walk(family):
    total = sum(step.toarray() for step in family.steps).sum(axis=1)
    assert total == pytest.approx([1, 1, 1, 0, 0])
    assert family.steps[0][family.entity("ann"), family.entity("bob")] == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(4))
def test_scores_agree_with_walking(seed):
    graph = random_graph(seed)
    rules = [Rule((0, 1), 2.0), Rule((0, 2), -1.0), Rule((1,), 0.5), Rule((0, 1, 1), 3.0)]
    heads = [0, 3, 5]
    for weighted in (True, False):
        scores = score_heads(graph, heads, rules, weighted=weighted)
        for row, head in enumerate(heads):
            expected = np.zeros(len(graph.entities))
            for rule in rules:
                for tail, probability in by_walking(graph, head, rule.path).items():
                    expected[tail] += (rule.weight if weighted else 1.0) * probability
            assert scores[row] == pytest.approx(expected)


def test_aggregation_is_a_distribution_of_known_form():
    shares = aggregate(np.array([[0.0, 0.01, 0.02]]))
    assert shares[0] == pytest.approx(np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum())


def test_inverse_relations_lead_back(family):
    both = with_inverses(family)
    assert both.relations == ("parent", "grandparent", "_parent", "_grandparent")
    assert len(both.edges) == 2 * len(FAMILY)
    back = both.steps[both.relation_numbers["_parent"]]
    assert back[both.entity("cid"), both.entity("bob")] == pytest.approx(1 / 2)


def test_the_likeliest_walk_explains(family):
    (walk,) = best_walks(family, 0, family.entity("coe"), [Rule((0, 0), 2.0)])
    assert [family.entities[e] for e in walk.entities] == ["ann", "bea", "coe"]
    assert walk.probability == pytest.approx(1 / 3)
    assert walk.share == pytest.approx(2 / 3)


def test_ranks_raw_and_filtered(family):
    score = score_paths(family, {1: (Rule((0, 0)),)})
    record = score.to_json()
    # cid and coe are equally probable; cid is in the graph, so the filter leaves it out.
    assert record["raw"]["mrr"] == pytest.approx(1 / 1.5)
    assert record["filtered"]["mrr"] == 1.0
    assert record["correct"] == 1


def test_saying_nothing_is_the_middle_rank(family):
    record = score_paths(family, {}).to_json()
    assert record["raw"]["mrr"] == pytest.approx(1 / 3)  # the third of five that are equal
    assert record["without_rules"] == 1


@pytest.mark.parametrize("dense", [0, 10_000])
def test_mined_counts_agree_with_walking(dense, monkeypatch):
    monkeypatch.setattr(mining_module, "_DENSE", dense)
    graph = random_graph(7)
    settings = MiningSettings(longest=2, fewest=2)
    for target, rules in mine_rules(graph, settings).items():
        edges = {(h, t) for h, r, t in graph.edges.tolist() if r == target}
        for rule in rules:
            reached = {h: by_walking(graph, h, rule.path) for h, _ in edges}
            assert rule.count == sum(t in reached[h] for h, t in edges)
        assert len(rules) == min(100, len(rules))


def test_mining_finds_the_rule_that_made_the_graph():
    draw = np.random.default_rng(0)
    parents = {f"x{k}": f"y{draw.integers(20)}" for k in range(60)}
    above = {f"y{k}": f"z{draw.integers(6)}" for k in range(20)}
    edges = [(a, "up", b) for a, b in {**parents, **above}.items()]
    edges += [(a, "near", f"x{draw.integers(60)}") for a in parents]
    told = [(a, "top", above[b]) for a, b in parents.items()]
    graph = graph_of(edges + told[:40], {"test": told[40:]})
    target = graph.relation_numbers["top"]
    rules = mine_rules(graph, MiningSettings(longest=2, fewest=5), [target])
    best = max(rules[target], key=lambda rule: rule.weight * rule.count)
    assert [graph.relations[r] for r in best.path] in (["up", "up"], ["top"])
    assert score_paths(graph, rules, counting="exact").to_json()["accuracy"] > 0.9


def test_logistic_weights_are_a_minimum():
    draw = np.random.default_rng(1)
    features = draw.random((50, 3))
    labels = features @ [2.0, -1.0, 0.0] + draw.normal(0, 0.3, 50) > 0.5
    weights = logistic_weights(features, labels, 1.0)
    signs = np.where(labels, 1.0, -1.0)

    def loss(w):
        # The constant is free: the best one by looking at many.
        constants = np.linspace(-5, 5, 2001)[:, None]
        margins = signs * (features @ w + constants)
        return (np.logaddexp(0, -margins).sum(axis=1)).min() + 0.5 * w @ w

    around = [loss(weights + step) for step in 0.05 * np.vstack([np.eye(3), -np.eye(3)])]
    assert loss(weights) < min(around)


def test_rules_are_written_with_names_and_read_again(family, tmp_path):
    rules = {1: (Rule((0, 0), 1.5, 12), Rule((0,), 0.5, 3))}
    write_rules(tmp_path / "rules.json", rules, family)
    assert "parent parent" in (tmp_path / "rules.json").read_text()
    assert set(read_rules(tmp_path / "rules.json", family)[1]) == set(rules[1])
    assert read_rules(tmp_path / "rules.json", family, longest=1) == {1: (Rule((0,), 0.5, 3),)}


def test_released_rules_speak_in_numbers(family, tmp_path):
    (tmp_path / "r.json").write_text(
        '{"1": {"(0, 0)": {"count": 3, "weight": 0.5}, "(1,)": {"weight": 2}}}'
    )
    assert read_rules(tmp_path / "r.json", family)[1] == (Rule((0, 0), 0.5, 3), Rule((1,), 2.0, 0))


@pytest.mark.parametrize(
    "text", ["[", "[]", '{"9": {}}', '{"1": {"(0, 7)": {"weight": 1}}}', '{"1": {"(0,)": {}}}']
)
def test_rules_of_another_form(text, family, tmp_path):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(GraphError):
        read_rules(tmp_path / "r.json", family)


def test_a_line_that_is_no_triple(tmp_path):
    (tmp_path / "graph.txt").write_text("a\tb\tc\na b c\n")
    with pytest.raises(GraphError, match="line 2"):
        read_graph(tmp_path)


def test_walks_follow_edges_and_keep_to_their_length(family):
    edges = set(FAMILY)
    seen = set()
    for walk in random_walks(family, WalkSettings(walks=200, longest=2, seed=1)):
        triples = [tuple(t.split()) for t in walk.text.split(" .") if t.strip()]
        assert 1 <= len(triples) <= 2
        assert all(triple in edges for triple in triples)
        assert all(a[2] == b[0] for a, b in itertools.pairwise(triples))
        seen.update(triples)
    assert seen == edges


def test_walks_become_a_corpus_of_one_token_a_name(family, tmp_path):
    from whence.corpus import BuildSettings, build_corpus

    write_walks(family, tmp_path / "walks", WalkSettings(walks=30, longest=3))
    lines = (tmp_path / "walks" / "walks.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    settings = BuildSettings(tokenizer=str(tmp_path / "walks" / "tokenizer"))
    corpus = build_corpus([str(tmp_path / "walks" / "walks.jsonl")], tmp_path / "corpus", settings)
    assert corpus.n_documents == 30
    assert corpus.n_tokens == sum(len(row["text"].split()) for row in rows)


def test_memory_stays_sparse_on_a_graph_of_75_thousand_entities():
    import tracemalloc

    draw = np.random.default_rng(0)
    size, kinds, count = 75_000, 100, 100_000
    rows = draw.integers((size, kinds, size), size=(count, 3))
    names = tuple(f"e{n}" for n in range(size))
    asked = tuple((h, r, t) for h, r, t in rows[:20].tolist())
    graph = Graph(names, tuple(f"r{n}" for n in range(kinds)), rows, {"test": asked})
    tracemalloc.start()
    rules = mine_rules(graph, MiningSettings(longest=2, fewest=2, heads=200), [0])
    score_paths(graph, {0: (Rule((1, 2)), Rule((0,)), *rules.get(0, ()))})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6  # one dense matrix of this size would be 45 GB


COUNTRIES = {2: (21, 21), 3: (13, 2), 4: (21, 16), 7: (21, 1), 9: (21, 0), 10: (21, 0)}


@pytest.mark.parametrize(("longest", "counts"), COUNTRIES.items())
def test_published_counts_of_countries(longest, counts, real_data):
    folder = real_data / "kg" / "countries_S3"
    graph = read_graph(folder)
    rules = read_rules(folder / f"rule_probs_mat/{longest}/rules_with_weights.json", graph)
    found = [score_paths(graph, rules, weighted=w).to_json()["correct"] for w in (True, False)]
    assert tuple(found) == counts


@pytest.mark.parametrize(("longest", "counts"), [(1, (77, 77)), (3, (169, 158)), (8, (144, 168))])
def test_published_counts_of_umls(longest, counts, real_data):
    """The best weighted is N = 3, 46.7 %; the best unweighted N = 8, 46.4 %."""
    folder = real_data / "kg" / "umls"
    graph = read_graph(folder)
    rules = read_rules(folder / f"rule_probs_mat/{longest}/rules_with_weights.json", graph)
    found = [score_paths(graph, rules, weighted=w).to_json() for w in (True, False)]
    assert tuple(record["correct"] for record in found) == counts
    assert found[0]["queries"] == 362


def test_mined_counts_equal_the_released_ones(real_data):
    folder = real_data / "kg" / "umls"
    graph = read_graph(folder)
    released = read_rules(folder / "rule_probs_mat/2/rules_with_weights.json", graph)
    mined = mine_rules(graph, MiningSettings(longest=2, most=10_000))
    compared = 0
    for target, rules in released.items():
        counts = {rule.path: rule.count for rule in mined.get(target, ())}
        for rule in rules:
            if rule.count >= 11:
                assert counts[rule.path] == rule.count
                compared += 1
    assert compared > 1000
