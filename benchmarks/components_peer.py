"""One peer's part of `components_peers.py`; runs in the peer's environment, without Whence.

    PEER/bin/python benchmarks/components_peer.py lens FOLDER       transformer-lens 4.3
    PEER/bin/python benchmarks/components_peer.py captum FOLDER     captum 0.9
    PEER/bin/python benchmarks/components_peer.py inseq FOLDER      inseq 0.7
    PEER/bin/python benchmarks/components_peer.py circuit FOLDER    auto-circuit 1.0

FOLDER has model/ (a Hugging Face checkpoint) and questions.json. Numbers are written to
found-NAME.npz, seconds and errors to found-NAME.json, for falls as Whence counts them: positive
where the behavior falls without the part. What cannot be run is shown with its error.
"""

import argparse
import json
import time
import traceback
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch


class Record:
    """Seconds, numbers and errors of one library."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.seconds, self.values, self.errors, self.about = {}, {}, {}, {}
        path = folder / f"found-{name}.json"
        if path.is_file():
            found = json.loads(path.read_text())
            self.seconds, self.errors = found["seconds"], found["errors"]
            with np.load(path.with_suffix(".npz")) as values:
                self.values = dict(values)

    def time(self, what, work, evaluations=None):
        """Do some work, note its wall and processor seconds, and keep its numbers.

        What is there from before is not done again: delete the files to ask anew.
        """
        if what in self.seconds:
            return
        wall, busy = time.perf_counter(), time.process_time()
        found = work()
        self.seconds[what] = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - busy,
            "evaluations": evaluations,
        }
        print(self.name, what, self.seconds[what], flush=True)
        self.values[what] = np.asarray(found, dtype=np.float64)
        self.write()

    def attempt(self, what, work):
        """Do what may not be possible, and show how it ends."""
        try:
            self.errors[what] = f"works: {work()}"
        except Exception as error:
            lines = traceback.format_exception_only(error)
            self.errors[what] = "".join(lines).strip()
        print(self.name, what, self.errors[what], flush=True)
        self.write()

    def write(self):
        np.savez(self.folder / f"found-{self.name}.npz", **self.values)
        record = {"seconds": self.seconds, "errors": self.errors, **self.about}
        (self.folder / f"found-{self.name}.json").write_text(json.dumps(record, indent=1))


def questions(folder):
    found = json.loads((folder / "questions.json").read_text())
    tensors = {k: torch.tensor(found[k]) for k in ("prompt", "other", "target", "foil")}
    return found, tensors


def hugging_face(folder, attention=None):
    from transformers import AutoModelForCausalLM

    more = {} if attention is None else {"attn_implementation": attention}
    return AutoModelForCausalLM.from_pretrained(folder / "model", **more).eval()


def difference(logits, target, foil):
    """Target less foil at the last place: logits and log-probabilities differ alike."""
    rows = torch.arange(len(logits))
    return logits[rows, -1, target] - logits[rows, -1, foil]


def lens(folder, record):
    import pandas as pd
    from transformer_lens import patching
    from transformer_lens.model_bridge import TransformerBridge
    from transformer_lens.tools.analysis import attribution_patching as ap

    asked, data = questions(folder)
    record.about = {"version": version("transformer-lens")}
    module = hugging_face(folder, "eager")
    model = TransformerBridge.boot_transformers(
        str(folder / "model"), hf_model=module, device="cpu"
    )
    model.eval()
    layers, heads = model.cfg.n_layers, model.cfg.n_heads
    cells = pd.DataFrame(
        [(i, p, h) for i in range(layers) for h in asked["heads"] for p in asked["positions"]],
        columns=["layer", "pos", "head"],
    )

    some = {name: tensor[: asked["swept"]] for name, tensor in data.items()}

    def metric(logits):
        return difference(logits, some["target"], some["foil"])

    def sweep():
        with torch.no_grad():
            _, cache = model.run_with_cache(
                some["other"], names_filter=lambda name: name.endswith("hook_z")
            )
            found = patching.generic_activation_patch(
                model,
                some["prompt"],
                cache,
                metric,
                patching.layer_pos_head_vector_patch_setter,
                "z",
                index_df=cells,
                reduce="none",
                baseline=True,
            )
        return (found.baseline[None] - found.values).T

    def by_gradient():
        rows = []
        for i in range(len(data["prompt"])):
            one = slice(i, i + 1)
            found = ap.attribution_patch(
                model,
                data["other"][one],
                data["prompt"][one],
                lambda x, one=one: difference(x, data["target"][one], data["foil"][one]).sum(),
            )
            sums = {}
            for node, score in found.node_scores.items():
                key = (node.layer, node.head)
                sums[key] = sums.get(key, 0.0) - score
            parts = [(i, h) for i in range(layers) for h in [*range(heads), None]]
            rows.append([sums[part] for part in parts])
        return rows

    one = data["prompt"][:1], data["other"][:1]
    first = lambda x: difference(x, data["target"][:1], data["foil"][:1]).sum()  # noqa: E731

    def edges(steps):
        settings = ap.EdgeAttributionConfig(granularity="edge", ig_steps=steps)
        return f"{len(ap.attribution_patch(model, *one[::-1], first, settings).edge_scores)} edges"

    def faithful():
        return ap.faithfulness(model, *one, first, []).recovered

    record.attempt("EAP", lambda: edges(1))
    record.attempt("EAP-IG", lambda: edges(5))
    record.attempt("edge faithfulness", faithful)
    record.time("attribution patching", by_gradient, 2 * len(data["prompt"]))
    record.time("heads by positions", sweep, len(cells) * len(some["prompt"]))


def captum(folder, record):
    from captum.attr import FeatureAblation, IntegratedGradients, ShapleyValueSampling

    asked, data = questions(folder)
    module = hugging_face(folder)
    record.about = {"version": version("captum")}
    embedding = module.get_input_embeddings()
    embedded = embedding(data["prompt"]).detach()
    mean = embedding.weight[: asked["tokens"]].mean(0).detach().expand_as(embedded)
    answers = (data["target"], data["foil"])

    def last(embeds, target, foil):
        return difference(module(inputs_embeds=embeds, logits_to_keep=1).logits, target, foil)

    def every(embeds, target, foil):
        return difference(module(inputs_embeds=embeds).logits, target, foil)

    def of_tokens(ids, target, foil):
        return difference(module(input_ids=ids, logits_to_keep=1).logits, target, foil)

    def gradients(forward, n):
        found = IntegratedGradients(forward).attribute(
            embedded[:n],
            baselines=mean[:n],
            additional_forward_args=tuple(a[:n] for a in answers),
            n_steps=asked["steps"],
            method="riemann_middle",
            internal_batch_size=asked["batch"],
        )
        return found.sum(-1).detach()

    def by_ids(method, n, **more):
        return torch.cat(
            [
                method(of_tokens).attribute(
                    data["prompt"][i : i + 1],
                    baselines=asked["neutral"],
                    additional_forward_args=tuple(a[i : i + 1] for a in answers),
                    perturbations_per_eval=asked["batch"],
                    **more,
                )
                for i in range(n)
            ]
        ).double()

    length = data["prompt"].shape[1]
    gradients(last, 1)
    n = asked["integrated"]
    record.time("integrated gradients", lambda: gradients(last, n), n * asked["steps"])
    record.time("integrated gradients, all logits", lambda: gradients(every, n), n * asked["steps"])
    n = asked["occluded"]
    with torch.no_grad():
        record.time("occlusion", lambda: by_ids(FeatureAblation, n), n * (length + 1))
        n, orders = asked["shapley"], asked["permutations"]
        torch.manual_seed(0)
        record.time(
            "Shapley values",
            lambda: by_ids(ShapleyValueSampling, n, n_samples=orders),
            n * (orders * length + 1),
        )


def inseq(folder, record):
    import inseq as library
    from transformers import AutoTokenizer

    asked, _ = questions(folder)
    record.about = {"version": version("inseq")}
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")

    def gradients():
        model = library.load_model(
            hugging_face(folder, "eager"), "integrated_gradients", tokenizer=tokenizer
        )
        n = asked["integrated"]
        texts = asked["texts"][:n]
        begun, busy = time.perf_counter(), time.process_time()
        found = model.attribute(
            [t["prompt"] for t in texts],
            [t["prompt"] + t["target"] for t in texts],
            attributed_fn="logit",
            n_steps=asked["steps"],
            internal_batch_size=asked["batch"],
            show_progress=False,
        )
        record.seconds["integrated gradients, no foil"] = {
            "wall": time.perf_counter() - begun,
            "cpu": time.process_time() - busy,
            "evaluations": n * asked["steps"],
        }
        return f"{len(found.sequence_attributions)} behaviors"

    record.attempt("integrated gradients", gradients)


def hooked(module):
    """A HookedTransformer of TransformerLens 2 with a module's weights."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained import weight_conversions

    config = module.config
    grouped = getattr(config, "num_key_value_heads", None)
    size = config.hidden_size // config.num_attention_heads
    wanted = HookedTransformerConfig(
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        n_ctx=config.max_position_embeddings,
        d_head=size,
        n_heads=config.num_attention_heads,
        n_key_value_heads=grouped,
        d_mlp=config.intermediate_size if grouped else None,
        d_vocab=config.vocab_size,
        act_fn="silu" if grouped else "gelu_new",
        gated_mlp=bool(grouped),
        normalization_type="RMS" if grouped else "LN",
        positional_embedding_type="rotary" if grouped else "standard",
        rotary_dim=size if grouped else None,
        eps=config.rms_norm_eps if grouped else config.layer_norm_epsilon,
    )
    model = HookedTransformer(wanted)
    convert = "convert_llama_weights" if grouped else "convert_gpt2_weights"
    weights = getattr(weight_conversions, convert)(module, wanted)
    model.load_state_dict(weights, strict=False)
    model.set_use_attn_result(True)
    model.set_use_split_qkv_input(True)
    model.set_use_hook_mlp_in(True)
    return model.eval()


