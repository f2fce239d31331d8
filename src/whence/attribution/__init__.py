"""Who is responsible: scores from any method, all in one unit and one sign.

perturb         leave-one-out, written once for documents, components and tokens
lookup          BM25, exact spans, embeddings, random: baselines that only rank
regression      linear models of random subsets: datamodels, COAR, LIME; written once too
pruning         removing one after another as long as little changes: ACDC; once too
hypothesis      does a cause matter at all: tests with false discoveries controlled; once too
lasso           the sparse fit under them
shapley         Shapley values: exact, by permutations, by the kernel; once too
tracin          documents: gradient similarity along the recorded run
similarity      documents: gradient similarity at one checkpoint
influence       documents: EK-FAC, Gauss-Newton, SOURCE, TRAK
through_run     documents: the derivative through the whole recorded run
by_part         the same by part of the model, heads included
integrated_run  the same integrated from a set's presence to its absence
streaming       a corpus past a model, for all of these
layer_gradients, row_gradients, gradients   what they are made of
memorization    what a document did to the model's grasp of that very document
patching        components: attribution patching
direct          components: what each says to the vocabulary itself
edge_patching   edges between components: EAP, EAP-IG
routes          components: information-flow routes, from one forward pass
flow_terms      what a state of the stream is a sum of
stream_parts    which components those terms are
inputs          tokens: gradient x input, SmoothGrad, integrated gradients
attention       tokens: attention rollout and value flow, which only rank
context_length  what each further piece of context adds
orders          tokens by position and by the length of their embeddings
"""

from whence.attribution.attention import attention_rollout, value_flow
from whence.attribution.context_length import context_length_probing
from whence.attribution.direct import direct_logit_attribution
from whence.attribution.edge_patching import edge_attribution, edge_integrated_gradients
from whence.attribution.gradients import adam_scaling
from whence.attribution.hypothesis import (
    Tested,
    benjamini_hochberg,
    effect_tests,
    sign_flip_p_values,
)
from whence.attribution.influence import (
    InfluenceSettings,
    Solving,
    TrakSettings,
    ekfac,
    gauss_newton,
    source,
    trak,
)
from whence.attribution.inputs import gradient_x_input, integrated_gradients, smooth_grad
from whence.attribution.integrated_run import through_run_integrated
from whence.attribution.lookup import bm25, embedding, exact_spans, random_order, sentences
from whence.attribution.memorization import (
    NEVER,
    Detection,
    Effect,
    Memorization,
    OrderTest,
    Panel,
    Profile,
    auc,
    counterfactual,
    detect,
    detection_scores,
    memorization_profile,
    order_test,
    panel_of,
)
from whence.attribution.orders import by_position, embedding_norm
from whence.attribution.patching import attribution_patching
from whence.attribution.perturb import leave_one_out
from whence.attribution.pruning import Pruned, greedy_pruning
from whence.attribution.regression import Fit, coar, datamodel, lime, subset_regression
from whence.attribution.routes import Route, Routes, information_flow, information_flow_routes
from whence.attribution.row_gradients import RowGradients
from whence.attribution.shapley import exact_shapley, kernel_shapley, permutation_shapley
from whence.attribution.similarity import gradient_similarity
from whence.attribution.streaming import rows_of_run
from whence.attribution.through_run import (
    through_run,
    through_run_by_part,
    through_run_by_token,
)
from whence.attribution.tracin import spread, tracin

__all__ = [
    "NEVER",
    "Detection",
    "Effect",
    "Fit",
    "InfluenceSettings",
    "Memorization",
    "OrderTest",
    "Panel",
    "Profile",
    "Pruned",
    "Route",
    "Routes",
    "RowGradients",
    "Solving",
    "Tested",
    "TrakSettings",
    "adam_scaling",
    "attention_rollout",
    "attribution_patching",
    "auc",
    "benjamini_hochberg",
    "bm25",
    "by_position",
    "coar",
    "context_length_probing",
    "counterfactual",
    "datamodel",
    "detect",
    "detection_scores",
    "direct_logit_attribution",
    "edge_attribution",
    "edge_integrated_gradients",
    "effect_tests",
    "ekfac",
    "embedding",
    "embedding_norm",
    "exact_shapley",
    "exact_spans",
    "gauss_newton",
    "gradient_similarity",
    "gradient_x_input",
    "greedy_pruning",
    "information_flow",
    "information_flow_routes",
    "integrated_gradients",
    "kernel_shapley",
    "leave_one_out",
    "lime",
    "memorization_profile",
    "order_test",
    "panel_of",
    "permutation_shapley",
    "random_order",
    "rows_of_run",
    "sentences",
    "sign_flip_p_values",
    "smooth_grad",
    "source",
    "spread",
    "subset_regression",
    "through_run",
    "through_run_by_part",
    "through_run_by_token",
    "through_run_integrated",
    "tracin",
    "trak",
    "value_flow",
]
