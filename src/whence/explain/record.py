"""The record of an explanation: one versioned JSON, and nothing in it but plain data.

Everything but `timings` is the same for two equal plans. A row is one cause under one
method; documents also have one row for each set that was removed together, since that is
what training again can decide.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from whence.core import Behavior, Cause, Scores, Verdict
from whence.core.environment import code_digest, versions
from whence.core.records import finite
from whence.corpus import Corpus, shared_spans
from whence.explain.corpus_says import corpus_says
from whence.explain.findings import Findings
from whence.explain.plan import Plan
from whence.explain.subject import Subject
from whence.models import encode, greedy, target_log_probabilities, values

VERSION = 1


def make_record(
    subject: Subject, behavior: Behavior, number: int, found: Sequence[Findings], plan: Plan
) -> dict[str, Any]:
    """Put together the record of one behavior.

    Args:
        subject: what was explained.
        behavior: one of those that were explained together.
        number: its row in the findings that hold all of them.
        found: findings of each kind; those of tokens hold this behavior alone.
        plan: what was carried out.
    """
    rows: list[dict[str, Any]] = []
    sets: list[dict[str, Any]] = []
    for findings in found:
        row = 0 if findings.behaviors == (behavior,) else number
        for scores in findings.scores:
            rows += _rows(subject, findings, scores, row, behavior, plan)
            sets += _sets(findings, scores.method, row)
    corpus = subject.corpus
    return {
        "whence": "explanation",
        "version": VERSION,
        "behavior": _behavior(subject, behavior),
        **subject.to_json(),
        "plan": plan.to_json(),
        "rows": rows,
        "sets": sets,
        "shaped": _shaped(found, number, plan),
        "corpus_says": None if corpus is None else corpus_says(corpus, subject.model, behavior),
        "costs": [
            {"kind": f.kind, "method": s.method, **_cost(s)} for f in found for s in f.scores
        ],
        "coverage": [
            {"kind": f.kind, "method": s.method, **s.coverage.to_json()}
            for f in found
            for s in f.scores
        ],
        "settings": {s.method: dict(s.settings) for f in found for s in f.scores},
        "notes": [note for f in found for note in f.notes],
        "versions": {**versions(), "code": code_digest()},
        "command": command(subject, behavior, plan),
        "timings": {f.kind: round(f.seconds, 3) for f in found},
    }


def command(subject: Subject, behavior: Behavior, plan: Plan) -> str:
    """How to make an explanation again."""
    words = ["whence", "explain", subject.source, behavior.prompt]
    words += ["--target", behavior.target or ""]
    if behavior.foil is not None:
        words += ["--foil", behavior.foil]
    if subject.run is None and subject.corpus is not None:
        words += ["--corpus", str(subject.corpus.path)]
    words += ["--by", ",".join(f"{kind}s" for kind in plan.by), "--plan", "RECORD.json"]
    return shlex.join(words)


def _behavior(subject: Subject, behavior: Behavior) -> dict[str, Any]:
    model = subject.model
    encoded = encode(model, behavior)
    foil = behavior.foil and Behavior(behavior.prompt, behavior.foil)
    return {
        **behavior.to_json(),
        "value": float(values(model, [behavior])[0]),
        "target_log_probability": float(target_log_probabilities(model, behavior).sum()),
        "foil_log_probability": float(target_log_probabilities(model, foil).sum())
        if foil
        else None,
        "answer": greedy(model, behavior.prompt, stop_at_line_end=True),
        "tokens": [
            {
                "id": f"T{i}",
                "text": encoded.prompt[span[0] : span[1]] if span else "",
                "start": span[0] if span else None,
                "end": span[1] if span else None,
            }
            for i, span in enumerate(encoded.prompt_spans)
        ],
    }


def _rows(
    subject: Subject, found: Findings, scores: Scores, row: int, behavior: Behavior, plan: Plan
) -> list[dict[str, Any]]:
    verdicts = {v.causes[0]: v for v in found.singles.get(scores.method, []) if v.behavior == row}
    limit = plan.shown if found.kind == "document" else len(scores.causes)
    rows = []
    for rank, position in enumerate(scores.top(row, limit), start=1):
        cause = scores.causes[int(position)]
        score = float(scores.values[row, position])
        drawn = {} if scores.errors is None else {"error": float(scores.errors[row, position])}
        rows.append(
            {
                **_row_head(found, scores, rank),
                "cause": _cause(subject, cause, behavior),
                "score": score,
                "predicted": score if scores.unit == "nats" else None,
                **drawn,
                **_tested(verdicts.get(cause.id)),
            }
        )
    for verdict in found.sets.get(scores.method, []):
        if verdict.behavior == row and found.kind == "document":
            rows.append(_set_row(found, scores, verdict))
    return rows


def _set_row(found: Findings, scores: Scores, verdict: Verdict) -> dict[str, Any]:
    """A set of documents as a cause of its own: what training again has decided."""
    return {
        **_row_head(found, scores, 0),
        "cause": {
            "id": f"{scores.method}: top {len(verdict.causes)}",
            "text": f"{len(verdict.causes)} documents removed together",
            "members": list(verdict.causes),
        },
        "score": None,
        "predicted": verdict.predicted,
        **_tested(verdict),
    }


def _row_head(found: Findings, scores: Scores, rank: int) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "method": scores.method,
        "estimand": scores.estimand,
        "unit": scores.unit,
        "rank": rank,
    }


def _tested(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {"measured": None, "control": None, "interval": None, "verdict": None}
    record = verdict.to_json()
    control = {k: record["control"][k] for k in ("mean", "interval", "n")}
    return {
        "measured": record["measured"],
        "control": control,
        "interval": record["interval"],
        "verdict": record["verdict"],
    }


def _sets(found: Findings, method: str, row: int) -> list[dict[str, Any]]:
    return [
        {"kind": found.kind, "method": method, **_without(v.to_json(), "behavior")}
        for v in found.sets.get(method, [])
        if v.behavior == row
    ]


def _cause(subject: Subject, cause: Cause, behavior: Behavior) -> dict[str, Any]:
    record: dict[str, Any] = {"id": cause.id, "text": cause.text}
    if cause.kind == "document":
        assert subject.corpus is not None
        return {**record, **_document(subject.corpus, cause, behavior)}
    if cause.kind == "component":
        layer, _, part = cause.id.partition(".")
        record["layer"] = int(layer[1:])
        record["head"] = int(part[1:]) if part[:1] == "H" else None
    else:
        record["position"] = finite(cause.size)
        if cause.members != (cause.id,):
            record["members"] = list(cause.members)
    return record


def _document(corpus: Corpus, cause: Cause, behavior: Behavior) -> dict[str, Any]:
    document = corpus.document(cause.members[0])
    together = {"members": list(cause.members)} if len(cause.members) > 1 else {}
    return {
        **together,
        "text": document.text,
        "index": document.index,
        "tokens": len(document.tokens),
        "metadata": document.metadata,
        "spans": [
            list(span)
            for span in shared_spans(
                corpus, document.index, behavior.prompt + (behavior.target or "")
            )
        ],
    }


def _shaped(found: Sequence[Findings], row: int, plan: Plan) -> dict[str, Any] | None:
    """Which documents shaped which part of the model: the derivative through the run by part."""
    findings = next((f for f in found if f.parts), None)
    if findings is None:
        return None
    whole = findings.parts["model"]
    row = 0 if len(whole.behaviors) == 1 else row
    names = [name for name in findings.parts if name != "model"]
    chosen = whole.top(row, plan.shown)
    values = [[float(findings.parts[n].values[row, c]) for n in names] for c in chosen]
    return {
        "method": whole.method,
        "note": findings.notes[0],
        "parts": names,
        "documents": [
            {"id": whole.causes[c].id, "score": float(whole.values[row, c]), "by_part": each}
            for c, each in zip(chosen, values, strict=True)
        ],
    }


def _cost(scores: Scores) -> dict[str, Any]:
    return _without(scores.cost.to_json(), "seconds")


def _without(record: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in record.items() if k != key}
