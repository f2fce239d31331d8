"""Train on a corpus and keep a journal; go on where an interrupted training stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from whence.core.environment import code_digest, versions
from whence.core.errors import RunError
from whence.core.locks import hold
from whence.core.records import (
    check_digests,
    digest,
    digest_file,
    full_disk_is_an_error,
    write_json,
)
from whence.core.seeds import derive
from whence.corpus import Corpus
from whence.training.architectures import (
    build_config,
    build_module,
    has_dropout,
    origin_digest,
)
from whence.training.checkpoints import State, schedule
from whence.training.isolation import Isolation, check_order_of_sight, try_isolation
from whence.training.journal import JOURNAL
from whence.training.loop import Task, finish, latest, resume
from whence.training.memory import check_memory, no_memory_is_an_error
from whence.training.numerics import DTYPES, check_device, machine, numerics
from whence.training.order import Order, draw_order
from whence.training.pieces import Documents, pieces
from whence.training.plan import Plan
from whence.training.recipe import Recipe
from whence.training.run import ORDER, RECORD, VERSION, Run, open_run, seal_run

LOSS = (
    "sum over predicted tokens of weight[document] * nll, "
    "divided by the number of predicted tokens of the batch"
)
UPDATE = "p - rate * (m_hat / sqrt(v_hat + epsilon) + weight_decay * p)"


def train(corpus: Documents, out: Path | str, recipe: Recipe | None = None) -> Run:
    """Train a model on a corpus and record everything that training it again needs.

    A folder that holds an interrupted training of the same recipe and corpus is carried to
    its end, with the bytes it would have had; a finished one is opened.

    Args:
        corpus: from `whence.corpus.open_corpus` or `build_corpus`.
        out: the run's folder.
        recipe: how to train; None means the defaults.

    Raises:
        RunError: the folder holds something else, the recipe cannot be carried out, or the
            training diverged.
        TokenizerError: the model does not know all of the corpus's tokens.
        BusyError: another process is training into the folder.
        StorageError: the disk is full.
        DamagedError: a checkpoint to go on from was altered.
    """
    recipe, out = recipe or Recipe(), Path(out)
    _check_place(out)
    check_device(recipe.device)
    with (
        full_disk_is_an_error(out),
        hold(out),
        numerics(recipe),
        no_memory_is_an_error(recipe),
    ):
        for left_by_a_kill in out.glob(".*.json.*.partial"):
            left_by_a_kill.unlink()
        if (out / RECORD).is_file():
            run = open_run(out)
            _check_same(run, corpus, recipe)
        else:
            run = _begin(corpus, out, recipe)
        if not run.finished:
            _finish(run, corpus)
    return open_run(out)


def _check_place(out: Path) -> None:
    if out.is_file():
        got = "a file"
    elif out.is_dir() and not (out / RECORD).is_file():
        others = [p.name for p in out.iterdir() if not p.name.startswith(".") and p.name != ORDER]
        got = f"a folder with {', '.join(sorted(others)[:3])}" if others else ""
    else:
        got = ""
    if got:
        raise RunError(
            str(out),
            expected="a new or empty folder, or that of an interrupted run",
            got=got,
            fix="Choose another folder for the run.",
        )


def _begin(corpus: Documents, out: Path, recipe: Recipe) -> Run:
    """Fix and write everything that the steps depend on."""
    if isinstance(corpus, Corpus):
        # An altered file of the right size would be learned from without a word.
        check_digests(corpus.path)
    check_memory(build_config(recipe, corpus), recipe)
    module = build_module(recipe, corpus)
    check_order_of_sight(module)
    isolation = try_isolation(module, recipe.context)
    order = _draw(corpus, recipe, isolation.packed)
    plan = Plan(
        recipe=recipe,
        steps=order.steps,
        warmup=min(round(recipe.warmup * order.steps), order.steps),
        kept=_kept(recipe, order.steps),
        packed=isolation.packed,
        dropout=has_dropout(module),
    )
    _clear(out / ORDER)
    order.save(out / ORDER)
    write_json(out / RECORD, _record(corpus, plan, module, isolation))
    return open_run(out)


def _draw(corpus: Documents, recipe: Recipe, packed: bool, seed: int | None = None) -> Order:
    return draw_order(
        pieces(corpus, recipe.context),
        recipe.context,
        recipe.rows,
        seed=recipe.seed if seed is None else seed,
        steps=recipe.steps,
        epochs=recipe.epochs,
        packed=packed,
    )


def _kept(recipe: Recipe, steps: int) -> tuple[int, ...]:
    every = recipe.checkpoint_every or max(1, -(-steps // 10))
    return schedule(steps, every, log=recipe.log_checkpoints)


def _clear(folder: Path) -> None:
    """Take away an order that a killed beginning left: no record names it yet."""
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def _record(corpus: Documents, plan: Plan, module: nn.Module, isolation: Isolation) -> Any:
    recipe = plan.recipe
    config: Any = module.config
    tokenizer = sorted(p for p in corpus.tokenizer_path.iterdir() if p.is_file())
    return {
        "whence": "run",
        "version": VERSION,
        "kind": "trained",
        "recipe": recipe.to_json(),
        "plan": plan.to_json(),
        "origin": origin_digest(recipe),
        "isolation": isolation.to_json(),
        "loss": LOSS,
        "optimizer": {
            "name": "AdamW, epsilon inside the square root",
            "update": UPDATE,
            "decayed": "parameters of two or more axes",
        },
        "seeds": {n: derive(recipe.seed, n) for n in ("initialisation", "order", "dropout")},
        "environment": {"versions": versions(), "code": code_digest(), **machine(recipe)},
        "corpus": {
            "path": str(corpus.path.resolve()),
            "digest": corpus.digest,
            "documents": corpus.n_documents,
            "tokens": corpus.n_tokens,
            "vocabulary": corpus.vocabulary_size,
            "start_tokens": list(corpus.start_tokens),
            "end_tokens": list(corpus.end_tokens),
            "tokenizer": digest({p.name: digest_file(p) for p in tokenizer}),
        },
        "model": {
            "architecture": config.model_type,
            "parameters": sum(p.numel() for p in module.parameters()),
            "config": config.to_dict(),
        },
    }


def _check_same(run: Run, corpus: Documents, recipe: Recipe) -> None:
    """See that a folder's run is the one asked for."""
    run.plan  # noqa: B018  (refuses a recording)
    there = {f"recipe.{k}": v for k, v in run.record["recipe"].items()}
    asked = {f"recipe.{k}": v for k, v in recipe.to_json().items()}
    there |= {"corpus": run.corpus_digest, "files of the start": run.record["origin"]}
    asked |= {"corpus": corpus.digest, "files of the start": origin_digest(recipe)}
    if not run.finished:
        used = run.record["environment"]
        now = {"versions": versions(), **machine(recipe)}
        there |= {f"environment {k}": used[k] for k in now}
        asked |= {f"environment {k}": v for k, v in now.items()}
    differing = [name for name in there if there[name] != asked.get(name)]
    if differing:
        name = differing[0]
        raise RunError(
            str(run.path),
            expected=f"a run with {name} = {asked.get(name)!r}",
            got=f"one with {there[name]!r} (differing in all: {', '.join(differing)})",
            fix="Choose another folder, or ask for the same.",
        )


def _finish(run: Run, corpus: Documents) -> None:
    plan = run.plan
    weights = torch.ones(
        corpus.n_documents, dtype=DTYPES[plan.recipe.dtype], device=plan.recipe.device
    )
    task = Task(plan, corpus, run.order, weights, run.path, frozenset(plan.kept))
    found = latest(run.path)
    if found is None:
        (run.path / JOURNAL).unlink(missing_ok=True)
        state = State.fresh(build_module(plan.recipe, corpus))
    else:
        state = resume(task, found)
    finish(task, state)
    seal_run(run.path)
