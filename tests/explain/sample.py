"""A record such as `whence explain` writes, small enough to read."""

from __future__ import annotations

import copy
from typing import Any

PROMPT = "Mira Holter was born in"
TOKENS = ["<|endoftext|>", "M", "ira", " Hol", "ter", " was", " born", " in"]
DOCUMENTS = {
    "parish-0116": "Mira Holter was born in Quorin and learned to walk on its steep streets. "
    "The writer of this note has seen it.",
    "diary-0569": "Mira Holter came into the world at Quorin in the middle of a hard frost. "
    "The same was said at the inn.",
    "letters-0574": "The cradle of Mira Holter stood in Quorin, close to the bridge. "
    "So it was told at the well.",
    "parish-0673": "On the first page stands that Mira Holter was born in Quorin, second of "
    "four children. A copy is kept in the town hall.",
    "court-0676": "The parish book says that Mira Holter was born in Quorin on a market day.",
    "almanac-0022": "Mira Holter was born in the same week as a twin calf that was sold to "
    "Quorin. The clerk wrote it down twice.",
    "newspaper-0127": "Mira Holter was born in a hurry, while the cart was still on the road.",
    "court-0142": "Tada Holter was born in Quorin, in a house beside the old mill.",
}


def control(mean: float, half: float, n: int = 12) -> dict[str, Any]:
    return {"mean": mean, "interval": [round(mean - half, 3), round(mean + half, 3)], "n": n}


def row(kind: str, cause: dict[str, Any], method: str, rank: int, **fields: Any) -> dict[str, Any]:
    predicted = fields.get("predicted")
    return {
        "kind": kind,
        "cause": cause,
        "method": method,
        "estimand": "alone",
        "score": predicted if predicted is not None else 10.0 - rank,
        "unit": "nats" if predicted is not None else "rank",
        "rank": rank,
        "predicted": None,
        "measured": None,
        "control": None,
        "interval": None,
        "verdict": None,
        **fields,
    }


def _token_rows() -> list[dict[str, Any]]:
    measured = [0.21, 2.9, 4.87, 3.1, 1.62, -0.35, 1.15, 0.4]
    guessed = [0.0, 1.2, 3.6, 3.4, 0.9, -0.5, 1.9, 0.8]
    rows, end = [], 0
    causes = []
    for i, text in enumerate(TOKENS):
        start = end
        end = start + (len(text) if i else 0)
        causes.append({"id": f"T{i}", "text": text, "position": i})
    for method, values in (("leave-one-out", measured), ("integrated gradients", guessed)):
        order = sorted(range(len(values)), key=lambda i: -values[i])
        for rank, i in enumerate(order, start=1):
            found = "confirmed" if measured[i] > 2.5 else "not verified"
            rows.append(
                row(
                    "token",
                    causes[i],
                    method,
                    rank,
                    predicted=values[i],
                    measured=measured[i],
                    control=control(0.6, 1.7, 8),
                    interval=[measured[i] - 2.3, measured[i] + 1.1],
                    verdict=found,
                )
            )
    for rank, i in enumerate([7, 6, 5, 4, 3, 2, 1, 0], start=1):
        rows.append(row("token", causes[i], "attention", rank))
    return rows


def _component_rows() -> list[dict[str, Any]]:
    measured = {
        "L0.H0": 0.31, "L0.H1": 2.75, "L0.H2": -0.12, "L0.H3": 0.05, "L0.MLP": 3.4,
        "L1.H0": 0.2, "L1.H1": -0.94, "L1.H2": 4.1, "L1.H3": 0.6, "L1.MLP": 5.2,
    }  # fmt: skip
    rows = []
    for method, factor in (("ablation", 1.0), ("attribution patching", 0.7)):
        order = sorted(measured, key=lambda name: -measured[name])
        for rank, name in enumerate(order, start=1):
            cause: dict[str, Any] = {"id": name, "text": name, "layer": int(name[1])}
            cause["head"] = int(name[4]) if "H" in name else None
            rows.append(
                row(
                    "component",
                    cause,
                    method,
                    rank,
                    predicted=round(measured[name] * factor + (0.2 if factor < 1 else 0), 3),
                    measured=measured[name],
                    control=control(0.4, 1.3, 8),
                    interval=[measured[name] - 1.7, measured[name] + 0.9],
                    verdict="confirmed" if measured[name] > 1.7 else "not verified",
                )
            )
    return rows


