"""What an explanation's record holds."""

import json
from pathlib import Path

record = json.loads(Path("why.json").read_text())
print(f"value {record['behavior']['value']:.2f} nats, answer {record['behavior']['answer']!r}")

for row in record["rows"]:
    if row["kind"] != "document" and row["rank"] == 1:
        print(row["kind"], row["method"], row["cause"]["id"], row["unit"], row["verdict"])

for removed in record["sets"]:
    if removed["kind"] == "document":
        print(f"without {len(removed['causes'])} documents named by {removed['method']}: "
              f"fell by {removed['measured']:.2f}, controls by {removed['control']['mean']:.2f}: "
              f"{removed['verdict']}")  # fmt: skip
