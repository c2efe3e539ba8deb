"""What a model is, as its configuration and headers say it: by hand, and as Transformers saves architectures."""

import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    BloomConfig,
    FalconConfig,
    GemmaConfig,
    GPT2Config,
    GPTJConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MptConfig,
    OPTConfig,
    SmolLM3Config,
    XGLMConfig,
)

from headreuse.sources.series.about import About, about_config, about_folder, header_of

SIZE = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 24}
POSITIONS = {
    "llama": (LlamaConfig(**SIZE), "rope"),
    "gemma": (GemmaConfig(**SIZE), "rope"),
    "gpt_neox": (GPTNeoXConfig(**SIZE), "rope"),
    "gptj": (GPTJConfig(n_embd=32, n_layer=4, n_head=4, vocab_size=24), "rope"),
    "gpt2": (GPT2Config(n_embd=32, n_layer=4, n_head=4, vocab_size=24), "learned"),
    "opt": (OPTConfig(**SIZE), "learned"),
    "xglm": (XGLMConfig(d_model=32, num_layers=4, attention_heads=4, vocab_size=24), "sinusoidal"),
    "bloom": (BloomConfig(hidden_size=32, n_layer=4, n_head=4, vocab_size=24), "alibi"),
    "mpt": (MptConfig(d_model=32, n_layers=4, n_heads=4, vocab_size=24), "alibi"),
    "falcon": (FalconConfig(**SIZE, alibi=False), "rope"),
    "falcon with alibi": (FalconConfig(**SIZE, alibi=True), "alibi"),
    "smollm3": (SmolLM3Config(**SIZE, pad_token_id=0, no_rope_layers=[1, 1, 1, 0]), "rope, none in 1 of 4 layers"),
    "smollm3 without": (SmolLM3Config(**SIZE, pad_token_id=0, no_rope_layers=[0] * 4), "none"),
}


@pytest.mark.parametrize("name", POSITIONS)
def test_shape_and_position_are_read_off_a_saved_configuration(name):
    config, position = POSITIONS[name]
    found = about_config(json.loads(config.to_json_string(use_diff=False)))
    assert found.position == position
    assert (found.n_layers, found.n_heads, found.d_model, found.d_vocab) == (4, 4, 32, 24)


@pytest.mark.parametrize(
    ("config", "n_key_value_heads"),
    [
        (LlamaConfig(**SIZE, num_key_value_heads=2), 2),
        (LlamaConfig(**SIZE), 4),
        (FalconConfig(**SIZE, multi_query=True), 1),
        (FalconConfig(**SIZE, multi_query=False), 4),
        (FalconConfig(**SIZE, new_decoder_architecture=True, num_kv_heads=2), 2),
    ],
)
def test_key_value_heads_are_those_that_the_model_has(config, n_key_value_heads):
    assert about_config(json.loads(config.to_json_string(use_diff=False))).n_key_value_heads == n_key_value_heads


def test_of_several_parts_the_one_that_reads_text_is_told():
    found = about_config(
        {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": SIZE | {"rope_theta": 1e6}}
    )
    expected = About("Gemma3ForConditionalGeneration", 4, 4, 4, 32, "rope", 24, "", None)
    assert found == expected


def test_size_and_dtype_are_of_the_files_and_no_weight_is_read(tmp_path):
    weights = {"a": torch.zeros(100, dtype=torch.bfloat16), "b": torch.zeros(2)}
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(SIZE | {"dtype": "float32", "architectures": ["Made"]}))
    found = about_folder(tmp_path)
    assert (found.dtype, found.n_bytes) == ("bfloat16", (tmp_path / "model.safetensors").stat().st_size)
    assert (found.architecture, found.position) == ("Made", "")


@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"\xff" * 100, b"\x02" + bytes(7) + b"[]", b"\x03" + bytes(7) + b"{{{"]
)
def test_what_is_damaged_is_not_said(content, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(content)
    (tmp_path / "config.json").write_bytes(content)
    assert header_of(tmp_path / "model.safetensors") == {}
    assert about_folder(tmp_path) == About("", None, None, None, None, "", None, "", len(content))
