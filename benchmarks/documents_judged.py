"""Judge a setting's scores, ours and the peers', by one bank: the table of docs/benchmarks.

    python benchmarks/documents_judged.py --setting world --folder DIR --shares 0.005,0.01,0.02

Reads what `documents_scored.py`, `documents_bank.py` and the peers' scripts left in the folder;
prints JSON, and with --markdown a table. Methods that were scored for fewer behaviors than are
asked about (--behaviors) are left out. A datamodel of the bank is fitted here, cross-fitted.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from documents_settings import Setting, options, setting

from whence.core import Behavior, Cost, Coverage, Scores
from whence.core.errors import DamagedError
from whence.core.records import write_json
from whence.explain import JudgeSettings, judge_documents
from whence.interventions import Bank, open_bank
from whence.verification import lead


def main() -> None:
    parser = options()
    parser.description = __doc__
    parser.add_argument("--shares", default="", help="of the documents, removed for real")
    parser.add_argument("--methods", default="datamodel", help="scored here; '' for none")
    parser.add_argument("--given", default="", help="of the scores made, these; '' for all")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--output", type=Path, default=None)
    chosen = parser.parse_args()
    found = setting(chosen.setting, chosen.recipe, chosen.folder, chosen.size)
    name = f"{chosen.setting}-{chosen.recipe}"
    bank = open_bank(chosen.folder / f"{name}-bank", found.run, workers=1)
    asked = found.behaviors[: chosen.behaviors]
    ours = about(asked, saved(chosen.folder / f"{name}-scores"))
    blind = {s.method: s for s in about(asked, saved(chosen.folder / f"{name}-blind-scores"))}
    theirs = about(asked, [peer(p, found, bank) for p in peers(chosen.folder / f"{name}-handoff")])
    if chosen.given:
        ours, theirs = (
            [s for s in some if s.method in chosen.given.split(",")] for some in (ours, theirs)
        )
    settings = JudgeSettings(shares=tuple(float(s) for s in chosen.shares.split(",") if s))
    judged = judge_documents(
        bank,
        asked,
        [method for method in chosen.methods.split(",") if method],
        given=[*ours, *theirs],
        blind=blind,
        truth=found.truth and found.truth[: len(asked)],
        settings=settings,
    )
    record = judged.to_json()
    processor = {s.method: s.settings.get("processor_seconds") for s in [*ours, *theirs]}
    for row, one in zip(record["rows"], judged.rows, strict=True):
        row["processor_seconds"] = processor.get(row["method"])
        row["lds_by_behavior"] = np.round(one.agreement.by_behavior, 3).tolist()
        if "before training" in one.sanity:
            control = one.sanity["before training"]
            row["over_blind"] = list(lead(one.agreement, control, settings.resampling))
    if chosen.output is not None:
        write_json(chosen.output, record)
    print(table(record) if chosen.markdown else json.dumps(record, indent=1))


def saved(folder: Path) -> list[Scores]:
    if not folder.exists():
        return []
    return [Scores.load(p) for p in sorted(folder.iterdir()) if not p.name.startswith(".")]


def about(asked: tuple[Behavior, ...], made: list[Scores]) -> list[Scores]:
    """Those that were scored for all of these behaviors; a dear method may have been for fewer."""
    return [scores for scores in made if set(asked) <= set(scores.behaviors)]


def peers(folder: Path) -> list[Path]:
    return [p.parent for p in sorted(folder.glob("*/scores.json"))]


def peer(folder: Path, found: Setting, bank: Bank) -> Scores:
    """A peer's scores; it was given the documents in the corpus's order."""
    record = json.loads((folder / "scores.json").read_text())
    ids = json.loads((folder.parent / "ids.json").read_text())
    if ids != [cause.id for cause in bank.causes]:
        raise DamagedError(
            str(folder),
            expected="the documents of this bank",
            got="others",
            fix="Hand the setting over again, and run the peer again.",
        )
    values = np.load(folder / "values.npy")
    return Scores(
        values=values,
        behaviors=found.behaviors[: len(values)],
        causes=bank.causes,
        method=record["method"],
        estimand="additive",
        unit="rank",
        settings=record,
        cost=Cost(seconds=record["seconds"]),
        coverage=Coverage(record.get("covers", "what the peer covers by default"), 1.0),
    )


def table(record: dict) -> str:
    shares = [r["share"] for r in record["rows"][0]["loss_rise"]]
    heads = ["method", "LDS", "95 %", "blind", "lead over blind"]
    heads += [f"fall, top {share:.1%}" for share in shares] + ["recall", "CPU s", "MB"]
    lines = [" | ".join(heads), " | ".join(["---"] * len(heads))]
    for row in sorted(record["rows"], key=lambda r: -r["lds"]):
        blind = row["sanity"].get("before training")
        cells = [f"`{row['method']}`", f"{row['lds']:.3f}"]
        cells += ["{:.2f} to {:.2f}".format(*row["interval"])]
        cells += ["", ""] if blind is None else beside(blind, row["over_blind"])
        cells += [f"{r['measured']:.2f} ({r['control']:.2f})" for r in row["loss_rise"]]
        cells += ["" if row["recall"] is None else f"{row['recall']:.2f}"]
        spent = row["processor_seconds"]
        cells += [f"{row['seconds'] if spent is None else spent:.1f}"]
        cells += ["" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}"]
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def beside(blind: dict, over: list[float]) -> list[str]:
    """What the same method has on weights drawn anew, and by how much it does better."""
    spans = ["{:.2f} to {:.2f}".format(*span) for span in (blind["interval"], over)]
    return [f"{blind['lds']:.2f} ({spans[0]})", spans[1]]


if __name__ == "__main__":
    main()