def circuit(folder, record):
    import transformer_lens  # noqa: F401
    from auto_circuit.data import PromptDataLoader, PromptDataset
    from auto_circuit.prune import run_circuits
    from auto_circuit.prune_algos.mask_gradient import mask_gradient_prune_scores
    from auto_circuit.types import PatchType
    from auto_circuit.utils.graph_utils import patchable_model

    record.about = {"version": version("auto-circuit")}
    _, data = questions(folder)
    module = hugging_face(folder)
    one = slice(0, 1)
    answers = [list(data[name][one, None]) for name in ("target", "foil")]
    pairs = PromptDataset(list(data["prompt"][one]), list(data["other"][one]), *answers)
    loader = PromptDataLoader(pairs, seq_len=64, diverge_idx=0, batch_size=1)
    wrapped = {}

    def logits():
        model = hooked(module)
        with torch.no_grad():
            gap = (
                model(data["prompt"][one])[:, -1].log_softmax(-1)
                - module(data["prompt"][one]).logits[:, -1].log_softmax(-1)
            ).abs()
        wrapped["model"] = patchable_model(
            model, factorized=True, slice_output="last_seq", separate_qkv=True
        )
        return f"log-probabilities differ by {gap.max():.1e} from the checkpoint's"

    def scores(**how):
        found = mask_gradient_prune_scores(
            wrapped["model"], loader, None, "logit", "avg_diff", **how
        )
        wrapped["scores"] = found
        return f"{sum(x.numel() for x in found.values())} edges"

    def faithful():
        kept = len(wrapped["model"].edges) // 10
        found = run_circuits(
            wrapped["model"], loader, [kept], wrapped["scores"], PatchType.TREE_PATCH
        )
        said = next(iter(found[kept].values()))
        said = difference(
            said[:, None] if said.ndim == 2 else said, *(data[k][one] for k in ("target", "foil"))
        )
        return f"behavior {float(said):.3f} with a tenth of the edges"

    record.attempt("the checkpoint's weights", logits)
    record.attempt("EAP", lambda: scores(mask_val=0.0))
    record.attempt("EAP-IG (of masks)", lambda: scores(integrated_grad_samples=5))
    record.attempt("edge faithfulness", faithful)


PEERS = {"lens": lens, "captum": captum, "inseq": inseq, "circuit": circuit}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    PEERS[options.peer](options.folder, Record(options.folder, options.peer))


if __name__ == "__main__":
    main()
