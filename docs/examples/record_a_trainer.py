"""The Hugging Face Trainer, recorded by a callback."""

from datasets import Dataset
from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

from whence.corpus import open_corpus
from whence.models import open_model
from whence.training import RecorderCallback, open_run

corpus = open_corpus("corpora/mine")
tokenizer = corpus.tokenizer
model = open_model(open_run("runs/mine").checkpoint(8).path).module  # any Hugging Face module

rows = [
    {"input_ids": tokenizer(corpus.text(i)).input_ids, "document_id": name}
    for i, name in enumerate(corpus.ids)
]
recorder = RecorderCallback("runs/trainer", corpus=corpus, tokenizer=tokenizer)
trainer = Trainer(
    model,
    TrainingArguments(
        "trainer_output",
        max_steps=16,
        per_device_train_batch_size=8,
        remove_unused_columns=False,  # or the ids never reach the recorder
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    ),
    train_dataset=Dataset.from_list(rows),
    data_collator=recorder.collator(DataCollatorForLanguageModeling(tokenizer, mlm=False)),
    callbacks=[recorder],
)
trainer.train()

run = open_run("runs/trainer")
first = sorted(corpus.ids[i] for i in run.order.of_step(1).document)
print(f"{run.kind} run of {run.steps} steps; the first saw {', '.join(first[:3])}, ...")
