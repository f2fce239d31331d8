r"""Components and prompt tokens beside TransformerLens, captum, inseq and auto-circuit.

    python benchmarks/components_peers.py WORK --data DATA --only train      # two models
    python benchmarks/components_peers.py WORK --data DATA --only prepare    # and their questions
    python benchmarks/components_peers.py WORK --only Whence
    python benchmarks/components_peers.py WORK --only lens --peer LENS/bin/python      (captum, ...)
    python benchmarks/components_peers.py WORK --only table

DATA holds text/*.jsonl. Two models of six layers and about ten million parameters, GPT-2-like and
Llama-like with grouped queries, are trained with `whence train` on addresses of presidents; then
the same weights answer the same questions here and in each peer, in an environment of its own:

    pip install torch==2.13.0 transformer-lens==4.3.0        | captum==0.9.0 transformers
    pip install torch==2.13.0 inseq==0.7.1
    pip install torch==2.13.0 auto-circuit==1.0.1 "transformer-lens<3" "numpy<2" "pandas<2.3" \
        "pyarrow<17" "datasets<3"

A behavior is 64 tokens of Brown, what came next, and what came next elsewhere; its other prompt has
48 tokens of another text and the same last 16. One thread; each part can have the machine to itself
for some minutes, and `--tasks` cuts it further. Every number that a peer gives by the same method
is compared with ours, and one that differs ends the program.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from components_peer import Record
from scipy.stats import spearmanr

from whence.attribution import (
    attribution_patching,
    edge_attribution,
    edge_integrated_gradients,
    integrated_gradients,
    leave_one_out,
    permutation_shapley,
)
from whence.core import Behavior
from whence.core.records import write_json
from whence.interventions import Components, Edges, Tokens
from whence.models import encode, log_probabilities, open_model, rows_of
from whence.training import open_run
from whence.verification import circuit

CONFIGS = {
    "gpt2": {
        "model_type": "gpt2",
        "vocab_size": 8192,
        "n_positions": 128,
        "n_embd": 320,
        "n_layer": 6,
        "n_head": 8,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    },
    "llama": {
        "model_type": "llama",
        "vocab_size": 8192,
        "max_position_embeddings": 128,
        "hidden_size": 320,
        "intermediate_size": 960,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
}
TRAINED = {
    "--context": 80,
    "--rows": 8,
    "--steps": 300,
    "--checkpoint-every": 25,
    "--learning-rate": 0.002,
}
BEHAVIORS, LENGTH, SAME = 32, 64, 16
SIZES = {
    "swept": 4,
    "positions": list(range(LENGTH)),
    "heads": [0, 4],
    "steps": 32,
    "batch": 32,
    "integrated": 4,
    "occluded": 4,
    "shapley": 4,
    "permutations": 4,
}
TASKS = ("sweep", "everywhere", "first order", "integrated", "occluded", "shapley", "edges")


def train(work, data):
    """The recipe: `whence corpus build` and `whence train`, killed and begun again at will."""
    whence = [sys.executable, "-m", "whence"]
    texts = [str(data / "text" / f"{name}.jsonl") for name in ("state_union", "inaugural")]
    corpus = ["corpus", "build", *texts, "--vocab-size", "8192", "-o", str(work / "corpus")]
    subprocess.run([*whence, *corpus], check=True)
    for name, config in CONFIGS.items():
        path = work / f"{name}.json"
        path.write_text(json.dumps(config))
        made = ["train", str(work / "corpus"), "-o", str(work / name), "--config", str(path)]
        settings = [str(x) for pair in TRAINED.items() for x in pair]
        subprocess.run([*whence, *made, *settings], check=True)


def prepare(work, data):
    """The same questions of both models, for they have one tokenizer."""
    with (data / "text" / "brown.jsonl").open() as lines:
        texts = [json.loads(line)["text"] for line in lines]
    for name in CONFIGS:
        run = open_run(work / name)
        model = open_model(run.checkpoint().path)
        behaviors, others = asked(model, texts)
        place = work / f"{name}-asked"
        place.mkdir(exist_ok=True)
        model.module.save_pretrained(place / "model")
        model.tokenizer.save_pretrained(place / "model")
        encoded = [encode(model, behavior) for behavior in behaviors]
        write_json(
            place / "questions.json",
            {
                "prompt": [list(e.prompt_ids) for e in encoded],
                "other": [list(encode(model, Behavior(o, " a")).prompt_ids) for o in others],
                "target": [e.target_ids[0] for e in encoded],
                "foil": [e.foil_ids[0] for e in encoded],
                "texts": [
                    {"prompt": b.prompt, "target": b.target, "foil": b.foil, "other": o}
                    for b, o in zip(behaviors, others, strict=True)
                ],
                "tokens": len(model.tokenizer),
                "neutral": model.tokenizer.eos_token_id,
                **SIZES,
            },
        )


def asked(model, texts):
    """Behaviors of one token whose prompts have 64, and their other prompts."""
    tokenizer, rng = model.tokenizer, np.random.default_rng(0)
    whole = [tokenizer(text, verbose=False)["input_ids"] for text in texts]

    def piece():
        ids = whole[rng.integers(len(whole))]
        start = int(rng.integers(1, len(ids) - LENGTH - 2))
        return ids[start : start + LENGTH + 1]

    def read(ids):
        return tokenizer.decode(ids, clean_up_tokenization_spaces=False)

    behaviors, others = [], []
    special = len(encode(model, Behavior("a", " b")).prompt_ids) - 1
    while len(behaviors) < BEHAVIORS:
        own, other, foil = piece()[special:], piece()[special:], piece()[-1]
        if own[-1] == foil:
            continue
        other = [*other[: LENGTH - SAME - special], *own[-SAME - 1 : -1]]
        behavior = Behavior(read(own[:-1]), read(own[-1:]), read([foil]))
        found = encode(model, behavior)
        mixed = encode(model, Behavior(read(other), " a")).prompt_ids
        single = len(found.target_ids) == len(found.foil_ids or ()) == 1
        kept = behavior.prompt == found.prompt and found.target_ids[-1] == own[-1]
        lengths = {len(mixed), len(found.prompt_ids)} == {LENGTH}
        differ = mixed[-SAME:] == found.prompt_ids[-SAME:]
        if single and kept and lengths and differ:
            behaviors.append(behavior)
            others.append(read(other))
    return behaviors, others


class Ours:
    """The questions, asked here."""

    def __init__(self, place, record):
        self.asked = json.loads((place / "questions.json").read_text())
        self.model = open_model(place / "model")
        texts = self.asked["texts"]
        self.behaviors = [Behavior(t["prompt"], t["target"], t["foil"]) for t in texts]
        self.others = {t["prompt"]: t["other"] for t in texts}
        self.record = record
        assert self.model.goes_on

    def components(self, **more):
        settings = {"replacement": "other", "other_prompt": self.others}
        return Components(self.model, **settings, **more)

    def sweep(self):
        parts = self.components(units=("head",), positions=self.asked["positions"], apart=True)
        behaviors = self.behaviors[: self.asked["swept"]]
        self.record.time(
            "heads by positions",
            lambda: leave_one_out(parts, behaviors).values,
            len(parts.causes) * len(behaviors),
        )

    def everywhere(self):
        parts = self.components()
        self.record.time(
            "heads and MLPs",
            lambda: leave_one_out(parts, self.behaviors).values,
            len(parts.causes) * len(self.behaviors),
        )

    def first_order(self):
        rows = [row for b in self.behaviors for row in rows_of(encode(self.model, b))]

        def forward_backward():
            handle = self.model.sites.embedding.register_forward_hook(
                lambda _, __, x: x.detach().requires_grad_()
            )
            value = log_probabilities(self.model, rows).sum()
            handle.remove()
            for p in self.model.module.parameters():
                p.grad = None
            value.backward()
            return [value.item()]

        forward_backward()
        self.record.time("forward and backward of all behaviors", forward_backward)
        parts = self.components()
        self.record.time(
            "attribution patching",
            lambda: attribution_patching(parts, self.behaviors).values,
            2 * len(self.behaviors),
        )

    def by_prompt(self, method, n, **settings):
        return [
            method(Tokens(self.model, b.prompt, **settings), [b]).values[0]
            for b in self.behaviors[:n]
        ]

    def integrated(self):
        n, steps = self.asked["integrated"], self.asked["steps"]
        self.by_prompt(integrated_gradients, 1)
        self.record.time(
            "integrated gradients",
            lambda: self.by_prompt(lambda t, b: integrated_gradients(t, b, steps), n),
            n * steps,
        )

    def occluded(self):
        n = self.asked["occluded"]
        settings = {"removal": "replace", "replacement": self.asked["neutral"]}
        self.record.time(
            "occlusion",
            lambda: self.by_prompt(leave_one_out, n, **settings),
            n * LENGTH,
        )

    def shapley(self):
        n, orders = self.asked["shapley"], self.asked["permutations"]
        settings = {"removal": "replace", "replacement": self.asked["neutral"]}
        found = []

        def work():
            for b in self.behaviors[:n]:
                tokens = Tokens(self.model, b.prompt, **settings)
                found.append(permutation_shapley(tokens, [b], permutations=orders))
            return [scores.values[0] for scores in found]

        self.record.time("Shapley values", work, n * (orders * (LENGTH - 2) + 2))
        if found:
            self.record.values["Shapley errors"] = np.stack([s.errors[0] for s in found])
            self.record.write()

    def edges(self):
        edges = Edges(self.model, replacement="other", other_prompt=self.others)
        one = self.behaviors[:1]

        def kept():
            scores = edge_integrated_gradients(edges, one)
            order = (-scores.values[0]).argsort()[: len(edges.causes) // 10]
            found = circuit(edges, one, [edges.causes[i].id for i in order], draws=1)
            return f"faithfulness {found.faithfulness:.3f} of a tenth of the edges"

        self.record.attempt("EAP", lambda: f"{edge_attribution(edges, one).values.shape[1]} edges")
        self.record.attempt(
            "EAP-IG", lambda: f"{edge_integrated_gradients(edges, one).values.shape[1]} edges"
        )
        self.record.attempt("edge faithfulness", kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", required=True)
    parser.add_argument("--model", choices=CONFIGS, action="append")
    parser.add_argument("--peer", help="the peer's Python")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=TASKS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if options.only == "train":
        train(options.work, options.data)
    elif options.only == "prepare":
        prepare(options.work, options.data)
    elif options.only == "table":
        for name in options.model or CONFIGS:
            print(f"\n{name}\n\n{table(options.work / f'{name}-asked')}")
    else:
        for name in options.model or CONFIGS:
            part(options, options.work / f"{name}-asked")


def part(options, place):
    """Ask one library."""
    if options.only == "Whence":
        record = Record(place, "Whence")
        ours = Ours(place, record)
        for task in options.tasks:
            getattr(ours, task.replace(" ", "_"))()
        return
    script = str(Path(__file__).with_name("components_peer.py"))
    subprocess.run([options.peer, script, options.only, str(place)], check=True)


PAIRS = [
    ("heads by positions", "lens", "heads by positions", 1e-4),
    ("attribution patching", "lens", "attribution patching", 1e-3),
    ("integrated gradients", "captum", "integrated gradients", 1e-3),
    ("integrated gradients", "captum", "integrated gradients, all logits", 1e-3),
    ("integrated gradients", "inseq", "integrated gradients, no foil", None),
    ("occlusion", "captum", "occlusion", 1e-4),
    ("Shapley values", "captum", "Shapley values", None),
]


def table(place):
    """What all found, once the peers' numbers are ours."""
    names = ["Whence", "lens", "captum", "inseq", "circuit"]
    found = {n: json.loads((place / f"found-{n}.json").read_text()) for n in names}
    values = {n: dict(np.load(place / f"found-{n}.npz")) for n in names}
    mine = found["Whence"]["seconds"]
    lines = [
        "| task | evaluations | Whence | peer | ratio | largest difference |",
        "|---" * 6 + "|",
    ]
    for own, peer, theirs, tolerance in PAIRS:
        if theirs not in found[peer]["seconds"]:
            continue
        a, b = mine[own], found[peer]["seconds"][theirs]
        missed = "-"
        if tolerance is not None:
            here, there = comparable(values["Whence"][own], own, place), values[peer][theirs]
            # A start token is no cause here; in its place the peers put what is there anyway.
            gap = np.abs(here - there[: len(here), -here.shape[1] :]).max()
            assert gap < tolerance, f"{own}, {peer}: {gap}"
            missed = f"{gap:.1e}"
        each = [x["cpu"] / x["evaluations"] for x in (a, b)]
        lines.append(
            f"| {theirs} ({peer}) | {a['evaluations']} / {b['evaluations']} "
            f"| {a['cpu']:.2f} s ({a['wall']:.2f}) | {b['cpu']:.2f} s ({b['wall']:.2f}) "
            f"| {each[1] / each[0]:.1f} | {missed} |"
        )
    lines += ["", *claims(mine, values["Whence"], values["captum"])]
    for name in names:
        lines += [f"{name}, {what}: {said}" for what, said in found[name]["errors"].items()]
    return "\n".join(lines)


