"""Planted-head models: decoders whose weights are set by hand, so that it is known which head does which task.

How to use them:

    def test_something(planted_model, generator):
        prompts = planted_model.prompts("A", 64, generator)      # a `Prompts` of length 1: `BOS <A> x = x EOS`
        scores = mean_ablation(planted_model.model, prompts)     # the model answers A, B and C rightly
        assert planted_model.heads["A"] == {Head(0, 1)}          # the only heads that A needs

    def test_more(planted):
        half = planted(0.5)     # tasks A and B need 10 heads each of 4 layers × 8 heads; half of them are the same
    spare = plant_redundant({"A": (Head(0, 1), Head(1, 2))}, n_layers=2, n_heads=4)     # either head does all of A

A task has its own symbols and its answer is the input symbol. Each symbol is moved to the answer by one head, which
looks from `=` for the symbols that it knows and copies what it finds; where it finds none it looks at BOS and adds
nothing. `planted_model` has 2 layers × 4 heads: head 0.1 moves the symbols of A and B, head 1.2 those of C, no other
does anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from transformers import PreTrainedModel, SmolLM3Config, SmolLM3ForCausalLM

from headreuse.records import Head, Prompts, Role

PAD, BOS, EOS, EQUALS = range(4)
D_HEAD = 16
SCORE = 12.0
"""Attention logit of a symbol that a head knows; BOS gets half of it."""
ANSWER_LOGIT = 6.0


@dataclass(frozen=True)
class Planted:
    """A model with hand-set weights and the truth about it."""

    model: PreTrainedModel
    symbols: Mapping[str, tuple[int, ...]]
    """Token ids of each task's symbols."""
    movers: Mapping[str, tuple[Head, ...]]
    """The head that moves each of them."""
    markers: Mapping[str, int]
    backups: Mapping[str, tuple[Head, ...]] = field(default_factory=dict)
    """Further heads, each of which moves all symbols of a task too."""

    @property
    def heads(self) -> dict[str, set[Head]]:
        """The heads that do each task; all of them are needed where there are no backups."""
        return {task: {*movers, *self.backups.get(task, ())} for task, movers in self.movers.items()}

    def prompts(self, task: str, n_prompts: int, generator: np.random.Generator) -> Prompts:
        """`BOS <task> x = x EOS`, each symbol about equally often; in the partner x is another symbol of the task."""
        symbols = np.array(self.symbols[task])
        index = generator.permutation(np.arange(n_prompts) % len(symbols))
        other = (index + generator.integers(1, len(symbols), n_prompts)) % len(symbols)
        roles = np.array([Role.BOS, Role.MARKER, Role.INPUT, Role.SEPARATOR, Role.ANSWER, Role.ANSWER])
        return Prompts(
            task=task,
            tokens=self._rows(task, symbols[index]),
            corrupted=self._rows(task, symbols[other]),
            roles=np.tile(roles, (n_prompts, 1)),
            scored=np.tile(roles == Role.ANSWER, (n_prompts, 1)),
            lengths=np.ones(n_prompts, dtype=int),
        )

    def _rows(self, task: str, symbol: np.ndarray) -> np.ndarray:
        columns = [BOS, self.markers[task], symbol, EQUALS, symbol, EOS]
        return np.stack([np.broadcast_to(column, symbol.shape) for column in columns], axis=1)


def plant(movers: Mapping[str, tuple[Head, ...]], *, n_layers: int, n_heads: int) -> Planted:
    """A NoPE decoder in which the i-th symbol of a task is moved by the i-th head that is named for it."""
    markers = {task: 4 + index for index, task in enumerate(movers)}
    symbols, next_id = {}, 4 + len(movers)
    for task, heads in movers.items():
        symbols[task] = tuple(range(next_id, next_id + len(heads)))
        next_id += len(heads)
    d_vocab = next_id
    config = SmolLM3Config(
        vocab_size=d_vocab,
        hidden_size=2 * d_vocab,
        intermediate_size=8,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        num_key_value_heads=n_heads,
        head_dim=D_HEAD,
        no_rope_layers=[0] * n_layers,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        tie_word_embeddings=False,
        max_position_embeddings=64,
    )
    model = SmolLM3ForCausalLM(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "norm" in name else 0.0)
        _set_embeddings(model, [symbol for group in symbols.values() for symbol in group])
        for task, heads in movers.items():
            for symbol, head in zip(symbols[task], heads, strict=True):
                _set_mover(model, head, symbol)
    return Planted(model, symbols, movers, markers)


