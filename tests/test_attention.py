"""Are mean patterns those of TransformerLens? Covers `attention.py`."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from headreuse.attention import eager_attention, mean_pattern
from headreuse.errors import HeadreuseError
from headreuse.records import Prompts, Role

D_VOCAB, N_POSITIONS = 20, 7


@pytest.fixture(scope="module")
def llama_folder(tmp_path_factory):
    """A random Llama with grouped-query attention and a tokenizer, as a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("llama")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=D_VOCAB,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
        initializer_range=0.5,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    vocabulary = WordLevel({f"t{i}": i for i in range(D_VOCAB)}, unk_token="t0")
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(vocabulary), bos_token="t1", eos_token="t2").save_pretrained(
        folder
    )
    return folder


@pytest.fixture
def prompts(generator):
    tokens = generator.integers(3, D_VOCAB, (11, N_POSITIONS))
    roles = np.tile([Role.BOS, Role.MARKER, Role.INPUT, Role.INPUT, Role.SEPARATOR, Role.ANSWER, Role.ANSWER], (11, 1))
    return Prompts("made_up", tokens, tokens, roles, roles == Role.ANSWER, np.full(11, 2))


def test_mean_pattern_is_the_mean_of_transformer_lens_patterns(llama_folder, prompts):
    bridge = TransformerBridge.boot_transformers(str(llama_folder))
    _, cache = bridge.run_with_cache(torch.as_tensor(prompts.tokens), prepend_bos=False)
    expected = np.stack([cache["pattern", layer].mean(0).numpy() for layer in range(2)])
    for model in (bridge, AutoModelForCausalLM.from_pretrained(llama_folder)):
        found = mean_pattern(model, prompts, micro_batch=4)
        np.testing.assert_allclose(found.pattern, expected, atol=1e-6)
        np.testing.assert_allclose(found.pattern.sum(-1), 1, atol=1e-6)
        assert found.n_prompts == 11
        assert found.layout == ("BOS", "MARKER", "INPUT", "INPUT", "SEPARATOR", "ANSWER", "ANSWER")


def test_recording_leaves_the_model_as_it_was(llama_folder, prompts):
    model = AutoModelForCausalLM.from_pretrained(llama_folder)
    tokens = torch.as_tensor(prompts.tokens)
    before = model(tokens).logits
    mean_pattern(model, prompts)
    assert model.config._attn_implementation == "sdpa"
    assert torch.equal(model(tokens).logits, before)
    with pytest.raises(IndexError):
        mean_pattern(model, Prompts("x", prompts.tokens + 99, *list(vars(prompts).values())[2:]))
    assert model.config._attn_implementation == "sdpa"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_eager_attention_ends_with_the_block(llama_folder):
    model = AutoModelForCausalLM.from_pretrained(llama_folder)
    with eager_attention(model):
        assert model.config._attn_implementation == "eager"
    assert model.config._attn_implementation == "sdpa"


def test_prompts_of_different_layouts_are_refused_with_the_reason(llama_folder, prompts):
    prompts.roles[3, 4] = Role.INPUT
    with pytest.raises(HeadreuseError, match="position 4 is INPUT in one prompt and SEPARATOR in another"):
        mean_pattern(AutoModelForCausalLM.from_pretrained(llama_folder), prompts)
