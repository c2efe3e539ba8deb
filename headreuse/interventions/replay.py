"""The exact replay: what follows from an ablated head, and nothing that comes before it.

Ablating heads of block l changes nothing before block l's attention output. One clean pass keeps what each block read
and its heads' `z`. Then the model's forward is called with the blocks before l skipped, with block l's attention output
given as the clean one plus (z′ − z)_h W_O[h], and with the last block narrowed to the slots. Several head sets lie side
by side in the batch.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from headreuse.evaluation import Slots
from headreuse.interventions.ablated_block import from_attention_on
from headreuse.interventions.batch import CleanRun, HeadSet, Packing, Z, editing, editing_z, unedited
from headreuse.interventions.last_block import narrowed, resid_pre_of, skipping
from headreuse.models.anatomy import Anatomy, forwards_replaced, hooked, logits_of


def clean_run(anatomy: Anatomy, tokens: Int[Tensor, "prompt pos"], slots: Slots) -> CleanRun:
    """Run the untouched model once and keep what the replay needs."""
    tokens = tokens[:, : slots.n_needed]
    packing = Packing(slots.position, tokens.shape[1])
    resid_pre: list[Tensor] = []
    z: list[Tensor] = []

    def keep_resid_pre(_module: object, args: Any, kwargs: Any) -> None:
        resid_pre.append(resid_pre_of((args, kwargs)).clone())

    def keep_heads(_module: object, args: tuple[Tensor, ...]) -> None:
        z.append(args[0].unflatten(-1, (anatomy.n_heads, anatomy.d_head)))

    *before, last = anatomy.blocks

    def keep_heads_at_slots(at_slots: Tensor) -> Tensor:
        keep_heads(None, (at_slots,))
        return at_slots

    with ExitStack() as stack:
        for block in anatomy.blocks:
            stack.enter_context(hooked(block.module.register_forward_pre_hook(keep_resid_pre, with_kwargs=True)))
        for block in before:
            stack.enter_context(hooked(block.out_proj.register_forward_pre_hook(keep_heads)))
        stack.enter_context(forwards_replaced({last.module: narrowed(last, packing, keep_heads_at_slots)}))
        output = anatomy.model(input_ids=tokens, use_cache=False)
    resid_pre[-1] = packing.gather(resid_pre[-1])
    return CleanRun(tokens, slots, tuple(resid_pre), tuple(z), packing.unpack(logits_of(output)))


def replay(anatomy: Anatomy, run: CleanRun, sets: Sequence[HeadSet], z: Z) -> Float[Tensor, "set prompt slot d_vocab"]:
    """Logits if the heads of each set write `z`. All sets must begin in the same layer."""
    first = min(head.layer for head in sets[0])
    assert all(min(head.layer for head in heads) == first for heads in sets), "sets begin in different layers"
    n_sets, last = len(sets), anatomy.n_layers - 1
    packing = Packing(run.slots.position.repeat(n_sets, 1), run.tokens.shape[1])
    layers = {head.layer for heads in sets for head in heads}
    edits = {layer: editing(anatomy, sets, layer, z[layer]) for layer in layers - {first}}
    blocks = anatomy.blocks
    forwards = {block.module: skipping(block) for block in blocks[:first]}
    if first < last:
        forwards[blocks[last].module] = narrowed(blocks[last], packing, edits.pop(last, unedited))
    forwards[blocks[first].module] = from_attention_on(anatomy, run, sets, z[first], packing)
    with ExitStack() as stack:
        stack.enter_context(forwards_replaced(forwards))
        for layer, edit in edits.items():
            stack.enter_context(editing_z(blocks[layer].out_proj, edit))
        output = anatomy.model(input_ids=run.tokens.repeat(n_sets, 1), use_cache=False)
    return packing.unpack(logits_of(output)).unflatten(0, (n_sets, len(run.tokens)))
