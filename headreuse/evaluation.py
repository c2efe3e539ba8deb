"""How well does a model answer? Outcomes of each answer from one forward pass under teacher forcing.

Greedy decoding gives the right answer exactly if the arg-max under teacher forcing is right at every scored token.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from headreuse.errors import HeadreuseError
from headreuse.models.anatomy import Decoder, device_of, hooked, logits_of, unwrapped
from headreuse.records import OUTCOMES, Evaluation, Prompts


@dataclass(frozen=True)
class Slots:
    """Where each scored token of each prompt is predicted: one position before it."""

    position: Int[Tensor, "prompt slot"]
    target: Int[Tensor, "prompt slot"]
    """The scored token itself."""
    real: Bool[Tensor, "prompt slot"]
    """False where a prompt has fewer scored tokens than another; such a slot repeats the prompt's first."""
    contrast: Int[Tensor, "prompt slot"] | None = None
    """The wrong answer's token, where prompts have wrong answers."""

    def __getitem__(self, rows: slice) -> "Slots":
        contrast = None if self.contrast is None else self.contrast[rows]
        return Slots(self.position[rows], self.target[rows], self.real[rows], contrast)

    @property
    def n_needed(self) -> int:
        """Positions, from the first on, that any of these predictions can depend on."""
        return int(self.position.max()) + 1


def slots_of(prompts: Prompts, device: torch.device | str = "cpu") -> Slots:
    """The slots of prompts; every prompt needs a scored token, and position 0 cannot be scored."""
    counts = prompts.scored.sum(axis=1)
    if len(prompts) == 0 or counts.min() == 0:
        raise HeadreuseError(f"{prompts.task}: every prompt needs a scored token; check `Prompts.scored`")
    if prompts.scored[:, 0].any():
        raise HeadreuseError(f"{prompts.task}: position 0 is scored, but nothing comes before it to predict it")
    ordered = np.argsort(~prompts.scored, axis=1, kind="stable")[:, : counts.max()]
    real = np.arange(counts.max()) < counts[:, None]
    scored = np.where(real, ordered, ordered[:, :1])
    at_slots = [
        np.take_along_axis(tokens, scored, axis=1)
        for tokens in (prompts.tokens, prompts.contrast)
        if tokens is not None
    ]
    target, *contrast = (tokens.astype(np.int64) for tokens in at_slots)
    arrays = (scored - 1, target, real, *contrast)
    return Slots(*(torch.as_tensor(array, device=device) for array in arrays))


def outcomes(
    logits: Float[Tensor, "*fold prompt slot d_vocab"], slots: Slots
) -> dict[str, Float[Tensor, "*fold prompt"]]:
    """Every outcome in `OUTCOMES`, each larger for a better answer.

    - `exact_match`: 1 if the arg-max is right at every slot, else 0.
    - `token_accuracy`: the fraction of slots at which it is right.
    - `log_prob`: natural logarithm of the whole answer's probability.
    - `logit_diff`: the right token's logit minus the wrong answer's, mean over slots; minus the largest other logit
      where prompts have no wrong answer.
    """
    logits = logits.float()
    target = slots.target.expand(logits.shape[:-1])[..., None]
    correct = logits.gather(-1, target)[..., 0]
    right = logits.argmax(-1) == target[..., 0]
    n_slots = slots.real.sum(-1)
    log_prob = correct - logits.logsumexp(-1)
    if slots.contrast is None:
        wrong = logits.scatter(-1, target, -torch.inf).amax(-1)
    else:
        wrong = logits.gather(-1, slots.contrast.expand(logits.shape[:-1])[..., None])[..., 0]
    return {
        "exact_match": right.all(-1).float(),
        "token_accuracy": (right & slots.real).sum(-1) / n_slots,
        "log_prob": (log_prob * slots.real).sum(-1),
        "logit_diff": ((correct - wrong) * slots.real).sum(-1) / n_slots,
    }


@contextmanager
def unembedding_only(model: Decoder, positions: Int[Tensor, "prompt slot"]) -> Iterator[None]:
    """Within the block the model gives logits only at these positions, as `prompt slot d_vocab`."""

    def gather(_module: object, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden = args[0]
        index = positions.to(hidden.device)[..., None].expand(-1, -1, hidden.shape[-1])
        return (hidden.gather(1, index), *args[1:])

    with hooked(unwrapped(model).get_output_embeddings().register_forward_pre_hook(gather)):
        yield


def slot_logits(
    model: Decoder, tokens: Int[Tensor, "prompt pos"], positions: Int[Tensor, "prompt slot"]
) -> Float[Tensor, "prompt slot d_vocab"]:
    """Logits at the given positions of right-padded prompts; padding comes last, so causality alone masks it."""
    with unembedding_only(model, positions):
        return logits_of(unwrapped(model)(input_ids=tokens, use_cache=False))


def evaluate(model: Decoder, prompts: Prompts, *, micro_batch: int = 256) -> Evaluation:
    """Outcomes of each example of one task at one length, from a Hugging Face model or a TransformerLens bridge."""
    length = single_length(prompts)
    require_eval_mode(model)
    device = device_of(model)
    found: dict[str, list[np.ndarray]] = {name: [] for name in OUTCOMES}
    with torch.inference_mode():
        for start in range(0, len(prompts), micro_batch):
            batch = prompts[start : start + micro_batch]
            slots = slots_of(batch, device)
            tokens = torch.as_tensor(batch.tokens[:, : slots.n_needed], device=device).long()
            for name, values in outcomes(slot_logits(model, tokens, slots.position), slots).items():
                found[name].append(values.cpu().numpy())
    return Evaluation(prompts.task, length, {name: np.concatenate(parts) for name, parts in found.items()})


def single_length(prompts: Prompts) -> int:
    """The length that all prompts have, 0 where they are taken together; prompts of several lengths are refused."""
    if len(prompts) == 0:
        raise HeadreuseError(f"{prompts.task}: no prompts; give at least one")
    lengths = np.unique(prompts.lengths)
    if len(lengths) > 1:
        raise HeadreuseError(
            f"{prompts.task}: prompts of lengths {lengths.tolist()}; give one length at a time, or take them together: "
            "`prompts.of_length(0)`"
        )
    return int(lengths[0])


def require_eval_mode(model: Decoder) -> None:
    """Refuse a model in train mode, whose dropout would make every outcome random."""
    if any(module.training for module in unwrapped(model).modules()):
        raise HeadreuseError(
            f"{type(model).__name__} is in train mode, where dropout is at work; call model.eval() first"
        )
