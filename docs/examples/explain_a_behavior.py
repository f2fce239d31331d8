"""Why does the model prefer one continuation? Documents, components and tokens, each tested."""

from whence.core import read_behaviors
from whence.explain import explain

behavior = read_behaviors("questions.jsonl")[0]  # or Behavior(prompt, target=..., foil=...)
result = explain("runs/mine", behavior, budget=30)
result.table()
result.save("why.html")
result.save("why.json")
