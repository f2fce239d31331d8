"""What recording costs: tokens a second of ours, of a bare loop, and of the Hugging Face Trainer.

    python benchmarks/training_throughput.py --steps 60 --architecture llama --threads 1

All see the same batches of the same model with the same attention kernel. "bare" is forward
and backward only, on batches that lie ready; "bare + AdamW" adds PyTorch's fused optimizer.
Ours is everything: making batches, clipping, the update, the journal. Checkpoints are timed
apart, since how many are kept is the user's choice. The ways take turns, block by block, and
each is judged by its fastest tenth of blocks, so that a busy machine disturbs little. Prints
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from whence.corpus import BuildSettings, Corpus, RawDocument, build_from_documents
from whence.training import Recipe, batch, checkpoints, loop, losses, numerics, optimizer, trainer

BLOCK = 5
WORDS = 900


def make_corpus(folder: Path, tokens: int) -> Corpus:
    rng = np.random.default_rng(0)
    words = [
        "".join(rng.choice(list("abcdefghijklmnop"), rng.integers(2, 8))) for _ in range(WORDS)
    ]
    chance = 1 / np.arange(1, WORDS + 1)
    chance /= chance.sum()
    documents, count = [], 0
    while count < tokens:
        length = int(rng.integers(10, 200))
        text = " ".join(rng.choice(words, length, p=chance))
        documents.append(RawDocument(f"d{len(documents)}", text))
        count += length
    return build_from_documents(documents, folder, BuildSettings(vocab_size=1024))


def clock(threads: int) -> float:
    """CPU time where one thread does all the work: other processes do not disturb it."""
    return time.process_time() if threads == 1 else time.perf_counter()


class Ways:
    """The same steps, made in different ways."""

    def __init__(self, corpus: Corpus, folder: Path, recipe: Recipe) -> None:
        run = trainer._begin(corpus, folder / "run", recipe)
        self.run, self.corpus, self.plan = run, corpus, run.plan
        self.batches = [self.make(s) for s in range(1, run.steps + 1)]
        self.inputs = [None] * len(self.batches)
        self.weights = torch.ones(corpus.n_documents)
        self.ours_state = checkpoints.State.fresh(self.fresh())
        task = loop.Task(self.plan, corpus, run.order, self.weights, folder / "run", frozenset())
        self.task = task
        self.bare_module, self.adam_module = self.fresh(), self.fresh()
        self.adam = torch.optim.AdamW(self.adam_module.parameters(), lr=1e-3, fused=True)

    def fresh(self) -> torch.nn.Module:
        return trainer.build_module(self.plan.recipe, self.corpus)

    def make(self, step: int) -> batch.Batch:
        return batch.make_batch(self.corpus, self.run.order.of_step(step), packed=self.plan.packed)

    def ours(self, first: int) -> None:
        plan = replace(self.plan, steps=first + BLOCK)
        loop.finish(replace(self.task, plan=plan), self.ours_state)

    def forward(self, module: torch.nn.Module, step: int) -> torch.Tensor:
        made = self.batches[step]
        logits = module(**self.ready[step]).logits
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), made.targets.flatten(), ignore_index=batch.NOTHING
        )

    def prepare(self, first: int) -> None:
        self.ready = {
            s: losses.inputs(self.bare_module, self.batches[s]) for s in range(first, first + BLOCK)
        }

    def bare(self, first: int) -> None:
        for step in range(first, first + BLOCK):
            self.bare_module.zero_grad()
            self.forward(self.bare_module, step).backward()

    def bare_adam(self, first: int) -> None:
        for step in range(first, first + BLOCK):
            self.adam.zero_grad()
            self.forward(self.adam_module, step).backward()
            self.adam.step()


def hugging_face(ways: Ways, folder: Path, blocks: int) -> float:
    """Seconds a step of the Trainer on rows of the same length, without a mask."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    recipe = ways.plan.recipe
    rows = [
        {"input_ids": row, "labels": row}
        for made in ways.batches
        for row in torch.nn.functional.pad(
            made.ids, (0, recipe.context - made.ids.shape[1])
        ).tolist()
    ]
    marks: list[float] = []

    class Mark(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            marks.append(clock(recipe.threads))

    arguments = TrainingArguments(
        str(folder / "hf"),
        per_device_train_batch_size=recipe.rows,
        max_steps=blocks * BLOCK,
        report_to=[],
        use_cpu=True,
        logging_steps=10_000,
        logging_strategy="steps",
        save_strategy="no",
        disable_tqdm=True,
        logging_first_step=False,
    )
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Trainer(ways.fresh(), arguments, train_dataset=rows, callbacks=[Mark()]).train()
    return float(np.quantile(np.diff(marks), 0.1))


def measure(ways: Ways, blocks: int) -> dict[str, float]:
    """Median seconds a step of each way."""
    threads = ways.plan.recipe.threads
    each: dict[str, Callable[[int], None]] = {
        "ours": ways.ours,
        "bare": ways.bare,
        "bare + AdamW": ways.bare_adam,
    }
    seconds: dict[str, list[float]] = {name: [] for name in each}
    for block in range(blocks):
        ways.prepare(block * BLOCK)
        for name in list(each)[block % 3 :] + list(each)[: block % 3]:
            start = clock(threads)
            each[name](block * BLOCK)
            seconds[name].append((clock(threads) - start) / BLOCK)
    return {name: float(np.quantile(found[1:], 0.1)) for name, found in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--architecture", default="llama")
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--attention", default="eager")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--no-trainer", action="store_true")
    given = parser.parse_args()
    blocks = max(3, given.steps // BLOCK)
    recipe = Recipe(
        architecture=given.architecture,
        size=given.size,
        threads=given.threads,
        attention=given.attention,
        rows=given.rows,
        steps=blocks * BLOCK,
    )
    with tempfile.TemporaryDirectory() as name, numerics.numerics(recipe):
        folder = Path(name)
        corpus = make_corpus(folder / "corpus", 200_000)
        (folder / "run").mkdir()
        ways = Ways(corpus, folder, recipe)
        seconds = measure(ways, blocks)
        if not given.no_trainer:
            seconds["Trainer"] = hugging_face(ways, folder, min(blocks, 8))
        start = clock(given.threads)
        checkpoints.save_checkpoint(
            ways.ours_state, folder / "one", corpus.tokenizer_path, beta2=0.95
        )
        saving = clock(given.threads) - start
    tokens = recipe.rows * recipe.context
    print(
        json.dumps(
            {
                "recipe": {k: getattr(given, k) for k in ("architecture", "size", "threads")},
                "attention": given.attention,
                "seconds a step": {k: round(v, 5) for k, v in seconds.items()},
                "tokens a second": {k: round(tokens / v) for k, v in seconds.items()},
                "overhead over bare": round(seconds["ours"] / seconds["bare"] - 1, 4),
                "overhead over bare + AdamW": round(
                    seconds["ours"] / seconds["bare + AdamW"] - 1, 4
                ),
                "seconds a checkpoint": round(saving, 4),
                "optimizer": optimizer.__name__,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
