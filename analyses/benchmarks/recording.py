"""Does recording patterns need more memory for more prompts? The peak of one process for each number of prompts.

python analyses/benchmarks/recording.py [--json FILE]
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

N_PROMPTS = (256, 4096)
MICRO_BATCH = 32
N_POSITIONS = 48
"""Kept one by one, the patterns of 4,096 such prompts would fill 1.2 GB."""


def peak_of_this_process(n_prompts: int) -> int:
    """Peak resident memory in bytes after recording `n_prompts` in this process."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from headreuse.attention import mean_pattern
    from headreuse.records import Prompts, Role

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=128, intermediate_size=256, num_hidden_layers=4, num_attention_heads=8
    )
    generator = np.random.default_rng(0)
    tokens = generator.integers(3, 64, (n_prompts, N_POSITIONS))
    roles = np.full_like(tokens, Role.INPUT)
    prompts = Prompts("random", tokens, tokens, roles, roles == Role.ANSWER, np.ones(n_prompts, dtype=int))
    mean_pattern(LlamaForCausalLM(config).eval(), prompts, micro_batch=MICRO_BATCH)
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte


def peak(n_prompts: int) -> int:
    """The same, measured in a new process."""
    command = [sys.executable, __file__, "--measure", str(n_prompts)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print the table; with `--json FILE` write the numbers there too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write a list of {name, value, unit} to this file")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(peak_of_this_process(arguments.measure))
        return
    peaks = {n_prompts: peak(n_prompts) for n_prompts in N_PROMPTS}
    few, many = peaks.values()
    numbers = [{"name": f"recording.peak_{n}", "value": value, "unit": "bytes"} for n, value in peaks.items()]
    numbers.append({"name": "recording.peak_ratio", "value": many / few, "unit": "ratio"})
    print(f"{'prompts':>8}  {'peak':>10}   (micro-batch {MICRO_BATCH}, {N_POSITIONS} positions)")
    for n_prompts, value in peaks.items():
        print(f"{n_prompts:>8}  {value / 1e6:>7.1f} MB")
    print(f"   ratio  {many / few:>10.3f}   (at most 1.05)")
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
