"""What a head adds to the logits by the direct path: past all later blocks, with norms' scales held.

This is direct logit attribution (Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, on the residual
stream as a sum of what components write).
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from headreuse.errors import HeadreuseError
from headreuse.interventions.batch import CleanRun, Packing
from headreuse.interventions.frozen import frozen_norm, held, recorded
from headreuse.interventions.last_block import resid_pre_of, rest_of_block, skipping
from headreuse.models.anatomy import Anatomy, Block, forwards_replaced, is_linear, logits_of, main_output

LINEARITY = 1e-2
"""How far from linear, as a fraction, the reaction to a head's part may be: more than rounding, less than a bend."""


@dataclass(frozen=True)
class DirectPath:
    """Each head's part of the logits of some prompts."""

    answers: Float[Tensor, "prompt slot d_vocab"]
    """The unembedding's output, before the soft-cap or the scale that some models apply to it."""
    parts: Float[Tensor, "layer head prompt slot d_vocab"]
    """What each head contributed to it. It is the sum of all heads', feed-forwards', embeddings' and biases' parts."""


def direct_path(anatomy: Anatomy, run: CleanRun) -> DirectPath:
    """Trace every head's output through its own block's norms, the final norm and the unembedding."""
    if not run.resid_pre:
        raise HeadreuseError(
            f"{type(anatomy.model).__name__}: its structure was not recognised, so there is no direct path to trace"
        )
    packing = Packing(run.slots.position, run.tokens.shape[1])
    written: dict[int, Tensor] = {}
    final: list[Tensor] = []
    unembed = _unembedding(anatomy)

    def traced(layer: int) -> Callable[..., Any]:
        block = anatomy.blocks[layer]
        forward = block.module.forward

        def trace(*args: Any, **kwargs: Any) -> Any:
            rest = partial(rest_of_block, block, forward, (args, kwargs))
            output, written[layer] = _through_block(anatomy, run, layer, packing, rest)
            final[:] = [main_output(output)]
            return output if layer == anatomy.n_layers - 1 else block.returning(resid_pre_of((args, kwargs)))

        return trace

    inside = {part for block in anatomy.blocks for part in block.module.modules()}
    outside = set(anatomy.model.modules()) - inside
    with ExitStack() as stack:
        stack.enter_context(forwards_replaced({b.module: traced(layer) for layer, b in enumerate(anatomy.blocks)}))
        calls = stack.enter_context(recorded(outside))
        anatomy.model(input_ids=run.tokens, use_cache=False)
    (unembedded, answers), *_ = calls[unembed]
    norms = [
        module
        for module, ((first, output), *_) in calls.items()
        if first is final[0] and torch.equal(output, unembedded)
    ]
    if not norms:
        raise HeadreuseError(f"{type(anatomy.model).__name__}: no final norm was found right before its unembedding")
    through_norm = frozen_norm(norms[0], packing.unpack(final[0]))
    weight = unembed.weight.float()
    parts = torch.stack([through_norm(written[layer]) @ weight.T for layer in range(anatomy.n_layers)])
    return DirectPath(packing.unpack(answers), parts)


def finished_logits(
    anatomy: Anatomy, run: CleanRun, answers: Float[Tensor, "set prompt slot d_vocab"]
) -> Float[Tensor, "set prompt slot d_vocab"]:
    """The logits that the model makes of its unembedding's output."""
    n_sets = len(answers)
    packing = Packing(run.slots.position.repeat(n_sets, 1), run.tokens.shape[1])
    unembed = _unembedding(anatomy)
    given = packing.pack(answers.flatten(0, 1)).to(unembed.weight.dtype)
    skipped = {b.module: skipping(b) for b in anatomy.blocks}
    with forwards_replaced({**skipped, unembed: lambda *_args, **_kwargs: given}):
        output = anatomy.model(input_ids=run.tokens.repeat(n_sets, 1), use_cache=False)
    return packing.unpack(logits_of(output)).unflatten(0, (n_sets, len(run.tokens)))


def _unembedding(anatomy: Anatomy) -> Any:
    linears = [part for part in anatomy.model.get_output_embeddings().modules() if is_linear(part)]
    if not linears:
        raise HeadreuseError(f"{type(anatomy.model).__name__}: its unembedding is not a linear map")
    return linears[0]


