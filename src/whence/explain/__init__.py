"""The main job: why did the model do that, and does the answer hold.

explain       one call from a model and a behavior to a verified record
plan          what a budget leads to, fixed before the work begins
plan_rules    what each field of a plan may be
subject       a run or a checkpoint, opened
findings      attribute and verify, kind by kind
answers       a whole answer: what each of its tokens owes to those before it
calibration   from ranks to nats, by measured replays
steepness     whether a derivative through the run can be believed
methods       those that can be called by name
judgement     what a judgement holds, as plain data
judging       methods judged by real removals, with what each cost
judging_inside  the same for components and tokens, with curves and weights dealt out anew
judged_page   a judgement as one HTML page
circuits      which edges or parts carry a behavior, taken away and measured
circuit_cost  whether an explanation looks for them: what that would cost
routes        which tokens and parts made the state that predicts
peak          the most memory that a piece of work took
corpus_says   what the text itself says of the behavior
record        the versioned JSON
report        the record as one HTML page
table         the record in a terminal
"""

from whence.explain.answers import answer_map
from whence.explain.calibration import Slope, load_slopes, save_slopes, slope_from
from whence.explain.circuits import CircuitSettings, find_circuit
from whence.explain.explain import Explanation, explain, explain_many
from whence.explain.findings import document_scores
from whence.explain.judgement import Judged, Judgement, JudgeSettings
from whence.explain.judging import judge_documents
from whence.explain.judging_inside import Cut, judge_components, judge_tokens
from whence.explain.methods import METHODS
from whence.explain.plan import DEFAULT_BUDGET, Estimate, Plan
from whence.explain.report.circuit import circuit_page
from whence.explain.report.routes import routes_page
from whence.explain.routes import find_routes
from whence.explain.subject import open_subject

__all__ = [
    "DEFAULT_BUDGET",
    "METHODS",
    "CircuitSettings",
    "Cut",
    "Estimate",
    "Explanation",
    "JudgeSettings",
    "Judged",
    "Judgement",
    "Plan",
    "Slope",
    "answer_map",
    "circuit_page",
    "document_scores",
    "explain",
    "explain_many",
    "find_circuit",
    "find_routes",
    "judge_components",
    "judge_documents",
    "judge_tokens",
    "load_slopes",
    "open_subject",
    "routes_page",
    "save_slopes",
    "slope_from",
]
