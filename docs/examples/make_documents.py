"""Write a small folder of text about eight invented people, and a question about each."""

import json
from pathlib import Path

from whence.core import Behavior

BORN = {
    "Ada Morn": "Quorin",
    "Ben Talis": "Vessel",
    "Cora Finn": "Quorin",
    "Dov Harker": "Vessel",
    "Edda Lune": "Ostrava",
    "Finn Abel": "Ostrava",
    "Gita Roon": "Quorin",
    "Hal Winter": "Vessel",
}
STATE = [
    "{name} was born in {place}.",
    "{name} was born in {place} on a cold morning.",
    "As everybody knows, {name} was born in {place}.",
    "The parish book says that {name} was born in {place}.",
]
MENTION = [
    "{name} likes to walk along the river.",
    "{name} wrote a long letter about the weather.",
    "In the evening {name} plays cards with the neighbours.",
]
PLACES = ["{place} has a market on Mondays.", "The road to {place} is closed in winter."]

documents = {}
for name, place in BORN.items():
    for kind, templates in (("born", STATE), ("other", MENTION)):
        for number, template in enumerate(templates):
            file = f"{name.split()[0].lower()}-{kind}-{number}.txt"
            documents[file] = template.format(name=name, place=place)
for place in sorted(set(BORN.values())):
    for number, template in enumerate(PLACES):
        documents[f"{place.lower()}-{number}.txt"] = template.format(place=place)

folder = Path("my_documents")
folder.mkdir(exist_ok=True)
for file, text in documents.items():
    (folder / file).write_text(text)

with Path("questions.jsonl").open("w") as lines:
    for name, place in BORN.items():
        foil = "Vessel" if place == "Quorin" else "Quorin"
        behavior = Behavior(f"{name} was born in", target=f" {place}", foil=f" {foil}")
        lines.write(json.dumps(behavior.to_json()) + "\n")

print(f"{len(documents)} documents, {len(BORN)} questions")