def comparable(found, task, place):
    """Of a sweep over all heads, those that the peer, whose heads all cost the same, was asked."""
    if task != "heads by positions":
        return found
    asked = json.loads((place / "questions.json").read_text())
    shape = (len(found), -1, CONFIGS["gpt2"]["n_head"], len(asked["positions"]))
    return found.reshape(shape)[:, :, asked["heads"]].reshape(len(found), -1)


def claims(mine, values, captum):
    """Other numbers that were asked for."""
    exact, first = values["heads and MLPs"], values["attribution patching"]
    each = [spearmanr(a, b).statistic for a, b in zip(exact, first, strict=True)]
    unit = mine["forward and backward of all behaviors"]["cpu"]
    cost = mine["attribution patching"]["cpu"] / unit
    ours, theirs = values["Shapley values"], captum["Shapley values"]
    sums = np.abs(ours.sum(1) - theirs.sum(1)).max()
    return [
        f"attribution patching costs {cost:.2f} forward-backward passes; Spearman to the exact "
        f"sweep {np.mean(each):.3f} (mean over behaviors; smallest {min(each):.3f}), of mean "
        f"scores {spearmanr(exact.mean(0), first.mean(0)).statistic:.3f}",
        f"all heads and MLPs exactly: {mine['heads and MLPs']['cpu']:.1f} s",
        f"Shapley values, other orders here and there: sums differ by {sums:.1e}, correlation "
        f"{np.corrcoef(ours.ravel(), theirs[:, -ours.shape[1] :].ravel())[0, 1]:.2f}",
    ]


if __name__ == "__main__":
    main()
