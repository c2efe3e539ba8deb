"""Ablation of all heads of some layers, with the machine's rate measured in between: other work comes and goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from headreuse.interventions.ablate import ablate
from headreuse.interventions.replacements import replacement_for
from headreuse.interventions.subject import prepare
from headreuse.records import Head
from scoring.floor import matmul_rate, suffix_flops
from scoring.settings import Setting


@dataclass(frozen=True)
class Timing:
    """What the heads of some layers took."""

    preparation: float
    """Seconds before the first head; needed once for all layers."""
    seconds: float
    floor: float
    """Seconds that the arithmetic takes at the rates that were measured in between."""
    rate: float
    """Median of these rates, in operations per second."""
    overhead: float
    """The preparation as a fraction of the floor of all layers, at the rates before and after it."""
    drops: np.ndarray
    """By how much each head's ablation lowers each prompt's log-probability: `head prompt`, layer by layer."""

    @property
    def vs_floor(self) -> float:
        """Seconds, with these layers' part of the preparation, over the floor."""
        return self.seconds / self.floor + self.overhead


def time_layers(model: PreTrainedModel, setting: Setting, layers: tuple[int, ...]) -> Timing:
    """Mean ablation of each head of these layers."""
    prompts, drops = setting.prompts(), []
    rates = [_rate(setting, model.dtype)]
    start = time.perf_counter()
    subject = prepare(model, prompts)
    mean = replacement_for(subject, "mean", "each")
    preparation = time.perf_counter() - start
    rates.append(_rate(setting, model.dtype))
    overhead = preparation / _floor(suffix_flops(setting), rates)
    clean = _seconds(lambda: ablate(subject, [], mean))
    seconds = floor = 0.0
    for layer in layers:
        sets = [frozenset({Head(layer, head)}) for head in range(setting.n_heads)]
        seconds += _seconds(lambda sets=sets: drops.append(ablate(subject, sets, mean).effects["log_prob"])) - clean
        rates.append(_rate(setting, model.dtype))
        floor += _floor(suffix_flops(setting, [layer]), rates)
    return Timing(preparation, seconds, floor, float(np.median(rates)), overhead, np.concatenate(drops))


def _floor(flops: float, rates: list[float]) -> float:
    """Seconds at the rates that were measured last: before and after."""
    return flops * (1 / rates[-1] + 1 / rates[-2]) / 2


def _rate(setting: Setting, dtype: torch.dtype) -> float:
    return matmul_rate(setting, torch.device("cpu"), dtype, seconds=0.5)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
