"""Claims re-run, each a short declaration over the rooms below.

demo     the main job on a world whose truth is known
real     the main job on real text
shown    behaviors that a model really shows
recall   how many of a fact's documents a method finds
"""

from whence.studies.demo import Demo, demo
from whence.studies.real import demo_real, real_text
from whence.studies.recall import planted_recall
from whence.studies.shown import Shown, shown_behaviors

__all__ = [
    "Demo",
    "Shown",
    "demo",
    "demo_real",
    "planted_recall",
    "real_text",
    "shown_behaviors",
]
