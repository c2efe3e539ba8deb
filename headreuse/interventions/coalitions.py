"""The replay of many head sets at once, as a tree: what two sets share in early layers is worked out once.

A node at layer l stands for all sets that hold the same heads below l: its residual stream before block l is theirs.
Block l is run once for it up to `z`. Then each distinct choice of heads of layer l is written into `z`, and the rest of
the block gives the node's children at layer l + 1. The last block is computed only at the slots. The tree is walked
depth first in pieces of a fixed size, so memory is bounded by layers times that size, whatever the number of sets.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from headreuse.interventions.ablate import Ablated, Way, ablate, group_by_group
from headreuse.interventions.batch import CleanRun, HeadSet, Packing, Z
from headreuse.interventions.full_pass import full_passes
from headreuse.interventions.last_block import resid_pre_of, rest_of_block, skipping, z_at_slots, z_of
from headreuse.interventions.replacements import Replacement
from headreuse.interventions.subject import CHECKED_PROMPTS, REPLAY, FullPassWarning, Subject, difference, misfit
from headreuse.models.anatomy import Anatomy, Block, forwards_replaced, logits_of, main_output, with_first_tensor
from headreuse.records import Head

Call = tuple[Any, Any]
"""The arguments that the model gives a block."""
Code = tuple[bool, ...]
"""Which heads of one layer a set holds."""


@dataclass(frozen=True)
class _Child:
    """One choice of heads of a layer, for the sets of one node."""

    node: int
    code: Code
    members: list[int]
    """Indices of the sets."""


@dataclass(frozen=True)
class _Tree:
    """Head sets over one clean run."""

    anatomy: Anatomy
    run: CleanRun
    codes: Sequence[tuple[Code, ...]]
    """Of each set, layer by layer."""
    z: Z
    n_nodes: int
    """How many nodes go through a block together."""
    _calls: dict[int, list[Call]] = field(default_factory=dict)
    """By number of nodes; they hold no residual stream."""

    def leaves(self) -> Iterator[tuple[list[int], Float[Tensor, "set prompt slot d_vocab"]]]:
        """Indices of sets, and their logits."""
        order = sorted(range(len(self.codes)), key=self.codes.__getitem__)
        yield from self._below(0, [order], self.run.resid_pre[0], self.run.z[0].flatten(-2))

    def _below(
        self, layer: int, nodes: list[list[int]], resid_pre: Tensor, z: Tensor
    ) -> Iterator[tuple[list[int], Tensor]]:
        """The leaves below some nodes; the first size of `resid_pre` and `z` is nodes times prompts."""
        is_last = layer == self.anatomy.n_layers - 1
        for children in _pieces(self._children(layer, nodes), self.n_nodes):
            returned = self._after(layer, children, len(nodes), resid_pre, z)
            members = [child.members for child in children]
            if is_last:
                yield from self._given(members, self._logits(returned, len(children)))
            else:
                stream = main_output(returned)
                yield from self._below(layer + 1, members, *self._before(layer + 1, len(children), stream))

    def _children(self, layer: int, nodes: list[list[int]]) -> list[_Child]:
        return [
            _Child(index, code, list(members))
            for index, node in enumerate(nodes)
            for code, members in groupby(node, key=lambda member: self.codes[member][layer])
        ]

    def _after(self, layer: int, children: list[_Child], n_nodes: int, resid_pre: Tensor, z: Tensor) -> Any:
        """What the block returns for each child; of the last block at slots, packed."""
        block = self.anatomy.blocks[layer]
        of_children = torch.tensor([child.node for child in children], device=z.device)
        chosen = torch.tensor([child.code for child in children], device=z.device)[:, None, None, :, None]
        by_node = z.unflatten(-1, (self.anatomy.n_heads, self.anatomy.d_head)).unflatten(0, (n_nodes, -1))
        written = torch.where(chosen, self.z[layer].to(by_node), by_node[of_children]).flatten(0, 1).flatten(-2)
        stream = resid_pre.unflatten(0, (n_nodes, -1))[of_children].flatten(0, 1)
        if layer == self.anatomy.n_layers - 1:
            packing = self._packing(len(children))
            written, stream = packing.pack(written), packing.pack(stream)
        attn_out = block.out_proj.forward(written)
        call = self._calls_of(n_nodes)[layer]
        return rest_of_block(block, block.module.forward, call, resid_pre=stream, attn_out=attn_out)

    def _before(self, layer: int, n_nodes: int, resid_pre: Tensor) -> tuple[Tensor, Tensor]:
        """What a block reads, and `z`; of the last block both at slots."""
        block = self.anatomy.blocks[layer]
        call = with_first_tensor(resid_pre, *self._calls_of(n_nodes)[layer])
        if layer < self.anatomy.n_layers - 1:
            return resid_pre, z_of(block, block.module.forward, call)
        packing = self._packing(n_nodes)
        return packing.gather(resid_pre), z_at_slots(block, block.module.forward, call, packing)

    def _logits(self, returned: Any, n_sets: int) -> Float[Tensor, "set prompt slot d_vocab"]:
        """The logits that follow from what the last block returned."""
        *before, last = self.anatomy.blocks
        forwards = {block.module: skipping(block) for block in before}
        forwards[last.module] = lambda *_args, **_kwargs: returned
        tokens = self.run.tokens[:1].expand(len(main_output(returned)), -1)
        with forwards_replaced(forwards):
            output = self.anatomy.model(input_ids=tokens, use_cache=False)
        return self._packing(n_sets).unpack(logits_of(output)).unflatten(0, (n_sets, -1))

    @staticmethod
    def _given(members: list[list[int]], logits: Tensor) -> Iterator[tuple[list[int], Tensor]]:
        """Logits for every member, since a set may be asked for twice."""
        leaf = [index for index, several in enumerate(members) for _ in several]
        yield [member for several in members for member in several], logits[leaf]

    def _packing(self, n_nodes: int) -> Packing:
        return Packing(self.run.slots.position.repeat(n_nodes, 1), self.run.tokens.shape[1])

    def _calls_of(self, n_nodes: int) -> list[Call]:
        if n_nodes not in self._calls:
            self._calls[n_nodes] = _calls(self.anatomy, self.run.tokens.repeat(n_nodes, 1))
        return self._calls[n_nodes]


def _calls(anatomy: Anatomy, tokens: Tensor) -> list[Call]:
    """What the model gives each block for so many tokens: positions, masks; without what the block reads."""
    found: list[Call] = []

    def noting(block: Block) -> Any:
        def forward(*args: Any, **kwargs: Any) -> Any:
            resid_pre = resid_pre_of((args, kwargs))
            found.append(with_first_tensor(resid_pre.new_empty(0), args, kwargs))
            # Of what follows the last block nothing is wanted, so one sequence is enough.
            return block.returning(resid_pre[:1] if block is anatomy.blocks[-1] else resid_pre)

        return forward

    with ExitStack() as stack:
        stack.enter_context(forwards_replaced({block.module: noting(block) for block in anatomy.blocks}))
        anatomy.model(input_ids=tokens, use_cache=False)
    return found


def _pieces(children: list[_Child], most: int) -> Iterator[list[_Child]]:
    """Pieces of about the same size, none larger than `most`."""
    n_pieces = -(-len(children) // most)
    edges = [len(children) * index // n_pieces for index in range(n_pieces + 1)]
    for start, end in pairwise(edges):
        yield children[start:end]


def by_tree(
    subject: Subject, run: CleanRun, sets: Sequence[HeadSet], z: Z
) -> Iterator[tuple[list[int], Float[Tensor, "set prompt slot d_vocab"]]]:
    """A way to go through head sets, for `ablate`."""
    yield from _tree(subject.anatomy, run, sets, z, max(1, subject.plan.n_sequences // len(run.tokens))).leaves()


def _tree(anatomy: Anatomy, run: CleanRun, sets: Sequence[HeadSet], z: Z, n_nodes: int) -> _Tree:
    layers, heads = range(anatomy.n_layers), range(anatomy.n_heads)
    codes = [tuple(tuple(Head(layer, head) in one for head in heads) for layer in layers) for one in sets]
    return _Tree(anatomy, run, codes, z, n_nodes)


def ablate_coalitions(subject: Subject, sets: Sequence[HeadSet], replacement: Replacement) -> Ablated:
    """What `ablate` gives, to rounding, in less time where there are many sets: subsets of all heads, for example."""
    return ablate(subject, sets, replacement, way_for(subject))


def way_for(subject: Subject) -> Way:
    """The tree where it gives what full passes give; otherwise each set by itself, with a warning."""
    if subject.runner is not REPLAY:
        return group_by_group
    reason = misfit(partial(_largest_difference, subject), subject.anatomy.model.dtype)
    if reason is None:
        return by_tree
    warnings.warn(
        f"{type(subject.anatomy.model).__name__}: its blocks cannot be called one by one ({reason}); each head set is "
        "replayed by itself, which gives the same numbers more slowly",
        FullPassWarning,
        stacklevel=2,
    )
    return group_by_group


@torch.inference_mode()
def _largest_difference(subject: Subject) -> float:
    """Between the tree's and full passes' logits of a few prompts and sets."""
    anatomy, rows = subject.anatomy, slice(0, CHECKED_PROMPTS)
    run = subject.runner.clean_run(anatomy, subject.tokens[rows], subject.slots[rows])
    made_up = [z.flip(-1) + z.std() for z in run.z]
    # One head in every layer, then the same from the second layer on, and so on: they share nothing and everything.
    heads = [Head(layer, layer % anatomy.n_heads) for layer in range(anatomy.n_layers)]
    sets = [frozenset(heads[start:]) for start in range(len(heads))]
    oracle = full_passes(anatomy, run, sets, made_up)
    found = _tree(anatomy, run, sets, made_up, 2).leaves()
    return max(difference(logits, oracle[members]) for members, logits in found)