def _heads_in(
    anatomy: Anatomy, run: CleanRun, layer: int, packing: Packing
) -> tuple[Float[Tensor, "packed pos d_model"], Float[Tensor, "packed pos d_model"], list[Tensor]]:
    """At slots, packed: what a block read, what its attention wrote, and what of that each head wrote."""
    resid_pre, attn_out, z = run.resid_pre[layer], run.attn_out(anatomy, layer), run.z[layer].flatten(-2)
    if layer < anatomy.n_layers - 1:
        resid_pre, attn_out, z = (packing.gather(value) for value in (resid_pre, attn_out, z))
    W_O = anatomy.blocks[layer].W_O.unflatten(0, (anatomy.n_heads, anatomy.d_head))
    by_head = torch.einsum("psha,had->hpsd", z.unflatten(-1, W_O.shape[:2]), W_O)
    return packing.pack(resid_pre), packing.pack(attn_out), [packing.pack(part) for part in by_head]


def _through_block(
    anatomy: Anatomy, run: CleanRun, layer: int, packing: Packing, rest: Callable[..., Any]
) -> tuple[Any, Float[Tensor, "head prompt slot d_model"]]:
    """The block's clean output at slots, packed, and what each head wrote into it directly.

    `rest` gives the block's output for a `resid_pre` and an `attn_out`.
    """
    block = anatomy.blocks[layer]
    resid_pre, attn_out, by_head = _heads_in(anatomy, run, layer, packing)
    outside = set(block.module.modules()) - set(block.attention.modules()) - {block.module}
    with recorded(outside) as calls:
        clean = rest(resid_pre=resid_pre, attn_out=attn_out)
    # The last fold adds a head instead of taking it away, to see that the reaction is linear.
    changed = torch.cat([*(attn_out - part for part in by_head), attn_out + by_head[0]])
    n_folds = len(by_head) + 1
    with ExitStack() as stack:
        _hold(stack, block, calls, attn_out, n_folds)
        output = rest(resid_pre=resid_pre.repeat(n_folds, 1, 1), attn_out=changed)
    without = main_output(output).unflatten(0, (n_folds, -1))
    parts = (main_output(clean) - without).float()
    _require_linear(block, parts[0], parts[-1])
    return clean, torch.stack([packing.unpack(part) for part in parts[:-1]])


def _hold(
    stack: ExitStack, block: Block, calls: dict[nn.Module, list[tuple[Tensor, Tensor]]], attn_out: Tensor, n_folds: int
) -> None:
    """Hold the feed-forward's linear maps, and the scale of a norm that reads the attention's output."""
    linears = {module: made for module, made in calls.items() if is_linear(module)}
    n_rows = attn_out[..., 0].numel()
    if any(len(made) > 1 or made[0][1][..., 0].numel() != n_rows for made in linears.values()):
        raise HeadreuseError(
            f"{type(block.module).__name__}: its feed-forward treats positions differently (a mixture of experts?), "
            "so it cannot be held fixed; a head's direct effect is undefined there"
        )
    norms = {
        module: _affine(frozen_norm(module, first.flatten(0, 1)), first, output, n_folds)
        for module, ((first, output), *_) in calls.items()
        if first is attn_out and not torch.equal(output, attn_out) and module not in linears
    }
    stack.enter_context(held({module: made[0][1] for module, made in linears.items()}, n_folds))
    stack.enter_context(forwards_replaced(norms))


def _affine(
    through: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, n_folds: int
) -> Callable[[Float[Tensor, "packed pos d_model"]], Float[Tensor, "packed pos d_model"]]:
    """A norm with its scale held: its output moves from `y` in proportion as its input moves from `x`."""

    def forward(folded: Tensor) -> Tensor:
        change = (folded.unflatten(0, (n_folds, -1)) - x).flatten(1, 2)
        return (y.flatten(0, 1) + through(change).to(y)).flatten(0, 1).unflatten(0, (-1, x.shape[1]))

    return forward


def _require_linear(block: Block, taken: Tensor, added: Tensor) -> None:
    bend = (taken + added).abs().max()
    if bend > LINEARITY * taken.abs().max().clamp_min(1e-6):
        raise HeadreuseError(
            f"{type(block.module).__name__}: what its attention writes does not reach the stream as a sum; "
            "a head's direct effect is undefined there"
        )