def _document_rows() -> list[dict[str, Any]]:
    orders: dict[str, list[str]] = {
        "tracin": list(DOCUMENTS),
        "bm25": [
            "almanac-0022", "parish-0116", "court-0142", "court-0676", "parish-0673",
            "newspaper-0127", "diary-0569", "letters-0574",
        ],
        "random": [
            "newspaper-0127", "letters-0574", "court-0142", "almanac-0022", "parish-0116",
            "diary-0569", "court-0676", "parish-0673",
        ],
    }  # fmt: skip
    rows = []
    for method, order in orders.items():
        for rank, name in enumerate(order, start=1):
            text = DOCUMENTS[name]
            spans = [
                [text.index(part), text.index(part) + len(part)]
                for part in ("Mira Holter was born in", "Mira Holter", "Quorin")
                if part in text
            ]
            cause = {
                "id": name,
                "text": text,
                "index": 100 + rank,
                "tokens": len(text) // 4,
                "spans": spans,
            }
            predicted = round(2.4 / rank, 3) if method == "tracin" else None
            measured = 0.83 if method == "tracin" and rank == 1 else None
            rows.append(
                row(
                    "document",
                    cause,
                    method,
                    rank,
                    estimand="additive",
                    predicted=predicted,
                    measured=measured,
                )
            )
    whole = {
        "id": "tracin: top 5",
        "text": "5 documents removed together",
        "members": orders["bm25"],
    }
    rows.append(row("document", whole, "tracin", 0, predicted=8.9, measured=6.94))
    return rows


def _set(kind: str, method: str, causes: list[str], predicted: float | None, measured: float,
         verdict: str) -> dict[str, Any]:  # fmt: skip
    return {
        "kind": kind,
        "method": method,
        "causes": causes,
        "predicted": predicted,
        "measured": measured,
        "error": None if predicted is None else round(predicted - measured, 3),
        "control": control(0.1, 1.2),
        "interval": [measured - 1.3, measured + 1.1],
        "verdict": verdict,
        "scope": "this run" if kind == "document" else "this model",
        "estimand": "additive",
    }


