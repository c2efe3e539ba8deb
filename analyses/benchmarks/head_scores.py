"""How fast are head scores, and how close to what the arithmetic allows?

    python analyses/benchmarks/head_scores.py [--json FILE] [--only PART ...] [--repeats N] [--shrink K] [--device cuda]

All-head mean ablation in fp32 against TransformerLens' patching and a loop with hooks: the same prompts, the same run,
medians over repeats. The floor is the arithmetic that must follow an ablated head, at this machine's matmul rate.
On two idle cores everything takes about half an hour, and `--only small` takes seconds.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from scoring.parts import PARTS, Bench, Number

NAME_WIDTH = 38


def main() -> None:
    """Print the table as it is measured; with `--json FILE` write the numbers there too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write a list of {name, value, unit} to this file")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure only these parts")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of which the median is taken (default: 3)")
    parser.add_argument("--shrink", type=int, default=1, help="divide the number of prompts by K, for a quick look")
    parser.add_argument(
        "--device", default="cpu", help="cpu or cuda; numbers from cuda have names that begin with gpu."
    )
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    prefix = "gpu." if device.type == "cuda" else ""
    bench = Bench(device, n_repeats=arguments.repeats, shrink=arguments.shrink, prefix=prefix)
    print(_machine(device))
    numbers: list[Number] = []
    for name in arguments.only:
        print(f"\n{PARTS[name].__doc__}")
        for number in PARTS[name](bench):
            numbers.append(number)
            value = f"{number.value:.4g}"
            print(f"  {number.name:<{NAME_WIDTH}} {value:>9} {number.unit:<17} {number.note}", flush=True)
    if arguments.json:
        entries = [{key: entry for key, entry in asdict(n).items() if key != "note"} for n in numbers]
        arguments.json.write_text(json.dumps(entries, indent=1) + "\n")


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    processor = platform.processor() or platform.machine()
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}, {sys.platform}{load}"


if __name__ == "__main__":
    main()
