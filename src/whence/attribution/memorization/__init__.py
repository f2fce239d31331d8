"""Memorisation: what a document did to the model's grasp of that very document.

counterfactual   with and without it, from a bank of retrained models
panel            log-likelihoods of documents over the checkpoints of one run
profile          the same effect from one run, by difference-in-differences
detection        telling training documents from others: baselines with AUC and intervals
"""

from whence.attribution.memorization.counterfactual import Memorization, counterfactual
from whence.attribution.memorization.detection import (
    Detection,
    OrderTest,
    auc,
    detect,
    detection_scores,
    order_test,
)
from whence.attribution.memorization.panel import NEVER, Panel, panel_of
from whence.attribution.memorization.profile import (
    Effect,
    Profile,
    memorization_profile,
)

__all__ = [
    "NEVER",
    "Detection",
    "Effect",
    "Memorization",
    "OrderTest",
    "Panel",
    "Profile",
    "auc",
    "counterfactual",
    "detect",
    "detection_scores",
    "memorization_profile",
    "order_test",
    "panel_of",
]
