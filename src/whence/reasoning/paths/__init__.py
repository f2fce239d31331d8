"""Knowledge graphs, random walks on them, and ranking answers by the paths that lead to them.

graph      triples as arrays; relation matrices, sparse, with steps of a uniform random walk
rules      sequences of relations with weights, for each target relation; as released too
mining     rules found in the graph and their weights, by logistic regression
ranking    answers to (head, relation) queries: sums of rule probabilities, weighted or not
scoring    accuracy, mean reciprocal rank and hits, raw and filtered
explaining the likeliest walks behind an answer
walks      random walks as documents, with one token for each entity and relation

The probability of a rule h1...hn from a head is that of a uniform random walk that happens
to take these relations: P(tail | head, h) = (M_h1 ... M_hn)[head, tail], where
M_r[a, b] is the number of edges r from a to b over all edges out of a.

Source: Wang et al., Understanding reasoning ability of language models from the perspective
of reasoning paths aggregation (2024); path ranking after Lao and Cohen (2010).
"""

from whence.reasoning.paths.explaining import Walk, best_walks
from whence.reasoning.paths.graph import Graph, graph_of, read_graph, with_inverses
from whence.reasoning.paths.mining import MiningSettings, mine_rules
from whence.reasoning.paths.ranking import aggregate, score_heads
from whence.reasoning.paths.rules import Rule, RuleSet, read_rules, write_rules
from whence.reasoning.paths.scoring import PathScore, score_paths
from whence.reasoning.paths.walks import WalkSettings, random_walks, write_walks

__all__ = [
    "Graph",
    "MiningSettings",
    "PathScore",
    "Rule",
    "RuleSet",
    "Walk",
    "WalkSettings",
    "aggregate",
    "best_walks",
    "graph_of",
    "mine_rules",
    "random_walks",
    "read_graph",
    "read_rules",
    "score_heads",
    "score_paths",
    "with_inverses",
    "write_rules",
    "write_walks",
]
