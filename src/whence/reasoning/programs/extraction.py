"""Programs out of completions.

A completion is a program, a program in a fence among words, or the body of the function that
the zero-shot prompt opened. What comes after (the next question that the model invents, the
explanation) is cut.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_NEXT_QUESTION = re.compile(r"^\s*(?:#+\s*)?(?:Question|Passage|Problem)\s*:", re.MULTILINE)
_SOLVER = re.compile(r"^def solver\(", re.MULTILINE)
_ANSWERED = re.compile(r"^ans\s*=", re.MULTILINE)
CALL = "ans = solver()"


def program_of(completion: str) -> str:
    """The program in a completion; a `solver` that is only defined gets called."""
    fenced = _FENCE.findall(completion)
    text = max(fenced, key=len) if fenced else completion
    following = _NEXT_QUESTION.search(text)
    # Where the question itself is repeated first, the program comes after it.
    if following and text[: following.start()].strip():
        text = text[: following.start()]
    text = text.strip("\n").rstrip()
    if _SOLVER.search(text) and not _ANSWERED.search(text):
        text = f"{text}\n{CALL}"
    return text


def solver_of(opening: str, completion: str) -> str:
    """The program that a zero-shot completion makes of its opening.

    Args:
        opening: imports, comments and the line `def solver():` that the prompt ended with.
        completion: the body; it ends at the first line that is not indented.
    """
    fenced = _FENCE.findall(completion)
    if fenced and any(_SOLVER.search(block) for block in fenced):
        return program_of(completion)
    body = []
    for line in completion.strip("\n").splitlines():
        if line.strip() and not line[0].isspace():
            break
        body.append(line.rstrip())
    inside = "\n".join(body).rstrip() or "    return None"
    return f"{opening.rstrip()}\n{inside}\n{CALL}"
