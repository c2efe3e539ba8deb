"""What do Banzhaf values cost, against a full pass for each subset of heads and against single-head ablation?

    python analyses/benchmarks/coalitions.py [--json FILE] [--only small paper] [--repeats N] [--prompts N]

Small: 2 × 4 heads, all 256 subsets, 256 prompts of 20 tokens; the rival is one pass of the Hugging Face model for each
subset, with hooks on what its output projections read. Paper: 6 × 6 heads of d_model 384, 400 drawn subsets, after a
short training; seconds, standard errors, and single-head ablation beside them. In one process, medians over rounds in
which all take turns.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from scoring.settings import PAPER, SMALL, taught
from torch import Tensor
from transformers import LlamaForCausalLM

from headreuse.models.anatomy import hooked
from headreuse.records import HeadScores, Prompts
from headreuse.scores import banzhaf, mean_ablation

N_SUBSETS = 400
SHARES = (0.5, 0.2)
"""Of other heads ablated, at the published size: after half of 36 heads nothing is left to be measured."""
Number = tuple[str, float, str]


def by_full_passes(model: LlamaForCausalLM, prompts: Prompts) -> Float[np.ndarray, "head"]:
    """Banzhaf values in log-probability, from one pass for each subset."""
    tokens, scored = torch.as_tensor(prompts.tokens), torch.as_tensor(prompts.scored)
    n_layers, n_heads = model.config.num_hidden_layers, model.config.num_attention_heads
    subsets = (np.arange(2 ** (n_layers * n_heads))[:, None] >> np.arange(n_layers * n_heads) & 1).astype(bool)
    means: list[Tensor] = []
    with torch.inference_mode():
        with seeing_z(model, lambda _layer, z: means.append(z.mean(0))):
            model(input_ids=tokens, use_cache=False)
        found = np.array([_log_prob(model, tokens, scored, means, subset) for subset in subsets])
    return np.array([found[~column].mean() - found[column].mean() for column in subsets.T])


def _log_prob(
    model: LlamaForCausalLM, tokens: Tensor, scored: Tensor, means: list[Tensor], subset: Bool[np.ndarray, "head"]
) -> float:
    d_head = model.config.head_dim
    chosen = torch.as_tensor(subset).view(len(means), -1).repeat_interleave(d_head, dim=1)
    with seeing_z(model, lambda layer, z: torch.where(chosen[layer], means[layer], z)):
        logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
    predicted = logits[scored[:, 1:]].log_softmax(-1)
    return float(predicted.gather(-1, tokens[scored][:, None]).sum()) / len(tokens)


@contextmanager
def seeing_z(model: LlamaForCausalLM, use: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """Within the block, `use` is given each layer's `z`; what it returns, if anything, takes its place."""

    def hook_of(layer: int) -> Callable[..., tuple[Tensor] | None]:
        def hook(_module: object, args: tuple[Tensor, ...]) -> tuple[Tensor] | None:
            changed = use(layer, args[0])
            return None if changed is None else (changed,)

        return hook

    with ExitStack() as stack:
        for layer, block in enumerate(model.model.layers):
            stack.enter_context(hooked(block.self_attn.o_proj.register_forward_pre_hook(hook_of(layer))))
        yield


def small(n_repeats: int, _n_prompts: int) -> Iterator[Number]:
    """Exact, 2 × 4 heads."""
    setting = replace(SMALL, n_prompts=256)
    model, prompts = setting.model(torch.device("cpu")), setting.prompts()
    seconds = _medians(
        {
            "tree": lambda: banzhaf(model, prompts).effect("log_prob").ravel(),
            "full_passes": lambda: by_full_passes(model, prompts),
            "single_heads": lambda: mean_ablation(model, prompts).effect("log_prob").ravel(),
        },
        n_repeats,
        same=("tree", "full_passes"),
    )
    yield "coalitions.exact_seconds", seconds["tree"], "s"
    yield "coalitions.full_passes_seconds", seconds["full_passes"], "s"
    yield "coalitions.vs_full_passes", seconds["full_passes"] / seconds["tree"], "x"
    yield "coalitions.exact_vs_single_heads", seconds["tree"] / seconds["single_heads"], "x"


def paper(n_repeats: int, n_prompts: int) -> Iterator[Number]:
    """Drawn, 6 × 6 heads."""
    setting = replace(PAPER, n_prompts=n_prompts)
    model, prompts = taught(setting, torch.device("cpu")), setting.prompts()
    found: dict[float, HeadScores] = {}

    def value(q: float) -> None:
        found[q] = banzhaf(model, prompts, q=q, n_subsets=N_SUBSETS)

    works: dict[str, Callable[[], object]] = {str(q): lambda q=q: value(q) for q in SHARES}
    seconds = _medians(works | {"single_heads": lambda: mean_ablation(model, prompts)}, n_repeats)
    yield "coalitions.single_heads_seconds", seconds["single_heads"], "s"
    for q, scores in found.items():
        assert scores.errors is not None
        name = f"coalitions.share_{q:g}".replace(".", "_").replace("_share", ".share", 1)
        yield f"{name}_seconds", seconds[str(q)], "s"
        yield f"{name}_largest_error", float(scores.errors["log_prob"].max()), "nats"
        yield f"{name}_largest_effect", float(scores.effect("log_prob").max()), "nats"


def _medians(works: dict[str, Callable[[], object]], n_repeats: int, same: tuple[str, ...] = ()) -> dict[str, float]:
    """Median seconds of each work; those of `same` must give the same numbers."""
    times: dict[str, list[float]] = {name: [] for name in works}
    given: dict[str, Any] = {}
    for _ in range(n_repeats):
        for name, work in works.items():
            start = time.perf_counter()
            given[name] = work()
            times[name].append(time.perf_counter() - start)
    for one, other in pairwise(same):
        np.testing.assert_allclose(given[one], given[other], atol=1e-4)
    return {name: median(entries) for name, entries in times.items()}


PARTS = {"small": small, "paper": paper}


def main() -> None:
    """Print the numbers; with `--json FILE` write them there too."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write a list of {name, value, unit} to this file")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure only these parts")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of which the median is taken (default: 3)")
    parser.add_argument("--prompts", type=int, default=8, help="at the published size (default: 8)")
    arguments = parser.parse_args()
    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {sys.platform}, load {os.getloadavg()[0]:.1f}"
    )
    numbers = []
    for part in arguments.only:
        for name, value, unit in PARTS[part](arguments.repeats, arguments.prompts):
            numbers.append({"name": name, "value": value, "unit": unit})
            print(f"{name:42}{value:>12.4g} {unit}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
