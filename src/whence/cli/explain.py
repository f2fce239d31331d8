"""`whence explain`: the main job from the command line."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.core.errors import BehaviorError, PlanError
from whence.core.records import MANIFEST, canonical, full_disk_is_an_error, read_json

if TYPE_CHECKING:
    from whence.core import Behavior
    from whence.explain import Estimate, Explanation, Plan


def explain(
    source: Annotated[
        str,
        typer.Argument(metavar="RUN_OR_MODEL", help="A run's folder, or a model's or its name."),
    ],
    prompt: Annotated[str | None, typer.Argument(help="What the model is given.")] = None,
    target: Annotated[
        str | None, typer.Option(help="The continuation to explain; else the model's own answer.")
    ] = None,
    foil: Annotated[str | None, typer.Option(help="The continuation it is compared with.")] = None,
    behaviors: Annotated[
        Path | None,
        typer.Option(help='JSONL of {"prompt", "target", "foil"} in place of a prompt.'),
    ] = None,
    token_by_token: Annotated[
        bool, typer.Option("--token-by-token", help="Explain each token of the model's answer.")
    ] = False,
    by: Annotated[
        str | None, typer.Option(help="Kinds of cause: documents,components,tokens.")
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Documents to look up, for a model without a run.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Seconds for documents; decides the plan (default: 600).")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="Carry out the plan of this record (JSON) again.")
    ] = None,
    through_run: Annotated[
        bool | None,
        typer.Option(
            "--through-run/--no-through-run",
            help="Differentiate through the whole recorded training (default: if the budget "
            "allows).",
        ),
    ] = None,
    integrate: Annotated[
        int,
        typer.Option(
            help="Integrate that derivative over the way to the set's absence, at so many points."
        ),
    ] = 0,
    memory: Annotated[
        int | None,
        typer.Option(help="MiB beyond the model: batches, and what the derivative keeps (1024)."),
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of document scores to test in place of our own."),
    ] = None,
    top_documents: Annotated[int, typer.Option(help="Documents removed together.")] = 10,
    groups: Annotated[
        str, typer.Option(help="Documents as one cause: near-duplicates, or field:NAME.")
    ] = "",
    embedding: Annotated[
        bool,
        typer.Option(
            "--embedding",
            help="Also rank documents by the model's own states: one pass over the corpus. "
            "With a run it is done anyway where the budget is large enough.",
        ),
    ] = False,
    encoder: Annotated[
        str | None,
        typer.Option(help="Also rank documents by this sentence encoder, a folder or a name."),
    ] = None,
    components: Annotated[
        str | None,
        typer.Option(help="Units inside the model: head,mlp (the usual), layer or stream."),
    ] = None,
    circuit: Annotated[
        bool | None,
        typer.Option(
            "--circuit/--no-circuit",
            help="Also look for the edges that carry it, and draw them (default: where cheap).",
        ),
    ] = None,
    other_prompt: Annotated[
        str | None, typer.Option(help="Replace activations by those on this prompt.")
    ] = None,
    unit: Annotated[
        str,
        typer.Option(help="What a token cause is: token, word, sentence, demonstration or turn."),
    ] = "token",
    spans: Annotated[
        Path | None,
        typer.Option(help="JSON list of [start, end): characters of the prompt as causes instead."),
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Between demonstrations (default: blank lines, or lines).")
    ] = None,
    removal: Annotated[
        str,
        typer.Option(
            help="Of tokens: drop, drop-keep-positions, mask, replace, sample (from the model's "
            "own predictions) or sample-ngrams (from the corpus)."
        ),
    ] = "drop",
    neutral: Annotated[
        str | None, typer.Option(help="The token that stands there, for replace and mask.")
    ] = None,
    draws: Annotated[int, typer.Option(help="How often is drawn, for sample and resample.")] = 4,
    baseline: Annotated[
        str, typer.Option(help="Of integrated gradients: mean, zero or neutral.")
    ] = "mean",
    replacement: Annotated[
        str,
        typer.Option(
            help="Of components' activations: mean, resample (both of documents) or zero."
        ),
    ] = "mean",
    seeds: Annotated[
        int,
        typer.Option(help="Average documents over this many seeds (this recipe, not this run)."),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of controls and references.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Training replays at a time.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="report.html or record.json; a folder for several."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record.")] = False,
) -> None:
    """Explain a behavior by documents, components and prompt tokens, and test each answer.

    The cost is estimated and shown first. Documents are tested by training again without
    them, as far as the budget reaches.
    """
    from whence.attribution.inputs import BASELINES
    from whence.core import Scores
    from whence.explain import Plan, explain_many
    from whence.explain.plan import chosen
    from whence.interventions.tokens import REMOVALS
    from whence.interventions.units import UNITS

    _check_output(output)
    asked = _behaviors(source, prompt, target, foil, behaviors, token_by_token)
    choices = Plan(
        top_documents=top_documents,
        through_run=through_run,
        integrate=integrate,
        unit="span" if spans is not None else _choice("--unit", unit, UNITS),
        spans=() if spans is None else _spans(spans, asked),
        separator=separator,
        removal=_choice("--removal", removal, REMOVALS),
        neutral=neutral,
        draws=draws,
        baseline=_choice("--baseline", baseline, BASELINES),
        replacement="other"
        if other_prompt is not None
        else _choice("--replacement", replacement, ("mean", "zero", "resample")),
        other_prompt=other_prompt,
        groups=groups,
        embedding=embedding,
        encoder=encoder,
        circuit=circuit,
        components=() if components is None else tuple(components.split(",")),
        seeds=_seeds(seeds),
        seed=seed,
    )
    results = explain_many(
        source,
        asked,
        by=chosen(by.split(",")) if by is not None else None,
        corpus=corpus,
        budget=budget,
        plan=Plan.from_json(read_json(plan)) if plan is not None else None,
        choices=choices,
        workers=workers,
        memory=None if memory is None else memory << 20,
        scores=[Scores.load(folder) for folder in scores] if scores else None,
        on_plan=_announce,
        answer=token_by_token,
    )
    _show(results, output, as_json)


def _announce(plan: Plan, cost: Estimate) -> None:
    if cost.seconds:
        typer.echo(f"plan: {cost}", err=True)
        if cost.why:
            typer.echo(f"plan: {cost.why}", err=True)
    if cost.circuit:
        typer.echo(f"plan: {cost.circuit}", err=True)
    if "document" in plan.by and not plan.tested:
        typer.echo("plan: documents will not be verified (see the notes)", err=True)


def _behaviors(
    source: str,
    prompt: str | None,
    target: str | None,
    foil: str | None,
    path: Path | None,
    token_by_token: bool,
) -> list[Behavior]:
    from whence.core import Behavior, read_behaviors
    from whence.explain.subject import open_subject
    from whence.models import answers_token_by_token

    if (prompt is None) == (path is None):
        raise BehaviorError(
            "prompt",
            expected="a prompt, or --behaviors FILE",
            got="both" if prompt is not None else "neither",
            fix='Try: whence explain RUN "Ada was born in" --target " London"',
        )
    if path is not None:
        return read_behaviors(path)
    assert prompt is not None
    if not token_by_token:
        return [Behavior(prompt, target, foil)]
    if target is not None:
        raise BehaviorError(
            "--token-by-token",
            expected="no target: it explains the model's own answer",
            got=f"--target {target!r}",
            fix="Leave one of the two out.",
        )
    return answers_token_by_token(open_subject(source, None, needs_corpus=False).model, prompt)


def _spans(path: Path, asked: list[Behavior]) -> tuple[tuple[int, int], ...]:
    """The spans of a file, which are of one prompt."""
    found = read_json(path)
    pairs = isinstance(found, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(type(x) is int for x in pair)
        for pair in found
    )
    if not pairs or not found or len({behavior.prompt for behavior in asked}) > 1:
        raise PlanError(
            f"--spans {path}",
            expected="a JSON list of pairs [start, end] of characters, and one prompt",
            got="several prompts" if pairs and found else "something else",
            fix="Write [[0, 12], [13, 20]]; characters are counted from 0.",
        )
    return tuple((start, end) for start, end in found)


def _seeds(count: int) -> tuple[int, ...]:
    if count < 0:
        raise PlanError(
            "--seeds", expected="0 or more", got=str(count), fix="0 is the recorded run itself."
        )
    return tuple(range(count))


def _choice(option: str, given: str, known: tuple[str, ...]) -> Any:
    if given not in known:
        raise PlanError(
            option, expected=f"one of {', '.join(known)}", got=repr(given), fix="Choose one."
        )
    return given


def _check_output(output: Path | None) -> None:
    """Complain about a name or a place before the work, not after it."""
    if output is not None:
        with full_disk_is_an_error(output):
            output.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=output.parent):
                pass
    if output is not None and (output / MANIFEST).is_file():
        raise PlanError(
            f"--output {output}",
            expected="a report's name, or a folder for reports",
            got="the sealed folder of a run, corpus or checkpoint",
            fix="Name a report.html, a record.json, or another folder.",
        )
    if output is not None and output.suffix not in (".html", ".htm", ".json", ""):
        raise PlanError(
            f"--output {output}",
            expected="a name that ends in .html or .json",
            got=output.suffix,
            fix="Name a report.html, a record.json, or a folder for several behaviors.",
        )


def _show(results: list[Explanation], output: Path | None, as_json: bool) -> None:
    if output is not None:
        for result, path in zip(results, _paths(output, len(results)), strict=True):
            result.save(path)
            typer.echo(f"written: {path}", err=True)
    if as_json:
        records = [result.record for result in results]
        typer.echo(canonical(records[0] if len(records) == 1 else records).decode())
    else:
        for result in results:
            result.table()


def _paths(output: Path, count: int) -> list[Path]:
    if count == 1 and output.suffix:
        return [output]
    stem, suffix = (output.with_suffix(""), output.suffix) if output.suffix else (output, "")
    stem.mkdir(parents=True, exist_ok=True)
    return [stem / f"behavior-{i:02d}{suffix or '.html'}" for i in range(1, count + 1)]
