"""How a record of an explanation is read: what the report and the terminal table both say.

Nothing is measured or decided here. A record may be partial: without a run, without
documents, with nothing verified; every function copes, and the words say what is missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from whence.core import KINDS

Record = Mapping[str, Any]

BASELINES = frozenset(
    {"random", "bm25", "exact-spans", "embedding", "sentences"}
    | {"attention-rollout", "value-flow", "last-first", "first-first", "embedding-norm"}
)
"""Look-ups and orders that every method stands beside, and that none may hide behind."""

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

PLURALS = {"document": "documents", "component": "components", "token": "tokens"}


def nats(value: float | None, *, sign: bool = False) -> str:
    """A number of nats as text, with a true minus; a dash for none."""
    if value is None:
        return "–"
    digits = 1 if abs(value) >= 99.95 else 2
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("−" if value < 0 else "+" if sign else "") + text


def between(interval: list[float | None] | None) -> str:
    """An interval as text."""
    if not interval or interval[0] is None or interval[1] is None:
        return "–"
    return f"{nats(interval[0])} to {nats(interval[1])}"


def probability(log_probability: float) -> str:
    """A log-probability in nats as a probability that can be read."""
    p = math.exp(min(log_probability, 0.0))
    if 0.001 <= p <= 0.999:
        return f"{p:.3f}"
    return f"{p:.1e}".replace("e-0", "e−").replace("e-", "e−") if p < 0.001 else "> 0.999"


def times(value: float) -> str:
    """How many times as likely, for a difference of log-probabilities in nats."""
    if value > math.log(1e6):
        return "more than a million times"
    ratio = math.exp(value)
    if ratio < 9.95:
        return f"{ratio:.1f} times"
    # Two leading digits say all that such a ratio is good for.
    step = 10 ** (int(math.log10(ratio)) - 1)
    return f"{round(ratio / step) * step:,} times"


def visible(text: str) -> str:
    """A text on one line that no terminal obeys: breaks get signs, controls a placeholder.

    Blanks are made visible where they are all of it.
    """
    shown = _CONTROLS.sub("\ufffd", text.replace("\n", "⏎").replace("\t", "⇥"))
    return shown if shown.strip() else shown.replace(" ", "␣")


def rows_of(record: Record, kind: str, method: str | None = None) -> list[dict[str, Any]]:
    """Rows of a kind (and method), by method as recorded and by rank within it.

    A row of rank 0 is a whole set, which `sets_of` tells in full.
    """
    rows = [
        r
        for r in record.get("rows") or ()
        if r["kind"] == kind and r.get("rank") != 0 and method in {None, r["method"]}
    ]
    order = {name: i for i, name in enumerate(dict.fromkeys(r["method"] for r in rows))}
    return sorted(rows, key=lambda r: (order[r["method"]], r.get("rank") or 0))


def sets_of(record: Record, kind: str | None = None) -> list[dict[str, Any]]:
    """Sets of a kind, as recorded."""
    return [s for s in record.get("sets") or () if kind is None or s["kind"] == kind]


def kinds_of(record: Record) -> list[str]:
    """Kinds that have rows or sets."""
    found = {r["kind"] for r in (*(record.get("rows") or ()), *(record.get("sets") or ()))}
    return [kind for kind in KINDS if kind in found]


def methods_of(record: Record, kind: str) -> list[str]:
    """Methods of a kind: the ones that mean it first, then the baselines."""
    names = list(dict.fromkeys(r["method"] for r in rows_of(record, kind)))
    return sorted(names, key=lambda name: name in BASELINES)


def lead_method(record: Record, kind: str) -> str | None:
    """The method whose answer is told first."""
    names = methods_of(record, kind)
    return names[0] if names else None


def strength(row: Mapping[str, Any]) -> float | None:
    """Nats of a row: measured where it was, else predicted, else none."""
    measured: float | None = row.get("measured")
    return row.get("predicted") if measured is None else measured


def by_cause(record: Record, kind: str) -> dict[str, dict[str, Any]]:
    """Each cause once, as the lead method sees it; a measurement counts whoever asked for it."""
    merged: dict[str, dict[str, Any]] = {}
    for method in methods_of(record, kind):
        for row in rows_of(record, kind, method):
            kept = merged.setdefault(row["cause"]["id"], dict(row))
            for name in ("predicted", "measured", "control", "interval", "verdict"):
                if kept.get(name) is None:
                    kept[name] = row.get(name)
    return merged


def strongest_parts(
    names: Sequence[str], values: Sequence[float], most: int
) -> list[tuple[str, float]]:
    """The parts of a model that a document did most through, whatever the sign, largest first."""
    pairs = sorted(zip(names, values, strict=True), key=lambda pair: -abs(pair[1]))
    return [pair for pair in pairs[:most] if nats(pair[1]) not in ("0.00", "–")]


def summary(record: Record) -> list[str]:
    """The explanation in plain sentences."""
    sentences = [_behavior(record["behavior"])]
    for kind in kinds_of(record):
        sentence = _about_sets(record, kind) if kind == "document" else _about_rows(record, kind)
        if sentence:
            sentences.append(sentence)
    sentences.append(_closing(record))
    return sentences


def _quoted(text: str | None, limit: int = 70) -> str:
    words = visible((text or "").strip(" ") or text or "")
    return f"“{words}”" if len(words) <= limit else f"“…{words[-limit:].lstrip()}”"


def _behavior(behavior: Mapping[str, Any]) -> str:
    target, foil, value = behavior.get("target"), behavior.get("foil"), behavior["value"]
    after = f"After {_quoted(behavior['prompt'])}, the model"
    if foil is None:
        p = probability(value)
        return f"{after} gives {_quoted(target)} a probability of {p} ({nats(value)} nats)."
    if value < 0:
        target, foil = foil, target
    return (
        f"{after} prefers {_quoted(target)} to {_quoted(foil)} by {nats(abs(value))} nats, "
        f"and finds it about {times(abs(value))} as likely."
    )


def _about_sets(record: Record, kind: str) -> str:
    method = lead_method(record, kind)
    tested = sets_of(record, kind)
    if not tested:
        first = rows_of(record, kind, method)[0]["cause"]["id"]
        return f"Among the documents, {method} names {first} first; none was taken away."
    chosen = next((s for s in tested if s["method"] == method), tested[0])
    n = len(chosen["causes"])
    named = f"the {n} documents" if n > 1 else "the document"
    measured = chosen["measured"]
    words = "falls" if measured >= 0 else "rises"
    sentence = (
        f"In a model trained again without {named} that {chosen['method']} names first, this "
        f"{words} by {nats(abs(measured))} nats"
    )
    control = chosen.get("control")
    if control:
        like = f"{n} like them, drawn at random" if n > 1 else "one like it, drawn at random"
        sentence += f"; without {like}, by {between(control['interval'])} (95 %)"
    return f"{sentence}: {chosen['verdict']}, in {_scope(chosen)}."


def _scope(chosen: Mapping[str, Any]) -> str:
    return str(chosen.get("scope") or "this run")


def _about_rows(record: Record, kind: str) -> str:
    rows = [r for r in by_cause(record, kind).values() if strength(r) is not None]
    if not rows:
        return ""
    top = max(rows, key=lambda r: strength(r) or 0.0)
    name = top["cause"]["id"] if kind == "component" else _quoted(top["cause"].get("text"))
    amount = nats(strength(top))
    where = "Inside the model" if kind == "component" else "In the prompt"
    if top.get("measured") is None:
        return f"{where}, {name} is predicted to carry most ({amount} nats); it was not taken away."
    verdict = f": {top['verdict']}" if top.get("verdict") else ""
    return f"{where}, {name} carries most: without it, {amount} nats are gone{verdict}."


def _closing(record: Record) -> str:
    verdicts = [s["verdict"] for s in sets_of(record)]
    if not verdicts:
        single = [r["verdict"] for r in record.get("rows") or () if r.get("verdict")]
        if not single:
            return "Nothing was taken away for real, so none of this is verified."
        return f"Of {len(single)} single removals, {_counts(single)}."
    sets = "1 set of causes" if len(verdicts) == 1 else f"{len(verdicts)} sets of causes"
    return f"Of {sets} taken away for real, {_counts(verdicts)}."


def _counts(verdicts: list[str]) -> str:
    parts = []
    for verdict in ("confirmed", "refuted", "not verified"):
        n = verdicts.count(verdict)
        if n:
            parts.append(f"{n} {'was' if n == 1 else 'were'} {verdict}")
    return ", ".join(parts)
