"""Distributions of documents with a known truth, and real text that is on every machine.

world         documents, facts, and which document states which fact
people        invented people, with look-alike documents for every fact
people_text   the names and sentences that they are written in
stdlib        Python's own library, one document a function or class
"""

from whence.worlds.people import people
from whence.worlds.stdlib import python_library
from whence.worlds.world import Fact, World

__all__ = ["Fact", "World", "people", "python_library"]
