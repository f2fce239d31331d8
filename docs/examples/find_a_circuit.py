"""Which edges between heads carry a behavior, on a model whose circuit is known."""

from whence.attribution import edge_integrated_gradients, greedy_pruning, leave_one_out
from whence.interventions import Divergence, Edges
from whence.verification import circuit, curve
from whence.worlds import induction

# A small transformer written by hand: "a b ... a" is continued with "b".
written = induction(4, noise=0.01)
print(written.behaviors[0].prompt, "->", written.behaviors[0].target)

# Along a cut edge goes what another prompt gives, which lacks the first "a".
edges = Edges(written.model, replacement="other", other_prompt=written.others)
print(len(edges.causes), "edges")

exact = leave_one_out(edges, written.behaviors)
order = (-exact.values.mean(0)).argsort()
members = [edges.causes[i].id for i in order[:3]]
print("cut one by one:", sorted(members))

gradients = edge_integrated_gradients(edges, written.behaviors)
print(f"CPR {curve(exact, edges).cpr:.2f} exact, {curve(gradients, edges).cpr:.2f} by EAP-IG")

tested = circuit(edges, written.behaviors, members)
print(f"the three alone: {tested.faithfulness:.0%} of the behavior")

pruned = greedy_pruning(Divergence(edges), written.behaviors, threshold=0.05)
print("left by pruning:", sorted(edges.causes[i].id for i in pruned.kept.nonzero()[0]))
