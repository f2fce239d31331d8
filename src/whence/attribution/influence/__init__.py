"""Influence functions and their kin: gradients weighed by the curvature of the loss.

settings       what a person chooses
labels         labels drawn from the model, for the Fisher matrix
curvature      Kronecker factors, their eigenvectors, corrected eigenvalues
low_rank       directions in fewer numbers
ekfac          the influence of documents
gauss_newton   the same with the equations solved by conjugate gradients
source         unrolled over segments of a recorded training
trak           in a random space of few dimensions
"""

from whence.attribution.influence.ekfac import ekfac
from whence.attribution.influence.gauss_newton import Solving, gauss_newton
from whence.attribution.influence.settings import InfluenceSettings
from whence.attribution.influence.source import source
from whence.attribution.influence.trak import TrakSettings, trak

__all__ = [
    "InfluenceSettings",
    "Solving",
    "TrakSettings",
    "ekfac",
    "gauss_newton",
    "source",
    "trak",
]
