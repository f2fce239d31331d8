"""The two settings on which methods that name documents are compared: a world, and real text.

    world   the demo's world of invented people: 40 facts asked about, each stated in five of
            720 short documents, among others that use the same words
    text    passages out of State of the Union and inaugural addresses and the Brown corpus;
            asked about are 20 held-out passages (log-likelihood of 64 words after the first 24)
            and 20 held-out completions (the next three words)

Text comes in two sizes: "full" has 1,000 passages of 150 words and a Llama of 1.0M parameters,
"quick" 256 passages of 130 words and one of 0.36M. Each setting has two recipes: what a run has
by default, and a smooth one, of which the derivative says more about removals. Scripts beside
this one take a setting's folder, so that all see the same corpus, run, behaviors and bank.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from whence.core import Behavior
from whence.core.records import write_json
from whence.core.seeds import generator
from whence.corpus import BuildSettings, Corpus, RawDocument, build_from_documents, open_corpus
from whence.studies.demo import RECIPE as WORLD_DEFAULT
from whence.studies.demo import build as build_world
from whence.training import Recipe, Run, train
from whence.worlds import people

PROMPT, PASSAGE, COMPLETION = 24, 64, 3
SOURCES = ("state_union", "inaugural", "brown")


@dataclass(frozen=True, slots=True)
class Size:
    """How much text, and how large a model.

    Attributes:
        documents: trained on.
        words: of each.
        vocabulary: of the tokenizer that is trained.
        width: of the model, in four heads.
    """

    documents: int
    words: int
    vocabulary: int
    width: int

    def config(self) -> dict[str, object]:
        """A Llama of two layers."""
        return {
            "model_type": "llama",
            "hidden_size": self.width,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": self.width // 4,
            "intermediate_size": 8 * round(self.width / 3),
            "max_position_embeddings": CONTEXT,
            "vocab_size": self.vocabulary,
        }


CONTEXT = 320
SIZES = {"full": Size(1000, 150, 4096, 96), "quick": Size(256, 130, 2048, 64)}

# A long warm-up, a long memory of squared gradients, and an epsilon above most of them: updates
# that answer to the size of gradients, as plain descent does, and so to documents' weights.
SMOOTH = {"warmup": 0.25, "betas": (0.9, 0.99), "epsilon": 1e-5, "learning_rate": 1e-2}
RECIPES = {
    ("world", "default"): WORLD_DEFAULT,
    ("world", "smooth"): replace(WORLD_DEFAULT, rows=48, epochs=6, **SMOOTH),
    ("text", "default"): Recipe(context=CONTEXT, epochs=1),
    ("text", "smooth"): Recipe(context=CONTEXT, rows=8, epochs=1, **SMOOTH),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What every method is given.

    Attributes:
        run: the recorded training.
        behaviors: what is asked about.
        truth: for each behavior the documents that state it, where that is known.
    """

    run: Run
    behaviors: tuple[Behavior, ...]
    truth: tuple[tuple[str, ...], ...] | None


def setting(name: str, recipe: str, folder: Path, size: str = "full", **changes: object) -> Setting:
    """Make a setting, or open it if it is there.

    Args:
        name: "world" or "text".
        recipe: "default" or "smooth".
        folder: where corpora and runs go.
        size: of the text.
        changes: fields of the recipe.
    """
    chosen = replace(RECIPES[name, recipe], **changes)
    run_folder = folder / f"{name}-{recipe}"
    if name == "world":
        world = people()
        corpus = build_world(folder / name, world)
        asked = tuple(fact.question() for fact in world.facts)
        truth = tuple(fact.documents for fact in world.facts)
        return Setting(train(corpus, run_folder, chosen), asked, truth)
    corpus, asked = text(folder, SIZES[size])
    config = folder / "llama.json"
    write_json(config, SIZES[size].config())
    return Setting(train(corpus, run_folder, replace(chosen, config=str(config))), asked, None)


def text(folder: Path, size: Size) -> tuple[Corpus, tuple[Behavior, ...]]:
    """Passages as a corpus, and what is asked about others."""
    passages, place = cut_passages(size.words), folder / "text"
    if place.exists():
        corpus = open_corpus(place)
    else:
        settings = BuildSettings(vocab_size=size.vocabulary)
        corpus = build_from_documents(passages[: size.documents], place, settings)
    return corpus, questions(passages[size.documents :])


def cut_passages(length: int, seed: int = 0) -> list[RawDocument]:
    """Passages of equally many words, shuffled; the first are trained on."""
    data = Path(os.environ.get("WHENCE_DATA", "../shared/data"), "text")
    found = []
    for source in SOURCES:
        for line in (data / f"{source}.jsonl").read_text().splitlines():
            record = json.loads(line)
            words = record["text"].split()
            for number, start in enumerate(range(0, len(words) - length + 1, length)):
                passage = " ".join(words[start : start + length])
                found.append(RawDocument(f"{record['id']}/{number}", passage, {"source": source}))
    order = generator(seed, "passages").permutation(len(found))
    return [found[i] for i in order]


def questions(held_out: list[RawDocument]) -> tuple[Behavior, ...]:
    """Twenty passages to continue at length and twenty to continue by three words, in turn."""
    asked = []
    for number, document in enumerate(held_out[:40]):
        words = document.text.split()
        length = COMPLETION if number % 2 else PASSAGE
        prompt, target = words[:PROMPT], words[PROMPT : PROMPT + length]
        asked.append(Behavior(" ".join(prompt), " " + " ".join(target)))
    return tuple(asked)


def options() -> argparse.ArgumentParser:
    """The arguments that every script on these settings takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--setting", choices=("world", "text"), required=True)
    parser.add_argument("--recipe", choices=("default", "smooth"), default="smooth")
    parser.add_argument("--size", choices=tuple(SIZES), default="full", help="of the text")
    parser.add_argument("--behaviors", type=int, default=40, help="the first so many")
    parser.add_argument("--folder", type=Path, required=True, help="of corpora, runs and banks")
    return parser
