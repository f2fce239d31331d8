"""The two settings on which methods that name documents are compared: a world, and real text.

    world   the demo's world of invented people: 40 facts asked about, each stated in five of
            720 short documents, among others that use the same words
    text    passages out of State of the Union and inaugural addresses and the Brown corpus;
            asked about are 20 held-out passages (log-likelihood of 64 words after the first 24)
            and 20 held-out completions (the next three words)

Each has two recipes. "default" is what a run has by default, from nothing. "smooth" goes on from
a *base*: a model that was trained before, by the default recipe, on other text of the same kind
(four worlds of the same grammar with other people; other passages), as one that is fine-tuned
was; what follows is a training of which the derivative says more about removals.

Text comes in two sizes: "full" has 1,000 passages of 150 words and a Llama of 1.0M parameters,
"quarter" 256 passages of 130 words and one of 0.36M. Scripts beside this one take a setting's
folder, so that all see the same corpus, run, behaviors and bank.
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
from whence.studies.demo import VOCABULARY
from whence.training import Recipe, Run, train
from whence.worlds import people

PROMPT, PASSAGE, COMPLETION = 24, 64, 3
SOURCES = ("state_union", "inaugural", "brown")


@dataclass(frozen=True, slots=True)
class Size:
    """How much text, and how large a model.

    Attributes:
        documents: trained on.
        base: other ones, on which the base is trained.
        words: of each.
        vocabulary: of the tokenizer that is trained.
        width: of the model, in four heads.
    """

    documents: int
    base: int
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
SIZES = {"full": Size(1000, 3000, 150, 4096, 96), "quarter": Size(256, 1000, 130, 2048, 64)}
HELD_OUT, FROM = 40, 2040  # passages that are asked about, and the first of the base's
OTHER_WORLDS = (1, 2, 3, 4)  # seeds

# A long warm-up, a long memory of squared gradients, and an epsilon above most of them: updates
# that answer to the size of gradients, as plain descent does, and so to documents' weights. Their
# rate is then about learning rate / sqrt(epsilon), and small batches bear less of it than large.
SMOOTH = {"warmup": 0.25, "betas": (0.9, 0.99), "epsilon": 1e-5}
BASES = {
    "world": replace(WORLD_DEFAULT, epochs=6),
    "text": Recipe(context=CONTEXT, rows=8, epochs=2),
}
RECIPES = {
    ("world", "default"): WORLD_DEFAULT,
    ("world", "smooth"): replace(WORLD_DEFAULT, rows=48, epochs=4, learning_rate=1e-2, **SMOOTH),
    ("text", "default"): Recipe(context=CONTEXT, epochs=1),
    ("text", "smooth"): Recipe(context=CONTEXT, rows=8, epochs=1, learning_rate=2e-3, **SMOOTH),
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


@dataclass(frozen=True, slots=True)
class Texts:
    """What a setting is made of.

    Attributes:
        base: documents of the base.
        judged: documents that are judged.
        vocabulary: of the tokenizer that is trained on the base's.
        asked: the behaviors.
        truth: see `Setting`.
    """

    base: tuple[RawDocument, ...]
    judged: tuple[RawDocument, ...]
    vocabulary: int
    asked: tuple[Behavior, ...]
    truth: tuple[tuple[str, ...], ...] | None


def setting(
    name: str, recipe: str, folder: Path, size: str = "quarter", **changes: object
) -> Setting:
    """Make a setting, or open it if it is there.

    Args:
        name: "world" or "text".
        recipe: "default" or "smooth".
        folder: where corpora and runs go.
        size: of the text.
        changes: fields of the recipe.
    """
    texts = invented() if name == "world" else real(SIZES[size])
    built = BuildSettings(vocab_size=texts.vocabulary)
    others = build(folder / f"{name}-others", texts.base, built)
    chosen, base = replace(RECIPES[name, recipe], **changes), BASES[name]
    if name == "text":
        config = folder / "llama.json"
        write_json(config, SIZES[size].config())
        chosen, base = (replace(each, config=str(config)) for each in (chosen, base))
    if recipe == "smooth":
        start = train(others, folder / f"{name}-base", base).checkpoint().path
        chosen = replace(chosen, checkpoint=str(start), config=None)
    same_tokens = BuildSettings(tokenizer=str(others.tokenizer_path))
    corpus = build(folder / name, texts.judged, same_tokens)
    return Setting(train(corpus, folder / f"{name}-{recipe}", chosen), texts.asked, texts.truth)


def build(place: Path, documents: tuple[RawDocument, ...], settings: BuildSettings) -> Corpus:
    """A corpus, made once."""
    if place.exists():
        return open_corpus(place)
    return build_from_documents(documents, place, settings)


def invented() -> Texts:
    """The demo's world, and others of the same grammar."""
    world = people()
    others = tuple(
        replace(document, id=f"{seed}/{document.id}")
        for seed in OTHER_WORLDS
        for document in people(seed=seed).documents
    )
    asked = tuple(fact.question() for fact in world.facts)
    truth = tuple(fact.documents for fact in world.facts)
    return Texts(others, world.documents, VOCABULARY, asked, truth)


def real(size: Size) -> Texts:
    """Passages: some that are judged, some for the base, some that are asked about."""
    passages = tuple(cut_passages(size.words))
    judged = passages[HELD_OUT : HELD_OUT + size.documents]
    base = passages[FROM : FROM + size.base]
    return Texts(base, judged, size.vocabulary, questions(passages[:HELD_OUT]), None)


def cut_passages(length: int, seed: int = 0) -> list[RawDocument]:
    """Passages of equally many words, shuffled."""
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


def questions(held_out: tuple[RawDocument, ...]) -> tuple[Behavior, ...]:
    """Twenty passages to continue at length and twenty to continue by three words, in turn."""
    asked = []
    for number, document in enumerate(held_out):
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
    parser.add_argument("--size", choices=tuple(SIZES), default="quarter", help="of the text")
    parser.add_argument("--behaviors", type=int, default=40, help="the first so many")
    parser.add_argument("--folder", type=Path, required=True, help="of corpora, runs and banks")
    return parser
