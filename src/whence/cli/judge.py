"""`whence judge`: methods beside one another, judged by what real removals do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whence.cli.output import check_output, console_for, save
from whence.core.errors import BehaviorError, MethodError
from whence.core.records import canonical

if TYPE_CHECKING:
    from whence.core import Behavior, Scores
    from whence.explain import Judgement, JudgeSettings

_KINDS = ("documents", "components", "tokens")


def judge(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder.")],
    methods: Annotated[
        str | None, typer.Option(help="Names, with commas between them (default: all).")
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="A bank of the run, for documents: `whence bank`.")
    ] = None,
    by: Annotated[str, typer.Option(help="documents, components or tokens.")] = "documents",
    behaviors: Annotated[
        Path | None, typer.Option(help="JSONL of behaviors (default: those that the bank holds).")
    ] = None,
    scores: Annotated[
        list[Path] | None, typer.Option(help="A folder of scores made elsewhere; may be repeated.")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="JSONL: for each behavior the list of documents that matter."),
    ] = None,
    shares: Annotated[
        str, typer.Option(help="Shares of the causes whose removal is measured; '' for none.")
    ] = "0.005,0.01,0.02",
    subsets: Annotated[int, typer.Option(help="Random removals, for components and tokens.")] = 100,
    unit: Annotated[
        str, typer.Option(help="Of tokens: token, word, sentence, demonstration or turn.")
    ] = "token",
    removal: Annotated[
        str, typer.Option(help="Of tokens: drop, drop-keep-positions, mask, replace or sample.")
    ] = "drop",
    replacement: Annotated[
        str, typer.Option(help="Of components: mean, resample (both of documents) or zero.")
    ] = "mean",
    sanity: Annotated[bool, typer.Option(help="Also judge scores that must fail.")] = True,
    cascade: Annotated[
        bool,
        typer.Option(
            "--cascade",
            help="Of components and tokens: deal the weights out anew, part by part from the top, "
            "and say which methods do not notice.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of controls, resampling and random removals.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Training replays at a time.")] = None,
    memory: Annotated[
        int | None,
        typer.Option(
            help="MiB: for documents, of training states that the derivative keeps; for "
            "components and tokens, of what passes need beyond the model."
        ),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Also judge this sentence encoder, a folder or a name.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="page.html or record.json.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="page.html, where --output is a record.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record.")] = False,
) -> None:
    """Judge methods by random removals: how well sums of their scores predict them, and the cost.

    A row holds the linear datamodeling score with its 95 % interval, the fall after the top
    causes are removed beside random ones, and what the scoring took.
    """
    from whence.explain import JudgeSettings
    from whence.training import GRADIENT_MEMORY
    from whence.verification import Resampling, VerifySettings

    if by not in _KINDS:
        raise MethodError(
            "--by", expected=f"one of {', '.join(_KINDS)}", got=repr(by), fix="Choose one."
        )
    settings = JudgeSettings(
        shares=_shares(shares),
        sanity=sanity,
        resampling=Resampling(seed=seed),
        verify=VerifySettings(seed=seed),
        subsets=subsets,
        keep_share=0.9 if by == "components" else 0.5,
        seed=seed,
        memory=GRADIENT_MEMORY if memory is None else memory << 20,
        encoder=encoder,
        cascade=cascade,
    )
    named = None if methods is None else methods.split(",")
    places = [place for place in (output, page) if place is not None]
    for place in places:
        check_output(place)
    if by == "documents":
        found = _documents(run, bank, behaviors, named, scores or [], truth, workers, settings)
    else:
        cut = (unit, removal, replacement)
        found = _inside(run, by, behaviors, named, settings, cut, memory)
    for place in places:
        save(found.to_json(), place, _page)
    if as_json:
        typer.echo(canonical(found.to_json()).decode())
    else:
        _print(found)


def _documents(
    path: str,
    bank_path: Path | None,
    behaviors_path: Path | None,
    methods: list[str] | None,
    folders: Sequence[Path],
    truth: Path | None,
    workers: int | None,
    settings: JudgeSettings,
) -> Judgement:
    from whence.core import Scores
    from whence.explain import judge_documents
    from whence.interventions import open_bank
    from whence.training import open_run

    opened = open_run(path)
    if bank_path is None:
        raise MethodError(
            "--bank",
            expected="a bank of the run",
            got="none",
            fix=f"Make one: whence bank {path} -o BANK",
        )
    bank = open_bank(bank_path, opened, workers=workers)
    given: list[Scores] = [Scores.load(folder) for folder in folders]
    asked = _behaviors(behaviors_path) if behaviors_path is not None else bank.behaviors()
    if not asked:
        raise BehaviorError(
            str(bank_path),
            expected="behaviors that were measured there, or --behaviors FILE",
            got="neither",
            fix='Write one object a line: {"prompt": ..., "target": ..., "foil": ...}.',
        )
    known = None if truth is None else _truth(truth)
    return judge_documents(bank, asked, methods, given=given, truth=known, settings=settings)


def _page(record: dict[str, Any]) -> str:
    from whence.explain.judged_page import judged_page
    from whence.explain.judgement import BASELINES, TOKEN_BASELINES

    return judged_page(record, (*BASELINES, *TOKEN_BASELINES))


def _inside(
    path: str,
    by: str,
    behaviors_path: Path | None,
    methods: list[str] | None,
    settings: JudgeSettings,
    cut: tuple[str, str, str],
    memory: int | None,
) -> Judgement:
    from whence.explain import Cut, judge_components, judge_tokens
    from whence.interventions import Components, Instead, sweep_within
    from whence.training import open_run

    asked = _behaviors(behaviors_path)
    opened = open_run(path)
    model, before = opened.model(), None
    if settings.sanity and opened.checkpoints[0].step == 0:
        before = opened.model(0)
    budget = None if memory is None else memory << 20
    if by == "tokens":
        chosen = Cut(*cut[:2], batch_size=sweep_within(model, asked, budget).batch_size)
        return judge_tokens(model, asked, methods, before=before, cut=chosen, settings=settings)
    corpus = opened.corpus()
    texts = [corpus.text(i) for i in range(min(16, corpus.n_documents))]
    instead = Instead(cut[2], tuple(texts), seed=settings.seed)
    sweep = sweep_within(model, asked, budget, reference=texts, others=instead.prompts)
    units = ("head", "mlp") if model.sites.layers[0].has_heads else ("layer",)
    how: dict[str, Any] = {"batch_size": sweep.batch_size, "reuse": sweep.reuse, "units": units}
    how |= {"replacement": instead.replacement, "reference": texts, "seed": instead.seed}
    parts = [None if m is None else Components(m, **how) for m in (model, before)]
    assert parts[0] is not None
    return judge_components(parts[0], asked, methods, before=parts[1], settings=settings)


def _behaviors(path: Path | None) -> list[Behavior]:
    from whence.core import read_behaviors

    if path is None:
        raise BehaviorError(
            "--behaviors",
            expected="a JSONL file of behaviors",
            got="none",
            fix='Write one object a line: {"prompt": ..., "target": ..., "foil": ...}.',
        )
    return read_behaviors(path)


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise MethodError(
            "--shares", expected="numbers with commas between them", got=text, fix="Try 0.01."
        ) from None


def _truth(path: Path) -> list[list[str]]:
    """One list of document ids a line."""
    found = []
    try:
        for line in path.read_text().splitlines():
            ids = json.loads(line)
            if not (isinstance(ids, list) and all(isinstance(name, str) for name in ids)):
                raise ValueError(f"{line[:80]} is no list of ids")
            found.append(ids)
    except (OSError, ValueError) as error:
        raise MethodError(
            str(path),
            expected="one JSON list of document ids a line",
            got=str(error),
            fix='Write ["id", ...] for each behavior, in their order.',
        ) from None
    return found


def _print(found: Judgement) -> None:
    from rich import box
    from rich.table import Table

    rows = found.to_json()["rows"]
    table = Table(box=box.SIMPLE)
    table.add_column("method", no_wrap=True)
    for name in ("LDS", "95 % interval", "lead", "fall", "at random", "recall", "s", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
        for name, blind in row["sanity"].items():
            said = "fails, as it must" if blind["fails"] else "still predicts: see the notes"
            table.add_row(
                f"  {name}", _number(blind["lds"]), _pair(blind["interval"]), said, style="dim"
            )
    tables = [table]
    if any(row["curve"] for row in rows):
        tables.append(_curves(rows, found.kind))
    if any(row["cascade"] for row in rows):
        tables.append(_cascade([row for row in rows if row["cascade"]]))
    console = console_for(*tables)
    for each in tables:
        console.print(each)
    count = len(found.behaviors)
    console.print(
        f"{count} behaviors, {found.subsets} random removals of {found.kind}s. LDS: rank "
        "correlation of predicted sums with measured values. lead: over the best look-up. "
        "fall, at random: mean nats lost with the largest share of top causes removed."
    )
    for row in rows:
        if row["behind"]:
            console.print(f"{row['method']} loses to {row['behind']}.", style="bold")


def _curves(rows: Sequence[dict[str, Any]], kind: str) -> Any:
    """What the first causes of each order carry."""
    from rich import box
    from rich.table import Table

    areas = ["insertion", "deletion", "sufficiency", "comprehensiveness"]
    # Of components insertion is the CPR of circuits; its companion stands beside it.
    areas += ["cmd"] if kind == "component" else []
    table = Table(
        box=box.SIMPLE,
        caption="Causes in each method's order. insertion, deletion: share of the behaviors that "
        "survives with the first ones alone, and without them, over all numbers of them (high, "
        "low). sufficiency, comprehensiveness: nats lost then (low, high). 95 % intervals; above "
        "random: of the lead of insertion over random orders."
        + (
            " insertion is CPR, cmd the area between it and 1."
            if kind == "component"
            else " ahead of: orders that know nothing, or attention, whose deletion is larger for "
            "sure."
        ),
    )
    table.add_column("order", no_wrap=True)
    for area in (*areas, "above random"):
        table.add_column(area, justify="right", no_wrap=True)
    if kind == "token":
        table.add_column("ahead of")
    for row in sorted(rows, key=lambda row: row["curve"]["deletion"]["value"]):
        told = [row["curve"][area] for area in areas]
        # The interval below its value: no number may be cut short.
        cells = [f"{_number(each['value'])}\n{_pair(each['interval'])}" for each in told]
        cells.append(_pair(row["over_random"]["insertion"]) if row["over_random"] else "")
        table.add_row(str(row["method"]), *cells, *([", ".join(row["ahead"])] * (kind == "token")))
    return table


def _cascade(rows: Sequence[dict[str, Any]]) -> Any:
    """Who notices that the model is no longer itself."""
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE,
        caption="Rank correlation of scores with those of the model itself, its weights dealt out "
        "anew from the top down to each part. It should go; where it stays above one half for "
        "sure, the method measures something else than this model.",
    )
    table.add_column("method", no_wrap=True)
    for stage in rows[0]["cascade"]["stages"]:
        table.add_column(stage, justify="right")
    table.add_column("notices", no_wrap=True)
    for row in rows:
        told = row["cascade"]
        cells = [f"{value:.2f}" for value in told["similarity"]]
        table.add_row(str(row["method"]), *cells, "yes" if told["notices"] else "no")
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    rise = row["loss_rise"][-1] if row["loss_rise"] else None
    return [
        str(row["method"]),
        _number(row["lds"]),
        _pair(row["interval"]),
        _pair(row["lead"]) if row["lead"] else "",
        _number(rise["measured"]) if rise else "",
        _number(rise["control"]) if rise else "",
        _number(row["recall"]) if row["recall"] is not None else "",
        f"{row['seconds']:.1f}",
        f"{row['peak_mb']:.0f}" if row["peak_mb"] else "",
    ]


def _number(value: float) -> str:
    return f"{value:.3f}"


def _pair(ends: Sequence[float]) -> str:
    return f"{ends[0]:+.2f} to {ends[1]:+.2f}"
