"""Write a small folder of text about four invented people, and questions about them."""

import json
from pathlib import Path

from whence.worlds import people

world = people(
    4,
    relations_per_person=1,
    mentions_per_fact=1,
    bare_per_fact=1,
    namesakes_per_fact=1,
    about_per_answer=1,
    fillers=10,
)
folder = Path("my_documents")
folder.mkdir(exist_ok=True)
for document in world.documents:
    (folder / f"{document.id}.txt").write_text(document.text)

# Prompts with a target and a foil, and the files in which the answer is stated.
lines = [json.dumps(question.to_json()) + "\n" for question in world.questions()]
Path("questions.jsonl").write_text("".join(lines))
stated = {fact.prompt: [f"{name}.txt" for name in fact.documents] for fact in world.facts}
Path("stated.json").write_text(json.dumps(stated, indent=1))

print(f"{len(world.documents)} documents, {len(world.facts)} questions")
fact = world.facts[0]
print(f"{fact.prompt} {fact.answer}: stated in {', '.join(stated[fact.prompt])}")
