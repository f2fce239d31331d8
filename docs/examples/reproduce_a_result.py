"""The same plan gives the same record, but for the time it took."""

import json
from pathlib import Path

from whence.core import Behavior
from whence.core.records import canonical
from whence.explain import Plan, explain

first = json.loads(Path("why.json").read_text())
asked = {name: first["behavior"][name] for name in ("prompt", "target", "foil")}
again = explain("runs/mine", Behavior.from_json(asked), plan=Plan.from_json(first)).record

took = first.pop("timings"), again.pop("timings")
print(f"equal records: {canonical(first) == canonical(again)}")
