"""Tiny random decoders of many architectures, prompts that they answer partly right, and slow oracles."""

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from headreuse.records import Prompts, Role

D_VOCAB, N_LAYERS, N_HEADS = 24, 3, 4
SIZE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": N_HEADS,
    "vocab_size": D_VOCAB,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = SIZE | {"num_key_value_heads": 2}
OLD = {"n_embd": 32, "n_layer": N_LAYERS, "n_head": N_HEADS, "n_positions": 64}
OLD |= {"vocab_size": D_VOCAB, "bos_token_id": 1, "eos_token_id": 2}
TOKENS = {"vocab_size": D_VOCAB, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 12}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
EXPERTS |= {"shared_expert_intermediate_size": 16, "head_dim": 16}
WINDOW = 4
"""Shorter than the prompts."""

ARCHITECTURES = {
    "llama": ("LlamaConfig", SIZE),
    "llama_gqa": ("LlamaConfig", GROUPED),
    "llama_mqa": ("LlamaConfig", SIZE | {"num_key_value_heads": 1}),
    "smollm3_nope": ("SmolLM3Config", GROUPED | {"no_rope_layers": [0, 0, 0]}),
    "smollm3_mixed": ("SmolLM3Config", GROUPED | {"no_rope_layers": [1, 0, 1]}),
    "gpt2": ("GPT2Config", OLD | {"tie_word_embeddings": False}),
    "gpt_neox": ("GPTNeoXConfig", SIZE),
    "gpt_neox_sequential": ("GPTNeoXConfig", SIZE | {"use_parallel_residual": False}),
    "qwen2": ("Qwen2Config", GROUPED),
    "qwen3": ("Qwen3Config", GROUPED | {"head_dim": 16}),
    "gemma2": ("Gemma2Config", GROUPED | {"head_dim": 16, "sliding_window": WINDOW, "query_pre_attn_scalar": 16}),
    "mistral_window": ("MistralConfig", GROUPED | {"sliding_window": WINDOW}),
    "phi": ("PhiConfig", SIZE),
    "olmo2": ("Olmo2Config", GROUPED),
}
"""Architectures that TransformerLens boots."""

UNBRIDGED = {
    "gptj": ("GPTJConfig", OLD | {"rotary_dim": 4}),
    "opt": ("OPTConfig", SIZE | {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "mixtral": ("MixtralConfig", GROUPED | {"num_local_experts": 4}),
    "bloom": ("BloomConfig", OLD),
    "bert": ("BertConfig", SIZE | {"is_decoder": True}),
    "roberta": ("RobertaConfig", SIZE | {"is_decoder": True}),
    "electra": ("ElectraConfig", SIZE | {"is_decoder": True, "embedding_size": 32}),
    "xglm": ("XGLMConfig", {"d_model": 32, "num_layers": N_LAYERS, "attention_heads": N_HEADS, "ffn_dim": 48} | TOKENS),
    "gpt_oss": ("GptOssConfig", GROUPED | {"head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "minicpm3": ("MiniCPM3Config", SIZE | LATENT),
    "qwen3_next": ("Qwen3NextConfig", GROUPED | EXPERTS | {"layer_types": ["full_attention"] * N_LAYERS}),
    "mpt": ("MptConfig", {"d_model": 32, "n_heads": N_HEADS, "n_layers": N_LAYERS, "max_seq_len": 64} | TOKENS),
}
"""Architectures for which plain hooks on the Hugging Face model are the oracle."""

PROJECTIONS = {
    "gptj": "attn.out_proj",
    "opt": "self_attn.out_proj",
    "bloom": "self_attention.dense",
    "bert": "attention.output.dense",
    "roberta": "attention.output.dense",
    "electra": "attention.output.dense",
    "xglm": "self_attn.out_proj",
    "mpt": "attn.out_proj",
} | dict.fromkeys(("mixtral", "gpt_oss", "minicpm3", "qwen3_next"), "self_attn.o_proj")
"""How the names of their output projections end."""


def random_model(name: str, *, seed: int = 0, vocab_size: int = D_VOCAB, **loading: str) -> PreTrainedModel:
    """A decoder in eval mode, with weights large enough that every head matters."""
    config_class, settings = (ARCHITECTURES | UNBRIDGED)[name]
    config = getattr(transformers, config_class)(**settings | {"vocab_size": vocab_size})
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, **loading).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.4 * torch.randn(weight.shape, generator=generator))
    return model


def with_large_maps(model: PreTrainedModel, scale: float) -> PreTrainedModel:
    """The model in eval mode, all its matrices so large that every head matters; norms stay as they are."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return model.eval()


def bridge_of(model: PreTrainedModel, folder: str) -> TransformerBridge:
    """A TransformerLens bridge of the same weights, booted from a folder; the model itself stays as it is."""
    model.save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel({f"t{i}": i for i in range(D_VOCAB)}, unk_token="t0"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="t1", eos_token="t2").save_pretrained(folder)
    return TransformerBridge.boot_transformers(folder)


def answered_prompts(
    model: PreTrainedModel, generator: np.random.Generator, *, n_prompts: int = 16, n_inputs: int = 6, n_answer: int = 3
) -> Prompts:
    """Prompts whose answer is what the model generates; in every third prompt one of its tokens is wrong."""
    tokens = generator.integers(3, D_VOCAB, (n_prompts, n_inputs))
    corrupted_inputs = tokens.copy()
    corrupted_inputs[:, 2] = (tokens[:, 2] - 3 + generator.integers(1, D_VOCAB - 3, n_prompts)) % (D_VOCAB - 3) + 3
    for _ in range(n_answer):
        with torch.no_grad():
            generated = model(torch.as_tensor(tokens), use_cache=False).logits[:, -1].argmax(-1).numpy()
        tokens = np.concatenate([tokens, generated[:, None]], axis=1)
    tokens[::3, -2] = (tokens[::3, -2] + 1) % D_VOCAB
    corrupted = np.concatenate([corrupted_inputs, (tokens[:, n_inputs:] + 1) % D_VOCAB], axis=1)
    roles = np.array(
        [Role.BOS, Role.MARKER] + [Role.INPUT] * (n_inputs - 3) + [Role.SEPARATOR] + [Role.ANSWER] * n_answer
    )
    roles = np.tile(roles, (n_prompts, 1))
    return Prompts("made_up", tokens, corrupted, roles, roles == Role.ANSWER, np.full(n_prompts, 3))


def slow_outcomes(logits: torch.Tensor, prompts: Prompts) -> dict[str, np.ndarray]:
    """Exact match and answer log-probability, prompt by prompt."""
    exact, log_prob = [], []
    for row, scored in enumerate(prompts.scored):
        positions = np.flatnonzero(scored)
        answer = torch.as_tensor(prompts.tokens[row, positions])
        at = logits[row, positions - 1].double().log_softmax(-1)
        exact.append(float(torch.equal(at.argmax(-1), answer)))
        log_prob.append(at[torch.arange(len(answer)), answer].sum().item())
    return {"exact_match": np.array(exact), "log_prob": np.array(log_prob)}
