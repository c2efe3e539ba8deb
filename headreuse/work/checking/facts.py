"""What a check finds, as plain records."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunFacts:
    """One run of checkpoints that are given: what is measured, or what models are fine-tuned from."""

    group: str
    run: str
    steps: tuple[int, ...]
    """Of the checkpoints that can be used."""
    left_out: tuple[str, ...]
    """Why others cannot, one line each."""
    n_layers: int
    n_heads: int
    n_positions: int | None
    """Tokens that the model can read: None where its positions have no end."""
    n_bytes: int
    """Of the weights of one checkpoint, as they are loaded."""
    is_here: bool
    """Whether the weights are on this machine."""
    seconds_a_token: float
    """Of one forward pass on one worker's threads, from a timed sample."""
    is_start: bool = False
    """Whether models are fine-tuned from these checkpoints, which are not measured then."""


@dataclass(frozen=True)
class PromptsFacts:
    """The prompts of one task for one run's tokenizer."""

    group: str
    run: str
    task: str
    n: int
    """Prompts that heads are scored with."""
    n_asked: int
    n_tokens: int
    """Of the longest with its answer."""
    alignment: str
    """How positions of different prompts correspond, in words."""


@dataclass(frozen=True)
class Facts:
    """All that is known of a study before it is run."""

    study: str
    problems: tuple[str, ...]
    """What would fail, one line each."""
    runs: tuple[RunFacts, ...]
    prompts: tuple[PromptsFacts, ...]
    n_to_train: int
    """Models that are trained or fine-tuned here."""
    n_checkpoints: int
    n_measurements: int
    seconds: float
    """Of the whole on this machine."""
    n_workers: int
    memory_needed: int
    """Bytes, of all workers together."""
    memory_free: int
    disk_needed: int
    """Bytes of checkpoints, downloads and results."""
    disk_free: int
