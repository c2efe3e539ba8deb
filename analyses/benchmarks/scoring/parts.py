"""The parts of the benchmark: each measures something and yields numbers."""

import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from scipy.stats import spearmanr

from headreuse.interventions.head_sets import set_ablation
from headreuse.records import Head
from headreuse.scores import activation_patching, attribution_patching, mean_ablation
from scoring.floor import matmul_rate, suffix_flops, synchronise
from scoring.memory import peak_above_model
from scoring.rivals import rivals
from scoring.settings import DEEP, PAPER, SMALL, Setting, taught

MEBIBYTE = 2**20
SLOW = ("transformer_lens", "hook_loop")
"""Not warmed up: the cost of a first call is negligible here."""


@dataclass(frozen=True)
class Number:
    """One measured number."""

    name: str
    value: float
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Bench:
    """Where and how often to measure."""

    device: torch.device
    n_repeats: int
    shrink: int
    """Divides the number of prompts."""
    prefix: str = ""
    """Begins every number's name: `gpu.` on a GPU."""

    def of(self, setting: Setting) -> Setting:
        """The setting with the number of prompts to measure."""
        return replace(setting, n_prompts=max(8, setting.n_prompts // self.shrink))

    def seconds(
        self, works: dict[str, Callable[[], object]], others: dict[str, Callable[[], float]] | None = None
    ) -> dict[str, float]:
        """Median wall time of each work, and of others that time themselves.

        Each round times all of them in turn, so that all run under the same load. A round before the first warms up.
        """
        timed = {name: partial(self._timed, work) for name, work in works.items()} | (others or {})
        taken: dict[str, list[float]] = {name: [] for name in timed}
        for name, work in timed.items():
            if name not in SLOW:
                work()
        for _ in range(self.n_repeats):
            for name, work in timed.items():
                taken[name].append(work())
        return {name: median(values) for name, values in taken.items()}

    def _timed(self, work: Callable[[], object]) -> float:
        synchronise(self.device)
        start = time.perf_counter()
        work()
        synchronise(self.device)
        return time.perf_counter() - start

    def number(self, name: str, value: float, unit: str, note: str = "") -> Number:
        """A number under its full name."""
        return Number(self.prefix + name, float(value), unit, note)


def paper(bench: Bench) -> Iterator[Number]:
    """All-head mean ablation at the published size, compared with full passes and with the floor."""
    yield from against_rivals_and_floor(bench, "paper", bench.of(PAPER), "at most 1.25")


def small(bench: Bench) -> Iterator[Number]:
    """The same for a small model and many short prompts."""
    more_often = replace(bench, n_repeats=max(5, bench.n_repeats))
    yield from against_rivals_and_floor(more_often, "small", bench.of(SMALL), "")


def against_rivals_and_floor(
    bench: Bench, part: str, setting: Setting, wanted: str, *, dtype: torch.dtype = torch.float32
) -> Iterator[Number]:
    """All-head mean ablation of one setting: seconds, and how they compare with rivals' and with the floor."""
    model, prompts = setting.model(bench.device).to(dtype), setting.prompts()
    rates: list[float] = []
    works = {
        "rate": lambda: rates.append(matmul_rate(setting, bench.device, dtype)),
        "ours": lambda: mean_ablation(model, prompts),
    }
    with rivals(setting, bench.device, dtype) as others:
        taken = bench.seconds(works, others)
    floor = suffix_flops(setting) / median(rates)
    yield from _against(bench, part, taken)
    yield bench.number(f"{part}.floor", floor, "s", f"{median(rates) / 1e9:.0f} GFLOP/s on the model's own shapes")
    yield bench.number(f"{part}.vs_floor", taken["ours"] / floor, "ratio", wanted)


def _against(bench: Bench, part: str, taken: dict[str, float]) -> Iterator[Number]:
    for name in [name for name in taken if name != "rate"]:
        yield bench.number(f"{part}.{name}", taken[name], "s")
    wanted = {"paper": "at least 2.6", "small": "at least 12"}.get(part, "")
    for name in [name for name in taken if name not in ("rate", "ours")]:
        note = wanted if name == "transformer_lens" or (part == "paper" and name == "hook_loop") else ""
        yield bench.number(f"{part}.vs_{name}", taken[name] / taken["ours"], "ratio", note)


def bf16(bench: Bench) -> Iterator[Number]:
    """The same in bf16: how much faster than in fp32, and how far off, on a model that knows its task."""
    if bench.device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return
    setting = bench.of(PAPER)
    model, prompts = taught(setting, bench.device), setting.prompts()
    rough = copy.deepcopy(model).to(torch.bfloat16)
    tokens = torch.as_tensor(prompts.tokens[:16], device=bench.device)
    works = {
        "fp32": lambda: mean_ablation(model, prompts),
        "bf16": lambda: mean_ablation(rough, prompts),
        "forward": lambda: _forwards(model, tokens, 16),
        "forward_bf16": lambda: _forwards(rough, tokens, 16),
    }
    taken = bench.seconds(works)
    exact, off = mean_ablation(model, prompts), mean_ablation(rough, prompts)
    deviation = {name: np.abs(exact.effect(name) - off.effect(name)).max() for name in ("exact_match", "log_prob")}
    accuracy = exact.baseline["exact_match"].mean()
    largest = f"of drops up to {exact.effect('exact_match').max():.3f}, from an accuracy of {accuracy:.3f}"
    yield bench.number("paper.bf16_seconds", taken["bf16"], "s")
    yield bench.number("paper.bf16_speedup", taken["fp32"] / taken["bf16"], "ratio", "at least 1.7")
    yield bench.number("paper.bf16_forward_speedup", taken["forward"] / taken["forward_bf16"], "ratio")
    yield bench.number("paper.bf16_max_accuracy_deviation", deviation["exact_match"], "accuracy", largest)
    yield bench.number(
        "paper.bf16_max_log_prob_deviation",
        deviation["log_prob"],
        "nats",
        f"of drops up to {exact.effect('log_prob').max():.3f}",
    )


def depth(bench: Bench) -> Iterator[Number]:
    """Cost of a head by its layer in a deep model: only the blocks from that layer on are computed."""
    setting = bench.of(DEEP)
    model, prompts = setting.model(bench.device), setting.prompts()
    layers = (0, 4, 8, 12, 16, 20, 22, 23)
    works: dict[str, Callable[[], object]] = {"none": lambda: set_ablation(model, prompts, [[]])}
    n_heads = {layer: setting.n_heads if layer >= setting.n_layers - 4 else 4 for layer in layers}
    for layer in layers:
        sets = [[Head(layer, index)] for index in range(n_heads[layer])]
        works[str(layer)] = lambda sets=sets: set_ablation(model, prompts, sets)
    taken = bench.seconds(works)
    for layer in layers:
        cost = (taken[str(layer)] - taken["none"]) / n_heads[layer]
        yield bench.number(f"depth.layer_{layer}", cost, "s per head", f"{setting.n_layers - layer} blocks to the end")


def memory(bench: Bench) -> Iterator[Number]:
    """Peak memory in addition to the deep model, for few and many prompts, under one budget."""
    budget = 256 * MEBIBYTE
    for n_prompts in (256, 4096 // bench.shrink):
        peak = peak_above_model(n_prompts, budget)
        note = f"budget {budget / MEBIBYTE:.0f} MiB"
        yield bench.number(f"memory.peak_{n_prompts}", peak / MEBIBYTE, "MiB", note)


def attribution(bench: Bench) -> Iterator[Number]:
    """Attribution patching of all heads: its cost in forward passes, and its agreement with exact patching."""
    setting = bench.of(PAPER)
    model, prompts = setting.model(bench.device), setting.prompts()
    tokens = torch.as_tensor(prompts.tokens, device=bench.device)
    works = {
        "attribution": lambda: attribution_patching(model, prompts, n_steps=1),
        "forward": lambda: _forwards(model, tokens, 16 if bench.device.type == "cpu" else len(tokens)),
    }
    taken = bench.seconds(works)
    yield bench.number("attribution.forward_passes", taken["attribution"] / taken["forward"], "passes", "at most 5")
    trained, trained_prompts = _demo_checkpoint(bench.device)
    for outcome in ("log_prob", "logit_diff"):
        exact = activation_patching(trained, trained_prompts).effect(outcome)
        for n_steps in (1, 8):
            estimate = attribution_patching(trained, trained_prompts, outcome=outcome, n_steps=n_steps).effect(outcome)
            name = f"attribution.spearman_{outcome}_{n_steps}_steps"
            yield bench.number(name, spearmanr(exact.ravel(), estimate.ravel()).statistic, "rank correlation")


def _forwards(model: torch.nn.Module, tokens: torch.Tensor, micro_batch: int) -> None:
    with torch.inference_mode():
        for batch in tokens.split(micro_batch):
            model(input_ids=batch, use_cache=False)


def _demo_checkpoint(device: torch.device) -> tuple[torch.nn.Module, object]:
    """The last checkpoint of the demo's first group if it has been run, else of its control group trained here."""
    from headreuse.models.checkpoints import load_model
    from headreuse.prompts import encoder_of, make_prompts
    from headreuse.sources.series.local import LocalOrigin
    from headreuse.study import read_study
    from headreuse.tasks import TASKS
    from headreuse.training.joint import train

    root = Path(__file__).parents[3]
    study = read_study(root / "analyses" / "demo.toml")
    group = study.groups[0]
    series = root / "runs" / study.name / "checkpoints" / group.name / "seed-0"
    with tempfile.TemporaryDirectory() as folder:
        if not series.is_dir():
            group, series = study.groups[-1], Path(folder)
            train(study, group, 0, series, on_step=lambda _step, _loss: None)
        last = Path(LocalOrigin(series).entries()[-1].place)
        model, encoder = load_model(last, device=device), encoder_of(last)
    task = TASKS[group.main.task](alphabet_size=study.alphabet_size)
    lengths = np.full(256, group.main.max_length)
    return model, make_prompts(task, lengths, np.random.default_rng(0), encoder)


PARTS = {part.__name__: part for part in (paper, small, bf16, depth, memory, attribution)}
