"""Your own training loop, recorded: what each step saw, and the states in between."""

import torch

from whence.core import read_behaviors
from whence.corpus import open_corpus
from whence.models import open_model, values
from whence.training import open_run, record

corpus = open_corpus("corpora/mine")
tokenizer = corpus.tokenizer
model = open_model(open_run("runs/mine").checkpoint(16).path).module  # any Hugging Face module
model.train()
torch.manual_seed(0)
torch.set_num_threads(1)  # for so small a model the quickest
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)

with record("runs/own_loop", model, corpus=corpus, tokenizer=tokenizer, every=30) as recorder:
    for _ in range(60):
        picks = torch.randint(corpus.n_documents, (16,)).tolist()
        texts = [corpus.text(i) for i in picks]
        batch = tokenizer(texts, return_tensors="pt", padding=True)
        labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.step(picks, loss=loss.item(), learning_rate=5e-3)

run = open_run("runs/own_loop")
print(f"{run.kind} run of {run.steps} steps; states after {[c.step for c in run.checkpoints]}")
behaviors = read_behaviors("questions.jsonl")[:1]
for step in (0, 30, 60):
    print(f"after {step:2} steps: {values(run.model(step), behaviors)[0]:5.2f} nats")
