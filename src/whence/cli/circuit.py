"""`whence circuit`: which parts of a model, or edges between them, carry a behavior."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.cli.output import check_output, print_json, print_table, save
from whence.core.errors import BehaviorError

if TYPE_CHECKING:
    from whence.core import Behavior
    from whence.models import Model

_SHOWN = 20


def circuit(
    source: Annotated[str, typer.Argument(metavar="MODEL", help="A run, checkpoint or name.")],
    prompt: Annotated[str | None, typer.Argument(help="Text that the model continues.")] = None,
    target: Annotated[str | None, typer.Option(help="Continuation; else the model's own.")] = None,
    foil: Annotated[str | None, typer.Option(help="What it is compared with.")] = None,
    other: Annotated[
        str | None, typer.Option(help="Another prompt of as many tokens; what it gives is put in.")
    ] = None,
    swap: Annotated[
        str | None,
        typer.Option(help="Make it by words of as many tokens: Ada=Eve,... or a file of words."),
    ] = None,
    behaviors: Annotated[
        Path | None, typer.Option(help='JSONL of one task; with "other" beside "prompt".')
    ] = None,
    replacement: Annotated[
        str | None,
        typer.Option(
            help="What is put in without --other: mean or resample (both of documents), or zero "
            "(default: mean, or zero where there are no documents)."
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option(help="How often activations are drawn, for resample.")
    ] = 8,
    corpus: Annotated[
        Path | None, typer.Option(help="Documents, for means and resampling.")
    ] = None,
    of: Annotated[
        str, typer.Option(help="edge, or some of head,mlp,layer,neuron,stream.")
    ] = "edge",
    positions: Annotated[
        str, typer.Option(help="Tokens of the prompt: 0,4,-1, or all for each on its own.")
    ] = "",
    apart: Annotated[bool, typer.Option("--apart", help="Each part at each token alone.")] = False,
    way: Annotated[
        str, typer.Option(help="auto, exact, eap, eap-ig, patching or prune (ACDC).")
    ] = "auto",
    routes: Annotated[
        bool, typer.Option("--routes", help="Information-flow routes: shares, nothing removed.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(help="Of prune: nats of divergence (0.01). Of --routes: a share (0.04)."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Of EAP-IG.")] = 5,
    enough: Annotated[float, typer.Option(help="Faithfulness at which the circuit ends.")] = 0.9,
    memory: Annotated[
        int | None, typer.Option(help="MiB beyond the model; the batch follows from it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of random orders beside it.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="page.html or record.json")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record.")] = False,
) -> None:
    """Find the edges or parts that carry a behavior, replace all others, and see what survives.

    Without --other, what is taken away is replaced by its mean over documents, or by nothing
    where there are none; with --replacement resample by what stretches of documents give, drawn
    several times.
    """
    given = {"way": way, "steps": steps, "enough": enough, "seed": seed, "apart": apart}
    asked, others = _asked(prompt, target, foil, other, behaviors)
    check_output(output)
    if routes:
        _routes(source, corpus, asked, threshold, output, as_json)
        return
    given |= {} if threshold is None else {"threshold": threshold}
    given |= {"memory": None if memory is None else memory << 20}
    given |= {"replacement": replacement, "resamples": resamples}
    made = _Others(others, swap, seed)
    _circuit(source, corpus, asked, made, (of, positions, given), output, as_json)


@dataclass(frozen=True)
class _Others:
    """Other prompts: given, or made of swapped words."""

    given: dict[str, str]
    swap: str | None
    seed: int

    @property
    def asked(self) -> bool:
        return bool(self.given) or self.swap is not None

    def prompts(self, model: Model, asked: list[Behavior]) -> dict[str, str]:
        from whence.interventions import other_prompts

        if self.swap is None:
            return self.given
        if self.given:
            raise BehaviorError(
                "--swap",
                expected="other prompts, or words to make them by",
                got="both",
                fix="Leave one of them out.",
            )
        if "=" in self.swap:
            pairs = [pair.partition("=")[::2] for pair in self.swap.split(",")]
            return other_prompts(model, asked, swaps={a.strip(): b.strip() for a, b in pairs})
        words = _words(Path(self.swap))
        return other_prompts(model, asked, words=words, seed=self.seed)


def _words(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BehaviorError(
            f"--swap {path}",
            expected="WORD=OTHER, or a file with a word a line",
            got=str(error),
            fix="Name words of the prompt, or such a file.",
        ) from None


def _circuit(
    source: str,
    corpus: Path | None,
    asked: list[Behavior],
    made: _Others,
    how: tuple[str, str, dict[str, Any]],
    output: Path | None,
    as_json: bool,
) -> None:
    from whence.explain import CircuitSettings, circuit_page, find_circuit, open_subject
    from whence.explain.circuits import all_positions

    of, positions, given = how
    parts = tuple(name.strip() for name in of.split(","))
    everywhere = positions.strip() == "all"
    chosen = None if everywhere else _positions(positions)
    settings = CircuitSettings(parts=parts, positions=chosen, **given)
    subject = open_subject(source, corpus, needs_corpus=not made.asked)
    others = made.prompts(subject.model, asked)
    if everywhere:
        every = all_positions(subject.model, asked)
        settings = replace(settings, positions=every, apart=not settings.of_edges)
    record = find_circuit(subject, asked, others=others, settings=settings)
    if output is not None:
        save(record, output, circuit_page)
    if as_json:
        print_json(record)
    else:
        _print(record)


def _routes(
    source: str,
    corpus: Path | None,
    asked: list[Behavior],
    threshold: float | None,
    output: Path | None,
    as_json: bool,
) -> None:
    from whence.explain import find_routes, open_subject, routes_page

    subject = open_subject(source, corpus, needs_corpus=False)
    record = find_routes(subject, asked, **({} if threshold is None else {"threshold": threshold}))
    if output is not None:
        save(record, output, routes_page)
    if as_json:
        print_json(record)
        return
    for graph in record["graphs"]:
        told = graph["behavior"]
        typer.echo(f"{told['prompt']} -> {told['target']!r}: {len(graph['edges'])} edges, shares:")
        print_table(
            ["part", "flow"], [[p["id"], f"{p['flow']:.3f}"] for p in graph["parts"][:_SHOWN]]
        )
        best = sorted(graph["tokens"], key=lambda token: -token["flow"])[:5]
        typer.echo("tokens: " + ", ".join(f"{t['text']!r} {t['flow']:.2f}" for t in best))


def _positions(text: str) -> tuple[int, ...] | None:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip()) or None
    except ValueError:
        raise BehaviorError(
            "--positions",
            expected="numbers of tokens with commas between them, or all",
            got=text,
            fix="Try -1, the last token of the prompt.",
        ) from None


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
        f"{len(record['members'])} of {record['causes_in_all']} {record['of']} "
        f"({record['method']}: {record['why']}): "
        f"faithfulness {record['faithfulness']:.2f}, {values['everything']:+.2f} nats whole, "
        f"{values['circuit']:+.2f} in the circuit alone, {values['nothing']:+.2f} with nothing; "
        f"incompleteness {record['incompleteness']:.2f} nats"
    )
    typer.echo(
        f"CPR {area['cpr']:.3f} (95 % {low:.3f} to {high:.3f}), CMD {area['cmd']:.3f}; "
        f"random orders: CPR {min(random):.3f} to {max(random):.3f}"
    )
    rows = [
        [
            member["id"],
            _nats(member["predicted"]),
            _nats(member["measured"], member["measured_error"]),
            _nats(member["needed"]),
        ]
        for member in record["members"][:_SHOWN]
    ]
    print_table([record["of"][:-1], "predicted", "measured alone", "in the circuit"], rows)
    if len(record["members"]) > _SHOWN:
        typer.echo(f"... and {len(record['members']) - _SHOWN} more (-o page.html shows all)")


def _nats(value: float | None, error: float | None = None) -> str:
    told = "" if value is None else f"{value:+.3f}"
    return told if error is None else f"{told} ± {error:.3f}"
