"""A small family: grandparents found by paths."""

from pathlib import Path

from whence.reasoning.paths import (
    MiningSettings,
    WalkSettings,
    best_walks,
    graph_of,
    mine_rules,
    score_paths,
    write_walks,
)

people = [(f"old{n}", f"mid{n}", f"young{n}") for n in range(12)]
parents = [
    pair for old, mid, young in people for pair in ((old, "parent", mid), (mid, "parent", young))
]
grand = [(old, "grandparent", young) for old, _, young in people]
graph = graph_of(parents + grand[:9], {"test": grand[9:]})

target = graph.relation_numbers["grandparent"]
rules = mine_rules(graph, MiningSettings(longest=2, fewest=3), [target])
for rule in rules[target]:
    print(" ".join(graph.relations[each] for each in rule.path), f"leads to {rule.count} edges")

score = score_paths(graph, rules)
print(score.to_json()["correct"], "of", score.to_json()["queries"], "queries right")
for answer in score.answers[:1]:
    for walk in best_walks(graph, answer.head, answer.answer, rules[target]):
        print(
            " -> ".join(graph.entities[each] for each in walk.entities), f"{walk.probability:.2f}"
        )

write_walks(graph, Path("walks"), WalkSettings(walks=100, longest=3))
print(Path("walks/walks.jsonl").read_text().splitlines()[0])