def _set_embeddings(model: PreTrainedModel, symbols: list[int]) -> None:
    """The first half of the stream holds the token one-hot; the second half the logits, one-hot."""
    d_vocab, d_model = model.config.vocab_size, model.config.hidden_size
    model.get_input_embeddings().weight[:, :d_vocab] = torch.eye(d_vocab)
    unembedding = model.get_output_embeddings().weight
    unembedding[:, d_vocab:] = torch.eye(d_vocab) * ANSWER_LOGIT / d_model**0.5
    # After the answer's symbol comes EOS, by the direct path.
    unembedding[EOS, symbols] = ANSWER_LOGIT / d_model**0.5
    # Where no head has moved a symbol to `=`, or only a share of each, the answer is clearly wrong and no tie.
    unembedding[PAD, EQUALS] = 2 * ANSWER_LOGIT / d_model**0.5


def _set_mover(model: PreTrainedModel, head: Head, symbol: int) -> None:
    d_vocab, d_model = model.config.vocab_size, model.config.hidden_size
    attention = model.model.layers[head.layer].self_attn
    first = head.head_index * D_HEAD
    free = (attention.v_proj.weight[first : first + D_HEAD].abs().sum(1) == 0).nonzero()
    assert len(free) > 1, "a head can move at most d_head - 1 symbols"
    slot = first + int(free[-1])
    # RMSNorm scales a one-hot to √d_model, and the score is divided by √d_head.
    strength = (SCORE * D_HEAD**0.5) ** 0.5 / d_model**0.5
    attention.q_proj.weight[first, EQUALS] = strength
    attention.q_proj.weight[first + 1] = strength  # everywhere else the head looks at BOS
    attention.q_proj.weight[first + 1, [EQUALS, *range(d_vocab, d_model)]] = 0.0
    attention.k_proj.weight[first + 1, BOS] = strength
    attention.k_proj.weight[first, symbol] = strength
    attention.k_proj.weight[first, BOS] = strength / 2
    attention.v_proj.weight[slot, symbol] = 4 / d_model**0.5
    attention.o_proj.weight[d_vocab + symbol, slot] = 1.0


def plant_redundant(doers: Mapping[str, tuple[Head, ...]], *, n_layers: int, n_heads: int) -> Planted:
    """A model in which each of the heads that are named for a task does all of it, whatever others do; at most three.

    Seven symbols a task, so that the means of three heads together are still no answer.
    """
    planted = plant({task: (heads[0],) * 7 for task, heads in doers.items()}, n_layers=n_layers, n_heads=n_heads)
    backups = {task: heads[1:] for task, heads in doers.items()}
    with torch.no_grad():
        for task, heads in backups.items():
            for head in heads:
                for symbol in planted.symbols[task]:
                    _set_mover(planted.model, head, symbol)
    return replace(planted, backups=backups)


def plant_sharing(sharing: float) -> Planted:
    """4 layers × 8 heads, tasks A and B of 10 symbols and heads each, this fraction of the heads the same for both.

    Ablating all of A's heads breaks this fraction of B's prompts. The heads are scattered over the layers.
    """
    n_shared = round(10 * sharing)
    scattered = [Head(layer, head) for head in range(8) for layer in range(4)]
    a = tuple(scattered[:10])
    b = (*a[:n_shared], *scattered[10 : 20 - n_shared])
    return plant({"A": a, "B": b}, n_layers=4, n_heads=8)
