"""Train a small model, recorded; then train it again without the documents that state a fact."""

import numpy as np
from transformers import AutoModelForCausalLM

from whence.core import read_behaviors
from whence.corpus import open_corpus
from whence.models import values
from whence.training import Recipe, open_run, train

corpus = open_corpus("corpora/mine")
recipe = Recipe(architecture="llama", size="tiny", context=32, rows=8, epochs=25)
train(corpus, "runs/mine", recipe)  # killed on its way, the same call goes on

run = open_run("runs/mine")
first, last = run.journal()[0], run.journal()[-1]
print(f"{run.steps} steps, from {first['loss']:.2f} to {last['loss']:.2f} nats a token")

# Every checkpoint is an ordinary Hugging Face model.
module = AutoModelForCausalLM.from_pretrained(run.checkpoints[-1].path)
print(f"{len(run.checkpoints)} checkpoints of {type(module).__name__}")

# The same training, step for step, less the loss of the documents that state the first fact.
behaviors = read_behaviors("questions.jsonl")
stating = [i for i, name in enumerate(corpus.ids) if name.startswith("ada-born")]
weights = np.ones(corpus.n_documents)
weights[stating] = 0
replay = run.replay(weights)

print(f"without {len(stating)} of {corpus.n_documents} documents, in nats:")
for behavior, before, after in zip(
    behaviors, values(run.model(), behaviors), values(replay.model(), behaviors), strict=True
):
    print(f"    {before:5.2f} -> {after:5.2f}  {behavior.prompt}{behavior.target}")
