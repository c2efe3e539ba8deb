"""What would patching each head do, to first order? Gradients give an estimate for all heads at once."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from headreuse.evaluation import Slots, outcomes, require_eval_mode, slot_logits, slots_of
from headreuse.interventions.batch import editing_z
from headreuse.interventions.budget import gradient_batch
from headreuse.models.anatomy import Anatomy, Decoder, anatomy_of, hooked
from headreuse.records import LARGE_COMPLETENESS_ERROR, OUTCOMES, HeadScores, Prompts
from headreuse.scores._patching import corrupted_inputs
from headreuse.scores._registry import score
from headreuse.study.measure_spec import ATTRIBUTION_STEPS

Differentiable = Literal["log_prob", "logit_diff"]
CHECKED_PROMPTS = 32
"""Of which patching whole layers is run: one pass for each layer."""


class CompletenessWarning(UserWarning):
    """Attributions do not add up to the true effect, so they may be wrong for single heads too."""


@score()
def attribution_patching(
    model: Decoder,
    prompts: Prompts,
    *,
    outcome: Differentiable = "log_prob",
    n_steps: int = ATTRIBUTION_STEPS,
    memory_budget: int | None = None,
) -> HeadScores:
    """Estimate of noising activation patching: (z_clean − z_corrupted) · ∂outcome/∂z, summed over positions.

    `effects` holds only the outcome that is differentiated. The estimate is too small where the outcome is saturated,
    or where a later head's attention hardly reacts to a small step; more steps help. Attribution patching is from Syed
    et al. 2023 (arXiv 2310.10348), integrated gradients from Sundararajan et al. 2017 (arXiv 1703.01365), whose axiom
    of completeness (section 3) is checked layer by layer: heads of a layer do not read each other, so their estimates
    should add up to what patching all of them at once does. That is measured on the first prompts and kept in
    `whole_layers`; where they do not (`completeness_error` above 0.5), a `CompletenessWarning` says so. Also
    where they do, a head that others back up gets its share of what they do together: more than patching it alone does.

    Args:
        outcome: What is differentiated.
        n_steps: 1 takes the gradient on the clean prompt; more take its mean over evenly spaced mixtures of the
            corrupted and the clean prompt's embeddings (integrated gradients).
        memory_budget: See `prepare`.
    """
    require_eval_mode(model)
    anatomy = anatomy_of(model)
    slots = slots_of(prompts, anatomy.device)
    n_prompts, n_needed = len(prompts), slots.n_needed
    arrays = (prompts.tokens, corrupted_inputs(prompts))
    clean, corrupted = (torch.as_tensor(a[:, :n_needed], device=anatomy.device).long() for a in arrays)
    baseline = {name: np.empty(n_prompts, np.float32) for name in OUTCOMES}
    effects = np.empty((anatomy.n_layers, anatomy.n_heads, n_prompts), np.float32)
    size = gradient_batch(anatomy, n_needed, slots.position.shape[1], memory_budget=memory_budget)
    for start in range(0, n_prompts, size):
        rows = slice(start, start + size)
        batch = (clean[rows], corrupted[rows], slots[rows])
        found, attributed = _attribute(anatomy, *batch, outcome=outcome, n_steps=n_steps)
        effects[..., rows] = attributed.cpu().numpy()
        for name, values in found.items():
            baseline[name][rows] = values.cpu().numpy()
    checked = slice(min(size, CHECKED_PROMPTS))
    without = _without_layers(anatomy, clean[checked], corrupted[checked], slots[checked], outcome)
    together = baseline[outcome][checked] - without.cpu().numpy()
    length, name = int(prompts.lengths.max()), "attribution_patching"
    scores = HeadScores(prompts.task, length, name, baseline, {outcome: effects}, whole_layers={outcome: together})
    _warn_if_incomplete(scores, outcome, n_steps)
    return scores


def _warn_if_incomplete(scores: HeadScores, outcome: str, n_steps: int) -> None:
    error = scores.completeness_error(outcome)
    if error > LARGE_COMPLETENESS_ERROR:
        warnings.warn(
            f"{scores.task}: the attributions of a layer's heads miss what patching the layer does by {error:.0%} "
            f"({outcome}, n_steps={n_steps}), so they may rank heads wrongly; take more steps, or activation_patching",
            CompletenessWarning,
            stacklevel=3,
        )


def _attribute(
    anatomy: Anatomy, clean: Tensor, corrupted: Tensor, slots: Slots, *, outcome: Differentiable, n_steps: int
) -> tuple[dict[str, Float[Tensor, "prompt"]], Float[Tensor, "layer head prompt"]]:
    """Outcomes of the clean run, and the estimate for each head."""
    with torch.no_grad():
        z_corrupted = _seen_in_pass(anatomy, corrupted, slots)[1]
    embed = anatomy.model.get_input_embeddings()
    gradients: list[Tensor] = []
    for step in range(1, n_steps + 1):
        share = step / n_steps
        # The last step is the clean prompt itself.
        mixture = None if step == n_steps else torch.lerp(embed(corrupted), embed(clean), share).detach()
        with torch.enable_grad():
            found, z = _seen_in_pass(anatomy, clean, slots, embedded=mixture)
            more = torch.autograd.grad(found[outcome].sum(), z)
        gradients = [old + new for old, new in zip(gradients, more, strict=True)] if gradients else list(more)
    layers = zip(z, z_corrupted, gradients, strict=True)
    attributed = [_summed_by_head(anatomy, (here.detach() - there) * slope / n_steps) for here, there, slope in layers]
    return {name: values.detach() for name, values in found.items()}, torch.stack(attributed)


@torch.no_grad()
def _without_layers(
    anatomy: Anatomy, clean: Tensor, corrupted: Tensor, slots: Slots, outcome: Differentiable
) -> Float[Tensor, "layer prompt"]:
    """The outcome of the clean run where all heads of a layer are patched, for one layer after the other."""
    found = []
    for block, z in zip(anatomy.blocks, _seen_in_pass(anatomy, corrupted, slots)[1], strict=True):
        with editing_z(block.out_proj, lambda _z, z=z: z):  # type: ignore[misc]
            found.append(outcomes(slot_logits(anatomy.model, clean, slots.position), slots)[outcome])
    return torch.stack([values.to(anatomy.device) for values in found])


def _summed_by_head(anatomy: Anatomy, z: Float[Tensor, "prompt pos z"]) -> Float[Tensor, "head prompt"]:
    return z.unflatten(-1, (anatomy.n_heads, anatomy.d_head)).sum((1, 3)).T.float().to(anatomy.device)


def _seen_in_pass(
    anatomy: Anatomy, tokens: Tensor, slots: Slots, *, embedded: Tensor | None = None
) -> tuple[dict[str, Float[Tensor, "prompt"]], list[Float[Tensor, "prompt pos z"]]]:
    """Outcomes and every layer's `z` of one pass, connected by the autograd graph if gradients are on."""
    z: list[Tensor] = []

    def keep(_module: object, args: tuple[Tensor, ...]) -> None:
        if torch.is_grad_enabled() and not args[0].requires_grad:
            args[0].requires_grad_()
        z.append(args[0])

    with ExitStack() as stack:
        for block in anatomy.blocks:
            stack.enter_context(hooked(block.out_proj.register_forward_pre_hook(keep)))
        stack.enter_context(_embedding(anatomy, embedded))
        found = outcomes(slot_logits(anatomy.model, tokens, slots.position), slots)
    return found, z


@contextmanager
def _embedding(anatomy: Anatomy, embedded: Tensor | None) -> Iterator[None]:
    """Within the block the tokens have these embeddings."""
    if embedded is None:
        yield
        return
    embed = anatomy.model.get_input_embeddings()
    with hooked(embed.register_forward_hook(lambda _module, _args, _output: embedded)):
        yield
