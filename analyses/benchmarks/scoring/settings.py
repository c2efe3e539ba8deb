"""Models and prompts of the measured sizes."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from headreuse.records import Prompts, Role

D_VOCAB = 64
PAD, BOS, MARKER, SEPARATOR, EOS = range(5)
N_SPECIALS = 5


@dataclass(frozen=True)
class Setting:
    """The sizes of a model and of its prompts."""

    n_layers: int
    n_heads: int
    d_model: int
    d_mlp: int
    n_prompts: int
    n_positions: int
    n_scored: int
    n_key_value_heads: int | None = None
    """None where every head has keys and values of its own."""
    d_vocab: int = D_VOCAB
    tied: bool = False
    """Whether the unembedding is the embedding."""

    @property
    def d_key_value(self) -> int:
        """Width of all keys of a position, and of all values."""
        return self.d_model // self.n_heads * (self.n_key_value_heads or self.n_heads)

    @property
    def n_needed(self) -> int:
        """Positions that a scored token depends on: all except the last."""
        return self.n_positions - 1

    def model(self, device: torch.device) -> LlamaForCausalLM:
        """A Llama with random weights."""
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=self.d_vocab,
            tie_word_embeddings=self.tied,
            hidden_size=self.d_model,
            intermediate_size=self.d_mlp,
            num_hidden_layers=self.n_layers,
            num_attention_heads=self.n_heads,
            num_key_value_heads=self.n_key_value_heads,
            max_position_embeddings=256,
            pad_token_id=PAD,
            bos_token_id=BOS,
            eos_token_id=EOS,
        )
        return LlamaForCausalLM(config).eval().to(device)

    def prompts(self, *, seed: int = 0, n_prompts: int | None = None) -> Prompts:
        """Random symbols, then the first of them over and over: something that a model learns in a minute."""
        n_prompts = n_prompts or self.n_prompts
        generator = np.random.default_rng(seed)
        n_inputs = self.n_positions - self.n_scored - 3
        inputs = generator.integers(N_SPECIALS, self.d_vocab, (n_prompts, n_inputs))
        others = inputs.copy()
        others[:, 0] = (inputs[:, 0] - N_SPECIALS + 1) % (self.d_vocab - N_SPECIALS) + N_SPECIALS
        roles = [Role.BOS, Role.MARKER, *[Role.INPUT] * n_inputs, Role.SEPARATOR, *[Role.ANSWER] * self.n_scored]
        roles = np.tile(roles, (n_prompts, 1))
        rows = [self._row(symbols) for symbols in (inputs, others)]
        return Prompts("repeat_first", *rows, roles, roles == Role.ANSWER, np.full(n_prompts, n_inputs))

    def _row(self, inputs: np.ndarray) -> np.ndarray:
        n_prompts = len(inputs)

        def column(token: int) -> np.ndarray:
            return np.full((n_prompts, 1), token)

        answer = np.repeat(inputs[:, :1], self.n_scored - 1, axis=1)
        return np.hstack([column(BOS), column(MARKER), inputs, column(SEPARATOR), answer, column(EOS)])


PAPER = Setting(6, 6, 384, 1536, n_prompts=256, n_positions=50, n_scored=17)
SMALL = Setting(2, 4, 64, 256, n_prompts=1024, n_positions=20, n_scored=9)
DEEP = Setting(24, 16, 512, 2048, n_prompts=32, n_positions=50, n_scored=17)
SMOLLM2_360M = Setting(
    32, 15, 960, 2560, n_prompts=32, n_positions=48, n_scored=4, n_key_value_heads=5, d_vocab=49_152, tied=True
)


def taught(setting: Setting, device: torch.device, *, n_steps: int = 60) -> LlamaForCausalLM:
    """The model after a short training, so that ablation can lower its accuracy."""
    model = setting.model(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(n_steps):
        prompts = setting.prompts(seed=step + 1, n_prompts=32)
        tokens, scored = (torch.as_tensor(array, device=device) for array in (prompts.tokens, prompts.scored))
        logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
        loss = cross_entropy(logits[scored[:, 1:]], tokens[scored])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return model.eval()
