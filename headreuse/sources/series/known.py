"""Series that the field uses, by a short name: their repositories on the Hub, and where they are described."""

import re
from dataclasses import dataclass
from functools import cache

from headreuse.errors import HeadreuseError, nearest

PYTHIA = "https://github.com/EleutherAI/pythia"
POLYPYTHIAS = "https://arxiv.org/abs/2503.09543"
SMOLLM = "https://github.com/huggingface/smollm"
OLMO = "https://github.com/allenai/OLMo"
AMBER = "https://huggingface.co/LLM360/Amber"
MISTRAL = "https://github.com/stanford-crfm/mistral"
TINYLLAMA = "https://github.com/jzhang38/TinyLlama"
N_SEEDS = 9
REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)


@dataclass(frozen=True)
class KnownSeries:
    """A series on the Hub."""

    name: str
    repo: str
    """`owner/name`."""
    revisions: str
    """One of them, as an example of their names."""
    source: str
    """Where the series is described."""


def _pythia() -> list[KnownSeries]:
    sizes = ("14m", "31m", "70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")
    names = [f"pythia-{size}" for size in sizes]
    names += [f"pythia-{size}-deduped" for size in sizes[2:]]
    found = [KnownSeries(name, f"EleutherAI/{name}", "step143000", PYTHIA) for name in names]
    seeds = [f"pythia-{size}-seed{seed}" for size in sizes[:5] for seed in range(1, N_SEEDS + 1)]
    return found + [KnownSeries(name, f"EleutherAI/{name}", "step143000", POLYPYTHIAS) for name in seeds]


def _others() -> list[KnownSeries]:
    smollm2 = "HuggingFaceTB/SmolLM2-{}-intermediate-checkpoints"
    gpt2 = ("alias", "x21"), ("battlestar", "x49"), ("caprica", "x81"), ("darkmatter", "x343"), ("expanse", "x777")
    return [
        *(KnownSeries(f"smollm2-{s.lower()}", smollm2.format(s), "step-160000", SMOLLM) for s in ("135M", "360M")),
        KnownSeries("smollm2-1.7b", smollm2.format("1.7B"), "step-125000", SMOLLM),
        KnownSeries("smollm3-3b", "HuggingFaceTB/SmolLM3-3B-checkpoints", "stage1-step-40000", SMOLLM),
        KnownSeries("olmo-1b", "allenai/OLMo-1B-hf", "step1000-tokens4B", OLMO),
        KnownSeries("olmo-1b-0724", "allenai/OLMo-1B-0724-hf", "step1000-tokens2B", OLMO),
        KnownSeries("olmo-7b-0424", "allenai/OLMo-7B-0424-hf", "step1000-tokens4B", OLMO),
        KnownSeries("olmo-7b-0724", "allenai/OLMo-7B-0724-hf", "step1000-tokens4B", OLMO),
        KnownSeries("olmo2-1b", "allenai/OLMo-2-0425-1B", "stage1-step1907359-tokens4001B", OLMO),
        KnownSeries("olmo2-7b", "allenai/OLMo-2-1124-7B", "stage1-step928646-tokens3896B", OLMO),
        KnownSeries("olmo2-13b", "allenai/OLMo-2-1124-13B", "stage1-step596057-tokens5001B", OLMO),
        KnownSeries(
            "tinyllama-1.1b", "TinyLlama/tinyLlama-intermediate-checkpoints", "step-480k-token-1007B", TINYLLAMA
        ),
        KnownSeries("amber-7b", "LLM360/Amber", "ckpt_000", AMBER),
        *(
            KnownSeries(f"gpt2-small-{name}", f"stanford-crfm/{name}-gpt2-small-{seed}", "checkpoint-400000", MISTRAL)
            for name, seed in gpt2
        ),
    ]


@cache
def known_series() -> dict[str, KnownSeries]:
    """All series that have a short name, by that name."""
    return {series.name: series for series in [*_pythia(), *_others()]}


def repository_of(name: str) -> str:
    """The repository `owner/name` that a short name stands for, or that the name is itself."""
    if name in known_series():
        return known_series()[name].repo
    if REPO.fullmatch(name) and ".." not in name:
        return name
    raise HeadreuseError(
        f"{name!r} is no folder, no repository (owner/name) and no known series{nearest(name, list(known_series()))}; "
        "`headreuse checkpoints --known` lists those that are known"
    )
