from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

from whence.core.errors import BusyError, RunError
from whence.training import RecorderCallback, open_run, record

IDS = [f"d{i}" for i in range(12)]


@pytest.fixture
def model(run):
    return AutoModelForCausalLM.from_pretrained(run.checkpoint(0).path)


def example(i, answer_only=False):
    ids = [(7 * i + k) % 290 + 5 for k in range(6)]
    labels = [-100] * 3 + ids[3:] if answer_only else list(ids)
    return {"document_id": IDS[i], "input_ids": ids, "labels": labels}


def together(features):
    return {k: torch.tensor([f[k] for f in features]) for k in features[0]}


def test_a_loop_of_ones_own(model, tmp_path, corpus):
    with record(tmp_path / "r", model, documents=IDS, tokenizer=corpus.tokenizer) as recorder:
        for step in range(3):
            with torch.no_grad():
                model.lm_head.weight += 1
            recorder.step([IDS[step], ["d5", "d6"]], loss=2.0 - step, learning_rate=0.1)
    run = open_run(tmp_path / "r")
    assert run.finished
    assert (run.kind, run.steps, run.corpus_digest) == ("recorded", 3, None)
    assert run.order.of_step(2).document.tolist() == [1, 5, 6]
    assert run.order.of_step(2).row.tolist() == [0, 1, 1]
    assert [run.first_step_of([k]) for k in (2, 6, 9)] == [3, 1, 4]
    assert [c.step for c in run.checkpoints] == [0, 1, 2, 3]
    assert run.checkpoints[0].learning_rate == 0.1
    assert torch.equal(run.model().module.lm_head.weight, model.lm_head.weight)
    assert [line["loss"] for line in run.journal()] == [2.0, 1.0, 0.0]
    assert list(run.document_ids) == IDS


def test_what_a_recording_cannot_do(model, tmp_path):
    with record(tmp_path / "r", model, documents=IDS) as recorder:
        with pytest.raises(RunError, match="12 documents"):
            recorder.step(["unheard of"])
        with pytest.raises(BusyError), record(tmp_path / "r", model, documents=IDS, start=1):
            pass
        recorder.step([0])
    run = open_run(tmp_path / "r")
    for refused in (lambda: run.replay(np.ones(12)), lambda: run.batch(1), run.corpus):
        with pytest.raises(RunError):
            refused()
    with pytest.raises(RunError, match="neither"), record(tmp_path / "s", model):
        pass
    with pytest.raises(RunError, match="empty folder"), record(run.path, model, documents=IDS):
        pass


def test_an_interrupted_recording_goes_on(model, tmp_path):
    with pytest.raises(ZeroDivisionError), record(tmp_path / "r", model, documents=IDS) as recorder:
        for _ in range(5):
            recorder.step([1])
        raise ZeroDivisionError
    assert not open_run(tmp_path / "r").finished
    assert open_run(tmp_path / "r").steps == 5
    with record(tmp_path / "r", model, documents=IDS, start=4) as recorder:
        recorder.step([2])
    run = open_run(tmp_path / "r")
    assert run.finished
    assert run.order.document.tolist() == [1, 1, 1, 1, 2]
    assert [c.step for c in run.checkpoints] == [0, 1, 2, 4, 5]


def trained(model, tmp_path, **options):
    answer_only = options.pop("answer_only", False)
    recorder = RecorderCallback(tmp_path / "r", documents=IDS)
    settings = {"max_steps": 4, "per_device_train_batch_size": 3, "learning_rate": 0.01}
    settings |= {"report_to": [], "use_cpu": True, "disable_tqdm": True, "save_strategy": "no"}
    settings |= {"remove_unused_columns": False, "logging_strategy": "no"} | options
    Trainer(
        model,
        TrainingArguments(str(tmp_path / "out"), **settings),
        train_dataset=Dataset.from_list([example(i, answer_only) for i in range(12)]),
        data_collator=recorder.collator(together),
        callbacks=[recorder],
    ).train()
    return open_run(tmp_path / "r")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_trainer(model, tmp_path, accumulate):
    run = trained(model, tmp_path, gradient_accumulation_steps=accumulate)
    assert run.steps == 4
    seen = [sorted(run.order.of_step(s).document.tolist()) for s in range(1, 5)]
    assert {len(s) for s in seen} == {3 * accumulate}
    epoch = np.concatenate(seen[: 4 // accumulate])
    assert sorted(epoch.tolist()) == list(range(12))  # every document once an epoch
    assert run.order.of_step(1).stop.tolist() == [6] * 3 * accumulate
    journal = run.journal()
    assert [line["tokens"] for line in journal] == [15 * accumulate] * 4
    assert [line["learning_rate"] for line in journal] == pytest.approx(
        [0.01, 0.0075, 0.005, 0.0025]
    )
    # The loss recorded for the first step is that of its documents under the first state.
    before = run.checkpoints[0].path
    module = AutoModelForCausalLM.from_pretrained(before)
    ids = torch.tensor([example(d)["input_ids"] for d in run.order.of_step(1).document])
    with torch.no_grad():
        assert journal[0]["loss"] == pytest.approx(float(module(ids, labels=ids).loss), rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_with_lora_and_answers_only(run, model, tmp_path, corpus):
    adapted = get_peft_model(
        model, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    )
    found = trained(adapted, tmp_path, answer_only=True)
    assert [line["tokens"] for line in found.journal()] == [9] * 4
    files = {p.name for p in found.checkpoint().path.iterdir()}
    assert "adapter_model.safetensors" in files
    assert "model.safetensors" not in files
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        opened = found.model().module(ids).logits
        torch.testing.assert_close(opened, adapted.eval()(ids).logits, atol=1e-5, rtol=1e-4)
    assert found.record["model"]["trained"] < found.record["model"]["parameters"] / 10


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_told_wrongly(model, tmp_path):
    with pytest.raises(RunError, match="remove_unused_columns=False"):
        trained(model, tmp_path, remove_unused_columns=True)
    shutil.rmtree(tmp_path / "r", ignore_errors=True)
    collate = RecorderCallback(tmp_path / "r", documents=["x"]).collator(together)
    with pytest.raises(RunError, match="'d0'"):
        collate([example(0)])
