"""Influence functions and their kin: gradients weighed by the curvature of the loss.

settings    what a person chooses
labels      labels drawn from the model, for the Fisher matrix
curvature   Kronecker factors, their eigenvectors, corrected eigenvalues
low_rank    directions in fewer numbers
ekfac       the influence of documents
"""

from whence.attribution.influence.ekfac import ekfac
from whence.attribution.influence.settings import InfluenceSettings

__all__ = ["InfluenceSettings", "ekfac"]