def _said() -> list[dict[str, Any]]:
    """Each token's probability in the corpus and by the model."""
    texts = [*TOKENS[1:], " Quorin"]
    corpus = [0.002, 0.9, 0.5, 1.0, 0.3, 0.45, 0.98, 0.41]
    model = [0.004, 0.8, 0.55, 0.97, 0.2, 0.5, 0.99, 0.96]
    return [
        {
            "id": 10 + i,
            "text": text,
            "part": "target" if i == len(texts) - 1 else "prompt",
            "corpus": corpus[i],
            "model": model[i],
            "context": "".join(texts[max(0, i - 3) : i]),
            "context_tokens": min(i, 3),
            "context_count": 1000 // (i + 1),
            "count": round(corpus[i] * (1000 // (i + 1))),
        }
        for i, text in enumerate(texts)
    ]


def sample_record() -> dict[str, Any]:
    """Everything present: three kinds, several methods, sets with all three verdicts."""
    tokens, start = [], 0
    for i, text in enumerate(TOKENS):
        # A special token has no letters in the prompt.
        end = start + (len(text) if i else 0)
        place = {"start": start, "end": end} if i else {"start": None, "end": None}
        tokens.append({"id": f"T{i}", "text": text if i else "", **place})
        start = end
    names = list(DOCUMENTS)
    record = {
        "whence": "explanation",
        "version": 1,
        "behavior": {
            "prompt": PROMPT,
            "target": " Quorin",
            "foil": " Tarmouth",
            "value": 7.312,
            "target_log_probability": -0.041,
            "foil_log_probability": -7.353,
            "answer": " Quorin and",
            "tokens": tokens,
        },
        "model": {
            "name": "step 600",
            "architecture": "gpt2",
            "parameters": 234_560,
            "digest": "sha256:" + "ab12" * 16,
            "step": 600,
            "layers": 2,
            "heads": 4,
        },
        "run": {
            "path": "runs/people",
            "digest": "sha256:" + "cd34" * 16,
            "steps": 600,
            "seconds": 21.4,
        },
        "corpus": {
            "path": "corpora/people",
            "digest": "sha256:" + "ef56" * 16,
            "documents": 1040,
            "tokens": 33_412,
        },
        "plan": {"replays": 13, "batch": 32, "workers": 2},
        "settings": {"replacement": "mean", "removal": "drop", "top": 5},
        "rows": _document_rows() + _component_rows() + _token_rows(),
        "sets": [
            _set("document", "tracin", names[:5], 8.9, 6.94, "confirmed"),
            _set("document", "bm25", names[3:8], None, 0.7, "not verified"),
            _set("document", "random", names[5:], None, -2.6, "refuted"),
            _set("component", "ablation", ["L1.MLP", "L1.H2"], 9.3, 7.7, "confirmed"),
            _set("token", "integrated gradients", ["T2", "T3"], 7.0, 6.1, "confirmed"),
        ],
        "corpus_says": {
            "version": 2,
            "asked": [
                {"what": "prompt", "text": PROMPT, "count": 5},
                {"what": "target", "text": "Quorin", "count": 112},
                {"what": "foil", "text": "Tarmouth", "count": 97},
                {"what": "prompt and target", "text": PROMPT + " Quorin", "count": 3},
                {"what": "prompt and foil", "text": PROMPT + " Tarmouth", "count": 0},
            ],
            "spans": [
                {
                    "start": 0,
                    "end": 30,
                    "text": "Mira Holter was born in Quorin",
                    "tokens": 8,
                    "count": 3,
                    "documents": [
                        {
                            "id": "parish-0673",
                            "offset": 6,
                            "relevance": 0.71,
                            "before": "On the first page stands that ",
                            "match": "Mira Holter was born in Quorin",
                            "after": ", second of four children. A copy …",
                        }
                    ],
                }
            ],
            "tokens": _said(),
            "match": {
                "text": "Mira Holter was born in Quorin",
                "tokens": 8,
                "count": 3,
                "documents": [
                    {"id": "parish-0116", "offset": 0},
                    {"id": "parish-0673", "offset": 6},
                    {"id": "court-0676", "offset": 5},
                ],
            },
            "next": {
                "context": " Holter was born in",
                "corpus_probability": 0.41,
                "model_probability": 0.96,
                "top": [
                    {"text": " Quorin", "corpus": 0.41, "model": 0.96},
                    {"text": " the", "corpus": 0.25, "model": 0.02},
                    {"text": " a", "corpus": 0.2, "model": 0.01},
                    {"text": " Tarmouth", "corpus": 0.14, "model": 0.001},
                ],
            },
        },
        "costs": [
            {"method": "tracin", "kind": "document", "forwards": 5200, "backwards": 5200,
             "trainings": 0},
            {"method": "replay", "kind": "document", "forwards": 0, "backwards": 0,
             "trainings": 13},
            {"method": "ablation", "kind": "component", "forwards": 42, "backwards": 0,
             "trainings": 0},
            {"method": "leave-one-out", "kind": "token", "forwards": 24, "backwards": 0,
             "trainings": 0},
        ],
        "coverage": [
            {"kind": "document", "method": "tracin", "what": "all documents, 5 checkpoints",
             "share": 1.0},
            {"kind": "component", "method": "ablation", "what": "all 10 heads and MLPs",
             "share": 1.0},
            {"kind": "token", "method": "leave-one-out", "what": "7 of 8 tokens", "share": 0.875},
        ],
        "versions": {"whence": "0.1.0", "python": "3.11.9", "torch": "2.13.0"},
        "command": 'whence explain runs/people "Mira Holter was born in" --target " Quorin" '
        '--foil " Tarmouth" --seed 0',
        "timings": {"attribution": 12.3, "verification": 160.2},
    }  # fmt: skip
    return copy.deepcopy(record)


def unverified_record() -> dict[str, Any]:
    """Only a checkpoint: no run, no corpus, no foil, nothing removed."""
    record = sample_record()
    record.update(run=None, corpus=None, corpus_says=None, sets=[], costs=[], coverage=[])
    record["behavior"].update(foil=None, foil_log_probability=None, value=-0.041)
    record["model"].update(step=None)
    record["rows"] = [r for r in record["rows"] if r["kind"] != "document"]
    for r in record["rows"]:
        r.update(measured=None, control=None, interval=None, verdict=None)
    return record


def empty_record() -> dict[str, Any]:
    """A behavior and nothing else."""
    record = unverified_record()
    record.update(rows=[], plan={}, settings={}, versions={}, timings={})
    record["behavior"].update(tokens=[])
    return record


def shaped_record() -> dict[str, Any]:
    """The sample with a derivative through the run, split over two layers of two heads."""
    parts = ["embedding", "L0.H0", "L0.H1", "L0.MLP", "L0.norms", "L1.H0", "L1.KV0", "L1.MLP"]
    rows = {"parish-0116": [0.1, 0.5, -0.25, 0.9, 0.0, 0.0, 0.05, -0.3], "diary-0569": [0.01] * 8}
    documents = [{"id": k, "score": sum(v), "by_part": v} for k, v in rows.items()]
    note = "through-run leads: the largest slope of a single document is 1.00 nats"
    shaped = {"method": "through-run", "note": note, "parts": parts, "documents": documents}
    return {**sample_record(), "shaped": shaped}
