"""What a check learns from a run's first model: its shape, its tokenizer, how fast it answers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headreuse.errors import HeadreuseError
from headreuse.prompts import Encoder
from headreuse.prompts.fitting import check_fits, n_learned_positions
from headreuse.records import Prompts
from headreuse.sources.given import Given
from headreuse.study.runs import Run, Source

SECONDS = 3.0
"""Spent on timing a model."""
MATRIX = 1024
"""Side of the matrices that are multiplied where the weights are not here."""
SHARE_OF_RATE = 0.6
"""Of the rate of large matrix products that a decoder reaches; for an estimate."""


@dataclass(frozen=True)
class Sample:
    """A run's model without its weights, and with them where they are on this machine."""

    run: Run
    folder: Path
    encoder: Encoder
    shape: Any
    """The model without weights, on the meta device."""
    is_here: bool

    @property
    def n_layers(self) -> int:
        """Blocks."""
        return int(self.shape.config.get_text_config().num_hidden_layers)

    @property
    def n_heads(self) -> int:
        """Query heads of a layer."""
        return int(self.shape.config.get_text_config().num_attention_heads)

    @property
    def n_positions(self) -> int | None:
        """See `RunFacts`."""
        return n_learned_positions(self.shape)

    @property
    def n_parameters(self) -> int:
        """Of the whole model."""
        return sum(weight.numel() for weight in self.shape.parameters())

    def check(self, prompts: Prompts) -> None:
        """Raise where the model cannot read the prompts."""
        check_fits(prompts, self.shape)

    def seconds_a_token(self, prompts: Prompts, n_threads: int) -> float:
        """Of a forward pass, timed with the model where it is here, else with matrix products."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(n_threads)
        try:
            return self._timed(prompts) if self.is_here else 2.0 * self.n_parameters / (SHARE_OF_RATE * _rate())
        finally:
            torch.set_num_threads(before)

    def _timed(self, prompts: Prompts) -> float:
        from headreuse.evaluation import evaluate
        from headreuse.models.checkpoints import load_model

        model = load_model(self.folder, **self.run.source.loading)
        few = replace(prompts[:16], lengths=prompts.lengths[:16] * 0)
        began, n_tokens = time.monotonic(), 0
        while not n_tokens or time.monotonic() - began < SECONDS:
            evaluate(model, few)
            n_tokens += few.tokens.size
        return (time.monotonic() - began) / n_tokens


@contextmanager
def sampled(run: Run, reader: Source) -> Iterator[Sample]:
    """What the files of a run's last checkpoint say; of one on a Hub only the small files are downloaded.

    Args:
        run: checkpoints that are given.
        reader: the source whose models read the prompts: the run's own, or one that fine-tunes models from it.
    """
    source, last = run.source, run.checkpoints[-1]
    assert isinstance(source, Given)
    with source.small_files(run, last) as folder:
        encoder = reader.encoder(replace(last, path=folder))
        yield Sample(run, folder, encoder, _shape(folder), is_here=not source.is_on_hub(run, last))


def _shape(folder: Path) -> Any:
    # Takes seconds to load.
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from headreuse.models.architectures import quiet_transformers

    try:
        with quiet_transformers(), torch.device("meta"):
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    # Transformers raises whatever it likes about a configuration.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise HeadreuseError(f"{folder}: config.json describes no model that can be loaded ({reason})") from error


def _rate() -> float:
    """Operations a second of a matrix product on this process's threads."""
    import torch

    matrix = torch.ones(MATRIX, MATRIX)
    matrix @ matrix
    began, n = time.monotonic(), 0
    while not n or time.monotonic() - began < 0.5:
        matrix @ matrix
        n += 1
    return n * 2.0 * MATRIX**3 / (time.monotonic() - began)
