"""`whence solve paths`: answers to the queries of a knowledge graph, by paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from whence.reasoning.paths import Graph, PathScore, RuleSet

Option = typer.Option
_SHOWN = 10


def paths(
    graph_dir: Annotated[
        Path, typer.Argument(metavar="GRAPH_DIR", help="Folder with graph.txt and test.txt.")
    ],
    max_length: Annotated[int, Option(min=1, help="Most relations in a rule.")],
    rules: Annotated[
        Path | None, Option(help="Rules with weights; without it they are found in the graph.")
    ] = None,
    split: Annotated[str, Option(help="Which triples to answer: test or dev.")] = "test",
    unweighted: Annotated[bool, Option("--unweighted", help="Every rule counts the same.")] = False,
    inverse: Annotated[
        bool, Option("--inverse", help="Walk edges backwards too, as relations of their own.")
    ] = False,
    save_rules: Annotated[Path | None, Option(help="Write the rules to this JSON file.")] = None,
    walks: Annotated[
        Path | None, Option(help="Write random walks of this length to a new folder, and stop.")
    ] = None,
    count: Annotated[int, Option(min=1, help="Number of --walks.")] = 10_000,
    seed: Annotated[int, Option(help="Of walks, and of pairs that are not edges.")] = 0,
    as_json: Annotated[
        bool, Option("--json", help="Print one JSON record and nothing else.")
    ] = False,
) -> None:
    """Rank the tails of queries by the paths that lead to them; each answer says which."""
    from whence.cli.output import print_json
    from whence.reasoning.paths import (
        MiningSettings,
        WalkSettings,
        mine_rules,
        read_graph,
        read_rules,
        score_paths,
        with_inverses,
        write_rules,
        write_walks,
    )

    graph = read_graph(graph_dir)
    graph = with_inverses(graph) if inverse else graph
    if walks is not None:
        write_walks(graph, walks, WalkSettings(count, max_length, seed))
        typer.echo(f"written: {walks}", err=True)
        return
    known: RuleSet
    if rules is None:
        asked = sorted({relation for _, relation, _ in graph.splits.get(split, ())})
        known = mine_rules(graph, MiningSettings(longest=max_length, seed=seed), asked)
    else:
        known = read_rules(rules, graph, max_length)
    if save_rules is not None:
        write_rules(save_rules, known, graph)
        typer.echo(f"written: {save_rules}", err=True)
    score = score_paths(graph, known, split, weighted=not unweighted)
    record = {"max_length": max_length, "weighted": not unweighted, **score.to_json()}
    if as_json:
        print_json(record | {"answers": _answers(score, graph, known)})
    else:
        _tell(record, _answers(score, graph, known, _SHOWN))


def _answers(
    score: PathScore, graph: Graph, rules: RuleSet, most: int | None = None
) -> list[dict[str, Any]]:
    from whence.reasoning.paths import best_walks

    told = []
    for answer in score.answers[:most]:
        known = rules.get(answer.relation, ())
        walks = best_walks(graph, answer.head, answer.answer, known) if known else ()
        told.append(
            {
                "head": graph.entities[answer.head],
                "relation": graph.relations[answer.relation],
                "right": [graph.entities[tail] for tail in answer.right],
                "answer": graph.entities[answer.answer],
                "correct": score.correct(answer),
                "score": answer.score,
                "paths": [
                    {
                        "rule": [graph.relations[each] for each in walk.rule.path],
                        "share": walk.share,
                        "walk": [graph.entities[each] for each in walk.entities],
                        "probability": walk.probability,
                    }
                    for walk in walks
                ],
            }
        )
    return told


def _tell(record: dict[str, Any], answers: list[dict[str, Any]]) -> None:
    from whence.cli.output import print_table

    for answer in answers:
        verdict = "right" if answer["correct"] else f"wrong: {', '.join(answer['right'])}"
        typer.echo(f"{answer['head']} {answer['relation']}? {answer['answer']} ({verdict})")
        for path in answer["paths"]:
            typer.echo(f"  {_line(path)}")
    typer.echo(
        f"{record['correct']:,} of {record['queries']:,} queries correct "
        f"({100 * record['accuracy']:.1f} %), {record['without_rules']:,} of them without a rule"
    )
    ranks = [
        [name, f"{found['mrr']:.3f}", *(f"{found[f'hits@{k}']:.3f}" for k in (1, 3, 10))]
        for name, found in (("raw", record["raw"]), ("filtered", record["filtered"]))
    ]
    print_table(["ranks", "MRR", "hits@1", "hits@3", "hits@10"], ranks)


def _line(path: dict[str, Any]) -> str:
    steps = [path["walk"][0]]
    for relation, entity in zip(path["rule"], path["walk"][1:], strict=True):
        steps += [f"-{relation}->", entity]
    return f"{path['share']:.4f}  {' '.join(steps)}"
