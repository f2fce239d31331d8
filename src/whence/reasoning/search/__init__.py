"""Sampling and search over steps, on any client.

choosing     best of n, self-consistency, beam over steps with a scorer
particles    particle filtering with a reward a step, and an unbiased estimate of the evidence
power        draws from p(x)^alpha by Metropolis-Hastings
thinksum     choices by the probabilities of phrases, over many prompts
hypotheses   rules as programs, filtered by running them, refined by what they got wrong
"""

from whence.reasoning.search.choosing import BeamSettings, Chosen, beam, best_of, self_consistency
from whence.reasoning.search.hypotheses import Example, Hypothesis, find_rule
from whence.reasoning.search.particles import Particles, ParticleSettings, particle_filter
from whence.reasoning.search.power import PowerSample, power_sample
from whence.reasoning.search.thinksum import think_sum

__all__ = [
    "BeamSettings",
    "Chosen",
    "Example",
    "Hypothesis",
    "ParticleSettings",
    "Particles",
    "PowerSample",
    "beam",
    "best_of",
    "find_rule",
    "particle_filter",
    "power_sample",
    "self_consistency",
    "think_sum",
]
