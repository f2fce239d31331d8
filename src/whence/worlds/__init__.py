"""What is known to be true: documents, models written by hand, and real text everybody has.

world         documents, facts, and which document states which fact
people        invented people, with look-alike documents for every fact
people_text   the names and sentences that they are written in
written       transformers whose weights are written by hand
trained       small ones trained on the spot, whose needed tokens are known
words         a tokenizer of whole words
stdlib        Python's own library, one document a function or class
"""

from whence.worlds.people import people
from whence.worlds.stdlib import python_library
from whence.worlds.trained import Trained, chosen, marked
from whence.worlds.world import Fact, World
from whence.worlds.written import Written, copying, induction, two_hops

__all__ = [
    "Fact",
    "Trained",
    "World",
    "Written",
    "chosen",
    "copying",
    "induction",
    "marked",
    "people",
    "python_library",
    "two_hops",
]
