"""Peak memory of one intervention on many prompts, measured in a process of its own.

python memory.py N_PROMPTS MEMORY_BUDGET
"""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

PROCESS = Path("/proc/self")


def peak_above_model(n_prompts: int, memory_budget: int) -> int:
    """Bytes that ablating one late head of the deep model needs at most, in addition to the loaded model."""
    command = [sys.executable, __file__, str(n_prompts), str(memory_budget)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def resident_peak() -> int:
    """The most bytes of this process that were in memory at once."""
    if PROCESS.exists():
        return next(int(line.split()[1]) for line in (PROCESS / "status").open() if line.startswith("VmHWM")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> None:
    """On Linux, reset the peak to what is resident now, so that what came before is not counted."""
    if PROCESS.exists():
        (PROCESS / "clear_refs").write_text("5")


def _measure(n_prompts: int, memory_budget: int) -> int:
    import torch

    from headreuse.interventions.head_sets import set_ablation
    from headreuse.records import Head
    from scoring.settings import DEEP

    setting = replace(DEEP, n_prompts=n_prompts, n_positions=16, n_scored=5)
    model, prompts = setting.model(torch.device("cpu")), setting.prompts()
    sets = [{Head(setting.n_layers - 2, 0)}]
    set_ablation(model, setting.prompts(n_prompts=2), sets, memory_budget=memory_budget)
    forget_peak()
    before = resident_peak()
    set_ablation(model, prompts, sets, memory_budget=memory_budget)
    return resident_peak() - before


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    print(_measure(*map(int, sys.argv[1:])))
