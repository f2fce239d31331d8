"""Claims re-run, each a short declaration over the rooms below.

demo     the main job on a world whose truth is known
real     the main job on real text
shown    behaviors that a model really shows
recall   how many of a fact's documents a method finds
asked    a model asked about a task: vectors, probabilities of stretches
memorization   does a model's answer follow its corpus's counts?
frequency      does frequency explain accuracy?
frequency_page the same as a page
profile_page   a memorisation profile as a page
"""

from whence.studies.demo import Demo, demo
from whence.studies.frequency import Known, ask_facts, fact_frequency, read_known
from whence.studies.frequency_page import frequency_page
from whence.studies.memorization import TaskSettings, task_memorization
from whence.studies.profile_page import profile_page
from whence.studies.real import demo_real, real_text
from whence.studies.recall import planted_recall
from whence.studies.shown import Shown, shown_behaviors

__all__ = [
    "Demo",
    "Known",
    "Shown",
    "TaskSettings",
    "ask_facts",
    "demo",
    "demo_real",
    "fact_frequency",
    "frequency_page",
    "planted_recall",
    "profile_page",
    "read_known",
    "real_text",
    "shown_behaviors",
    "task_memorization",
]
