from __future__ import annotations

import json
import resource
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from whence.core.errors import (
    BusyError,
    DamagedError,
    ModelError,
    RunError,
    StorageError,
    TokenizerError,
)
from whence.core.locks import hold
from whence.core.records import check_digests
from whence.corpus import open_corpus
from whence.training import Recipe, Run, adam_state, loop, open_run, train
from whence.training.journal import appending, read_journal
from whence.training.losses import batch_loss


def contents(folder: Path):
    """Every file that must be equal between equal runs."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in ("timings.jsonl", ".lock") and "replays" not in p.parts
    }


class Killed(BaseException):
    pass


def kill_at(monkeypatch, step):
    real = loop.advance

    def advance(state, *rest):
        if state.step + 1 == step:
            raise Killed
        return real(state, *rest)

    monkeypatch.setattr(loop, "advance", advance)


def test_what_is_recorded(run, corpus, recipe):
    assert run.finished
    assert check_digests(run.path)
    assert [c.step for c in run.checkpoints] == [0, 1, 2, 4, 8, 16, 24]
    assert [line["step"] for line in run.journal()] == list(range(1, 25))
    assert run.recipe == recipe
    assert run.corpus_digest == corpus.digest == run.corpus().digest
    assert run.journal()[-1]["loss"] < run.journal()[0]["loss"]
    assert run.seconds > 0
    assert sum(line["tokens"] for line in run.journal()) == sum(
        run.batch(s).predicted for s in range(1, 25)
    )


def test_the_journal_tells_the_loss_of_the_batch(run):
    module = run.model(8).module
    weights = torch.ones(run.corpus().n_documents)
    with torch.no_grad():
        assert float(batch_loss(module, run.batch(9), weights)) == pytest.approx(
            run.journal()[8]["loss"], rel=1e-6
        )


def test_any_checkpoint_opens_in_transformers(run):
    folder = run.checkpoint(8).path
    module = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert module(**tokenizer("ada lives", return_tensors="pt")).logits.isfinite().all()
    assert module.config.bos_token_id == tokenizer.bos_token_id
    assert not torch.equal(module.lm_head.weight, run.model(16).module.lm_head.weight)


def test_second_moments_by_name(run):
    found = adam_state(run.checkpoint(8))
    named = dict(run.model(8).module.named_parameters())
    assert {n: t.shape for n, t in found.items()} == {n: p.shape for n, p in named.items()}
    stored = adam_state(run.checkpoint(1))["lm_head.weight"]
    module = run.model(0).module.train()
    loss = batch_loss(module, run.batch(1), torch.ones(run.corpus().n_documents))
    (gradient,) = torch.autograd.grad(loss, [module.lm_head.weight])
    clipped = min(1.0, 1.0 / run.journal()[0]["gradient_norm"])
    torch.testing.assert_close(stored, (clipped * gradient).square(), rtol=1e-3, atol=1e-12)


def test_training_twice_gives_the_same_bytes(run, corpus, recipe, tmp_path):
    assert contents(train(corpus, tmp_path / "again", recipe).path) == contents(run.path)


@pytest.mark.parametrize("step", [1, 6, 9, 24])
def test_resumed_gives_the_bytes_of_unbroken(run, corpus, recipe, tmp_path, monkeypatch, step):
    out = tmp_path / "broken"
    with monkeypatch.context() as patched:
        kill_at(patched, step)
        with pytest.raises(Killed):
            train(corpus, out, recipe)
    with (out / "journal.jsonl").open("ab") as file:
        file.write(b'{"gradient_norm":1.2,"lear')
    assert not open_run(out).finished
    assert contents(train(corpus, out, recipe).path) == contents(run.path)


def test_states_saved_by_the_clock_serve_too(run, corpus, recipe, tmp_path, monkeypatch):
    out = tmp_path / "broken"
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patched:
        kill_at(patched, 15)
        with pytest.raises(Killed):
            train(corpus, out, recipe)
    assert loop.latest(out) == out / ".resume" / "step-00000014"
    assert contents(train(corpus, out, recipe).path) == contents(run.path)


def test_killed_before_the_record_was_written(run, corpus, recipe, tmp_path, monkeypatch):
    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("whence.training.trainer.write_json", killed)
        with pytest.raises(Killed):
            train(corpus, tmp_path / "r", recipe)
    (tmp_path / "r" / ".run.json.123.partial").write_text("{")
    assert contents(train(corpus, tmp_path / "r", recipe).path) == contents(run.path)


def test_a_finished_run_is_opened(run, corpus, recipe):
    before = contents(run.path)
    assert train(corpus, run.path, recipe).digest == run.digest
    assert contents(run.path) == before


def test_another_recipe_is_refused(run, corpus, recipe):
    with pytest.raises(RunError, match=r"recipe\.seed = 1.*one with 0"):
        train(corpus, run.path, replace(recipe, seed=1))


def test_a_folder_of_something_else_is_refused(corpus, recipe, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match=r"thesis\.txt"):
        train(corpus, tmp_path, recipe)
    with pytest.raises(RunError, match="no such folder"):
        open_run(tmp_path / "nothing")


def test_a_folder_in_use_is_refused(corpus, recipe, tmp_path):
    with hold(tmp_path / "r"), pytest.raises(BusyError):
        train(corpus, tmp_path / "r", recipe)


def test_damage_is_found(run, tmp_path):
    for name in ("order/row.npy", "checkpoints/step-00000008/model.safetensors", "journal.jsonl"):
        copy = tmp_path / name.replace("/", "-")
        shutil.copytree(run.path, copy)
        with (copy / name).open("r+b") as file:
            file.truncate((copy / name).stat().st_size - 1)
        with pytest.raises(DamagedError, match=Path(name).name):
            open_run(copy)


def test_an_altered_state_is_not_gone_on_from(corpus, recipe, tmp_path, monkeypatch):
    out = tmp_path / "broken"
    with monkeypatch.context() as patched:
        kill_at(patched, 10)
        with pytest.raises(Killed):
            train(corpus, out, recipe)
    file = out / "checkpoints" / "step-00000008" / "optimizer.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedError, match="optimizer"):
        train(corpus, out, recipe)


def test_nothing_lasting_happens_to_the_process(corpus, tmp_path):
    torch.set_num_threads(2)
    before = torch.random.get_rng_state()
    train(corpus, tmp_path / "r", Recipe(steps=2, context=16, rows=2))
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.set_num_threads(1)


def test_dropout_is_drawn_anew_each_step_and_resumes(corpus, tmp_path, monkeypatch):
    config = {"model_type": "gpt2", "vocab_size": 300, "n_embd": 16, "n_layer": 1, "n_head": 2}
    (tmp_path / "config.json").write_text(json.dumps(config | {"n_positions": 16}))
    recipe = Recipe(config=str(tmp_path / "config.json"), steps=6, context=16, rows=2)
    seeds, real = [], torch.manual_seed
    with monkeypatch.context() as patched:
        patched.setattr(torch, "manual_seed", lambda seed: seeds.append(seed) or real(seed))
        whole = train(corpus, tmp_path / "whole", recipe)
    assert whole.plan.dropout
    assert len(set(seeds[-6:])) == 6
    with monkeypatch.context() as patched:
        kill_at(patched, 4)
        with pytest.raises(Killed):
            train(corpus, tmp_path / "broken", recipe)
    assert contents(train(corpus, tmp_path / "broken", recipe).path) == contents(whole.path)


def test_one_piece_a_row_trains_and_replays(corpus, tmp_path):
    recipe = Recipe(architecture="mamba", steps=3, context=16, rows=2, learning_rate=1e-3)
    run = train(corpus, tmp_path / "r", recipe)
    assert not run.plan.packed
    assert "one piece a row" in run.record["isolation"]["reason"]


def test_going_on_from_a_checkpoint(run, corpus, tmp_path):
    recipe = Recipe(checkpoint=str(run.checkpoint().path), steps=2, context=32, rows=4)
    more = train(corpus, tmp_path / "more", recipe)
    assert more.journal()[0]["loss"] < run.journal()[0]["loss"]
    assert more.model(0).digest == run.model().digest


def test_recipes_that_cannot_be_carried_out(corpus, tmp_path):
    small = tmp_path / "config.json"
    small.write_text(json.dumps({"model_type": "gpt2", "vocab_size": 10, "n_positions": 16}))
    with pytest.raises(TokenizerError, match="300 tokens"):
        train(corpus, tmp_path / "a", Recipe(config=str(small)))
    small.write_text(json.dumps({"model_type": "gpt2", "vocab_size": 300, "n_positions": 16}))
    with pytest.raises(RunError, match="16 positions"):
        train(corpus, tmp_path / "b", Recipe(config=str(small)))
    with pytest.raises(ModelError, match="nowhere"):
        train(corpus, tmp_path / "c", Recipe(checkpoint=str(tmp_path / "nowhere")))
    with pytest.raises(RunError, match="device"):
        train(corpus, tmp_path / "d", Recipe(device="cuda:7"))
    with pytest.raises(RunError, match="lower learning rate"):
        train(corpus, tmp_path / "e", Recipe(learning_rate=1e30, steps=20, warmup=0.0))


def test_steps_that_no_machine_holds_are_refused_first(corpus, tmp_path):
    with pytest.raises(RunError, match=r"context = 100000000: expected steps that fit"):
        train(corpus, tmp_path / "r", Recipe(context=100_000_000))
    assert not (tmp_path / "r").exists()


def test_a_lack_of_memory_is_told_as_one(corpus, recipe, tmp_path, monkeypatch):
    def advance(*_):
        torch.empty(1 << 60)

    monkeypatch.setattr(loop, "advance", advance)
    with pytest.raises(RunError, match="enough memory for a step"):
        train(corpus, tmp_path / "r", recipe)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "gpt2", "vocab_size": "many"}, "vocab_size"),
        ({"model_type": "gpt2", "n_head": 7}, "7"),
        ({"model_type": "llama", "hidden_act": "tanhh"}, "tanhh"),
    ],
)
def test_a_config_that_makes_no_model(corpus, tmp_path, config, said):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"vocab_size": 400} | config))
    with pytest.raises(ModelError, match=rf"recipe\.config.*{said}"):
        train(corpus, tmp_path / "r", Recipe(config=str(path), steps=1))
    assert not (tmp_path / "r").exists()


def test_an_architecture_that_cannot_be_sized_says_so(corpus, tmp_path):
    with pytest.raises(ModelError, match="roberta"):
        train(corpus, tmp_path / "r", Recipe(architecture="roberta", context=32, steps=1))


def test_an_altered_corpus_is_not_learned_from(corpus, recipe, tmp_path):
    shutil.copytree(corpus.path, tmp_path / "c")
    path = tmp_path / "c" / "tokens.npy"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=r"tokens\.npy"):
        train(open_corpus(tmp_path / "c"), tmp_path / "r", recipe)


def test_a_full_disk(corpus, recipe, tmp_path, monkeypatch):
    """Files may not grow beyond a limit, first of the tensors, then of the journal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in (100_000, 600_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            with pytest.raises(StorageError, match="larger than"):
                train(corpus, tmp_path / "r", recipe)
            assert not list((tmp_path / "r").rglob("step-*/*.partial"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, heard)
    assert train(corpus, tmp_path / "r", recipe).finished


def test_a_journal_that_cannot_grow(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30, hard))
        with appending(tmp_path / "j") as journal, pytest.raises(StorageError):
            for step in range(10):
                journal.write({"step": step})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, heard)
    assert [r["step"] for r in read_journal(tmp_path / "j")] == [0, 1]


def test_a_config_that_is_none(corpus, tmp_path):
    (tmp_path / "config.json").write_text("5")
    with pytest.raises(ModelError, match=r"recipe\.config: expected a Hugging Face config"):
        train(corpus, tmp_path / "r", Recipe(config=str(tmp_path / "config.json"), steps=1))


def test_the_corpus_of_a_run_is_gone(run, tmp_path):
    record = run.record | {"corpus": run.record["corpus"] | {"path": str(tmp_path / "gone")}}
    with pytest.raises(RunError, match=r"was trained on, got no such folder.*--corpus"):
        Run(run.path, record).corpus()
