"""`whence circuit`: which edges between a model's parts carry a behavior."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.cli.output import check_output, print_json, print_table, save
from whence.core.errors import BehaviorError

if TYPE_CHECKING:
    from whence.core import Behavior

_SHOWN = 20


def circuit(
    source: Annotated[str, typer.Argument(metavar="MODEL", help="A run, checkpoint or name.")],
    prompt: Annotated[str | None, typer.Argument(help="Text that the model continues.")] = None,
    target: Annotated[
        str | None, typer.Option(help="Continuation (default: the model's own).")
    ] = None,
    foil: Annotated[str | None, typer.Option(help="What it is compared with.")] = None,
    other: Annotated[
        str | None,
        typer.Option(help="Another prompt of as many tokens; edges carry what it gives instead."),
    ] = None,
    behaviors: Annotated[
        Path | None,
        typer.Option(help='JSONL of one task; "other" beside "prompt" is the other prompt.'),
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="Documents, for means.")] = None,
    way: Annotated[str, typer.Option(help="auto, exact, eap or eap-ig.")] = "auto",
    steps: Annotated[int, typer.Option(help="Of EAP-IG.")] = 5,
    enough: Annotated[float, typer.Option(help="Faithfulness at which the circuit ends.")] = 0.9,
    seed: Annotated[int, typer.Option(help="Of random orders beside it.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="page.html or record.json")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record.")] = False,
) -> None:
    """Find the edges that carry a behavior, cut everything else, and see what survives.

    Without --other, what edges carry is replaced by its mean over documents, or by nothing where
    there are none.
    """
    check_output(output)
    from whence.explain import CircuitSettings, circuit_page, find_circuit, open_subject

    settings = CircuitSettings(way=way, steps=steps, enough=enough, seed=seed)  # type: ignore[arg-type]
    asked, others = _asked(prompt, target, foil, other, behaviors)
    subject = open_subject(source, corpus, needs_corpus=not others)
    record = find_circuit(subject, asked, others=others, settings=settings)
    if output is not None:
        save(record, output, circuit_page)
    if as_json:
        print_json(record)
    else:
        _print(record)


def _asked(
    prompt: str | None,
    target: str | None,
    foil: str | None,
    other: str | None,
    path: Path | None,
) -> tuple[list[Behavior], dict[str, str]]:
    from whence.core import Behavior

    if (prompt is None) == (path is None):
        raise BehaviorError(
            "PROMPT",
            expected="a prompt, or --behaviors FILE",
            got="both" if prompt is not None else "neither",
            fix="Give one of them.",
        )
    if prompt is not None:
        return [Behavior(prompt, target, foil)], {} if other is None else {prompt: other}
    assert path is not None
    return _read(path)


def _read(path: Path) -> tuple[list[Behavior], dict[str, str]]:
    """Behaviors, one a line, each with the other prompt that belongs to it, or none of them."""
    from whence.core import Behavior

    asked, others = [], {}
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        for number, line in enumerate(lines, start=1):
            other = line.pop("other", None)
            asked.append(Behavior.from_json(line, f"{path}, line {number}"))
            if isinstance(other, str):
                others[asked[-1].prompt] = other
    except (OSError, ValueError, AttributeError) as error:
        raise BehaviorError(
            str(path),
            expected="JSONL of behaviors",
            got=str(error),
            fix='Write one object a line: {"prompt": ..., "target": ..., "other": ...}.',
        ) from None
    if not asked or (others and len(others) < len({b.prompt for b in asked})):
        raise BehaviorError(
            str(path),
            expected='at least one behavior, and "other" in every line or in none',
            got=f"{len(asked)} behaviors, {len(others)} other prompts",
            fix="Give each prompt another one of as many tokens.",
        )
    return asked, others


def _print(record: dict[str, Any]) -> None:
    values, area = record["values"], record["curve"]
    low, high = area["cpr_interval"]
    random = [c["cpr"] for c in record["baselines"]]
    typer.echo(
        f"{len(record['edges'])} of {record['edges_in_all']} edges ({record['method']}): "
        f"faithfulness {record['faithfulness']:.2f}, {values['everything']:+.2f} nats whole, "
        f"{values['circuit']:+.2f} in the circuit alone, {values['nothing']:+.2f} with all cut; "
        f"incompleteness {record['incompleteness']:.2f} nats"
    )
    typer.echo(
        f"CPR {area['cpr']:.3f} (95 % {low:.3f} to {high:.3f}), CMD {area['cmd']:.3f}; "
        f"random orders: CPR {min(random):.3f} to {max(random):.3f}"
    )
    rows = [
        [edge["edge"], *(_nats(edge[k]) for k in ("predicted", "measured", "needed"))]
        for edge in record["edges"][:_SHOWN]
    ]
    print_table(["edge", "predicted", "measured alone", "in the circuit"], rows)
    if len(record["edges"]) > _SHOWN:
        typer.echo(f"... and {len(record['edges']) - _SHOWN} more (-o page.html shows all)")


def _nats(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"
