"""How long does it take to score every head of a model of SmolLM2-360M's shape, and in what memory?

    python analyses/benchmarks/series.py [--json FILE] [--layers 4,12,20,28,31 | --whole] [--device cuda]

Mean ablation on 32 prompts of 48 tokens, weights random. On a processor all heads of some layers are ablated, in fp32
and then in bf16, and compared with the floor of the same layers: about four minutes on two idle cores; `--whole` takes
all layers and about 40 minutes. On a GPU all layers are measured, in fp32 and in bf16, against TransformerLens.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from scoring.floor import suffix_flops
from scoring.layers import Timing, time_layers
from scoring.memory import forget_peak, resident_peak
from scoring.parts import Bench, Number, against_rivals_and_floor
from scoring.settings import SMOLLM2_360M as SETTING

from headreuse.scores import mean_ablation

LAYERS = (4, 12, 20, 28, 31)
GIBIBYTE = 2**30


def main() -> None:
    """Print the numbers as they are measured; with `--json FILE` write them there too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write a list of {name, value, unit} to this file")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--layers", default=",".join(map(str, LAYERS)), help="layers whose heads are ablated")
    which.add_argument("--whole", action="store_true", help="ablate the heads of all layers")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    layers = range(SETTING.n_layers) if arguments.whole else tuple(map(int, arguments.layers.split(",")))
    device = torch.device(arguments.device)
    numbers: list[Number] = []
    for number in on_processor(tuple(layers)) if device.type == "cpu" else on_gpu(device):
        numbers.append(number)
        print(f"{number.name:<38} {number.value:>10.4g} {number.unit:<16} {number.note}", flush=True)
    if arguments.json:
        entries = [{key: entry for key, entry in asdict(n).items() if key != "note"} for n in numbers]
        arguments.json.write_text(json.dumps(entries, indent=1) + "\n")


def on_processor(layers: tuple[int, ...]) -> Iterator[Number]:
    """Seconds, floor and memory of these layers, in fp32 and in bf16; TransformerLens is compared with on a GPU."""
    forget_peak()
    before = resident_peak()
    model = SETTING.model(torch.device("cpu"))
    weights = sum(weight.nbytes for weight in model.parameters())
    exact = time_layers(model, SETTING, layers)
    peak = resident_peak() - before
    yield from _times("series", exact, layers)
    yield Number("series.peak", peak / GIBIBYTE, "GiB", f"weights {weights / GIBIBYTE:.2f} GiB")
    yield Number("series.peak_vs_weights", peak / weights, "ratio", "at most 3")
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        print("this processor has no arithmetic in bf16: what it takes there is not measured")
        return
    rough = time_layers(model.to(torch.bfloat16), SETTING, layers)
    yield from _times("series.bf16", rough, layers)
    yield Number("series.bf16.speedup", exact.seconds / rough.seconds, "ratio")
    yield _deviation("series.bf16.max_log_prob_deviation", exact.drops, rough.drops)


def _times(name: str, timing: Timing, layers: tuple[int, ...]) -> Iterator[Number]:
    whole = timing.vs_floor * timing.floor * suffix_flops(SETTING) / suffix_flops(SETTING, layers)
    yield Number(f"{name}.preparation", timing.preparation, "s", "heads found, replay checked, clean runs made: once")
    yield Number(f"{name}.seconds", timing.seconds, "s", f"{len(layers)} layers of {SETTING.n_layers}")
    yield Number(f"{name}.floor", timing.floor, "s", f"{timing.rate / 1e9:.0f} GFLOP/s on the model's own shapes")
    yield Number(f"{name}.vs_floor", timing.vs_floor, "ratio", "at most 1.35; with its part of the preparation")
    yield Number(f"{name}.all_heads", whole, "s", "all layers at this ratio to the floor")


def _deviation(name: str, exact: np.ndarray, rough: np.ndarray) -> Number:
    largest = np.abs(exact).max()
    return Number(name, float(np.abs(exact - rough).max()), "nats", f"of drops up to {largest:.3g}")


def on_gpu(device: torch.device) -> Iterator[Number]:
    """Seconds of all heads against TransformerLens and the floor, in fp32 and in bf16."""
    bench = Bench(device, n_repeats=1, shrink=1, prefix="gpu.")
    drops = []
    for part, dtype in (("series", torch.float32), ("series.bf16", torch.bfloat16)):
        torch.cuda.reset_peak_memory_stats(device)
        yield from against_rivals_and_floor(bench, part, SETTING, "at most 1.35", dtype=dtype)
        model = SETTING.model(device).to(dtype)
        drops.append(mean_ablation(model, SETTING.prompts()).effects["log_prob"])
        weights = sum(weight.nbytes for weight in model.parameters())
        yield bench.number(f"{part}.weights", weights / GIBIBYTE, "GiB")
    yield _deviation("gpu.series.bf16.max_log_prob_deviation", *drops)


if __name__ == "__main__":
    main()
