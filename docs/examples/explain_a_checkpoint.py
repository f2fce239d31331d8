"""A model that was trained elsewhere: parts and prompt are tested, documents only looked up."""

from whence.core import Behavior, read_behaviors
from whence.explain import explain
from whence.models import open_model, values
from whence.training import open_run

path = open_run("runs/mine").checkpoints[-1].path  # any folder or name that transformers opens
model = open_model(path)
prompt = read_behaviors("questions.jsonl")[0].prompt

result = explain(model, Behavior(prompt), by=["component", "token"])  # its own answer
found = result.record["behavior"]
asked = Behavior(found["prompt"], found["target"])
print(f"{asked.prompt!r} is followed by {asked.target!r}: {values(model, [asked])[0]:.2f} nats")
result.table()

looked_up = explain(model, asked, corpus="corpora/mine", by=["document"])
print(looked_up.record["notes"][0])
