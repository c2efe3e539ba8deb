"""Series of ten architectures, saved as their users save them: listed, verified, told of, loaded, scored, reported.

What is scored is judged by plain hooks on a model of the same weights that was never saved.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from command_line import headreuse
from decoders import D_VOCAB, GROUPED, N_HEADS, N_LAYERS, OLD, SIZE, answered_prompts, slow_outcomes
from texts import merging, wrapped
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from headreuse import open_series
from headreuse.records import Prompts
from headreuse.scores import mean_ablation
from headreuse.sources.series.about import about_folder
from headreuse.sources.series.local import LocalOrigin

MULTIPLIERS = {"attention_multiplier": 0.5, "residual_multiplier": 0.7, "embedding_multiplier": 2.0}
TEN = {
    "llama_gqa": ("LlamaConfig", GROUPED, "o_proj", 2, "rope"),
    "gpt2": ("GPT2Config", OLD, "attn.c_proj", 4, "learned"),
    "gpt_neox": ("GPTNeoXConfig", SIZE, "attention.dense", 4, "rope"),
    "olmo2": ("Olmo2Config", GROUPED, "o_proj", 2, "rope"),
    "qwen3": ("Qwen3Config", GROUPED | {"head_dim": 16}, "o_proj", 2, "rope"),
    "gemma3": ("Gemma3TextConfig", GROUPED | {"head_dim": 16, "sliding_window": 4}, "o_proj", 2, "rope"),
    "smollm3": (
        "SmolLM3Config",
        GROUPED | {"no_rope_layers": [1, 1, 0], "use_sliding_window": False},
        "o_proj",
        2,
        "rope, none in 1 of 3 layers",
    ),
    "falcon": (
        "FalconConfig",
        SIZE | {"alibi": False, "num_ln_in_parallel_attn": 1},
        "self_attention.dense",
        1,
        "rope",
    ),
    "phi3": ("Phi3Config", GROUPED, "o_proj", 2, "rope"),
    "granite": ("GraniteConfig", GROUPED | MULTIPLIERS | {"logits_scaling": 1.5}, "o_proj", 2, "rope"),
}
"""Configuration, its settings, how the names of output projections end, key/value heads, position."""


def model_of(name: str, seed: int, d_vocab: int = D_VOCAB) -> PreTrainedModel:
    """With weights so large that every head matters; embeddings are tied where the architecture has them so."""
    config_class, settings, *_ = TEN[name]
    torch.manual_seed(seed)
    config = getattr(transformers, config_class)(**settings | {"vocab_size": d_vocab})
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.4)
    return model


def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({f"t{i}": i for i in range(D_VOCAB)}, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token="t1", eos_token="t2")


QUICK = "gemma3"
"""The one that `make test` has; `make test-slow` has the others, of which `test_interventions.py` has six too."""


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name != QUICK)) for name in TEN])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def out(name: str, tmp_path: Path) -> Path:
    for step in (1, 2):
        for part in (model_of(name, step), tokenizer()):
            part.save_pretrained(tmp_path / f"checkpoint-{step}")
    return tmp_path


def by_hooks(model: PreTrainedModel, prompts: Prompts, ending: str) -> np.ndarray:
    """Answer log-probability of the untouched model less that without each head: `layer head prompt`."""
    projections = [part for part_name, part in model.named_modules() if part_name.endswith(ending)]
    assert len(projections) == N_LAYERS
    tokens, z = torch.as_tensor(prompts.tokens), {}

    def log_prob() -> np.ndarray:
        with torch.no_grad():
            return slow_outcomes(model(tokens, use_cache=False).logits, prompts)["log_prob"]

    for layer, part in enumerate(projections):
        part.seen = part.register_forward_pre_hook(lambda _part, args, layer=layer: z.update({layer: args[0]}))
    clean = log_prob()
    for part in projections:
        part.seen.remove()
    effects = np.empty((N_LAYERS, N_HEADS, len(prompts)))
    for layer, head in np.ndindex(N_LAYERS, N_HEADS):

        def averaged(_part, args, layer=layer, head=head):
            replaced = args[0].unflatten(-1, (N_HEADS, -1)).clone()
            replaced[:, :, head] = z[layer].unflatten(-1, (N_HEADS, -1))[:, :, head].mean(0)
            return (replaced.flatten(-2),)

        handle = projections[layer].register_forward_pre_hook(averaged)
        effects[layer, head] = clean - log_prob()
        handle.remove()
    return effects


def test_a_series_of_each_architecture_is_listed_verified_loaded_and_scored(name, out):
    _, _, ending, n_key_value_heads, position = TEN[name]
    entries = LocalOrigin(out).entries()
    assert [(entry.step, entry.problem) for entry in entries] == [(1, ""), (2, "")]
    about = about_folder(Path(entries[0].place))
    assert (about.n_layers, about.n_heads, about.d_model, about.d_vocab) == (N_LAYERS, N_HEADS, 32, D_VOCAB)
    assert (about.n_key_value_heads, about.position, about.dtype) == (n_key_value_heads, position, "float32")
    assert about.architecture == type(model_of(name, 2)).__name__

    original, checkpoint = model_of(name, 2), open_series(out)[1]
    prompts = answered_prompts(original, np.random.default_rng(0), n_prompts=6)
    expected = by_hooks(original, prompts, ending)
    assert (np.abs(expected).max(axis=-1) > 1e-3).all(), "every head matters"
    found = mean_ablation(checkpoint.model(), prompts).effects["log_prob"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert checkpoint.tokenizer("t5")["input_ids"] == [5]


@pytest.mark.slow
def test_one_study_of_all_ten_comes_to_its_report(tmp_path):
    parts = ['name = "ten"', "measures = { n_score_examples = 8, functional_sets = 0 }"]
    for sign, file in (("+", "sums"), ("-", "differences")):
        asked = [(a, b, a + b if sign == "+" else a - b) for a in range(4, 9) for b in range(1, 5)]
        rows = [json.dumps({"clean": f"{a} {sign} {b} =", "answer": f" {c}"}) for a, b, c in asked]
        (tmp_path / f"{file}.jsonl").write_text("\n".join(rows))
    for name in TEN:
        for step in (1, 2):
            for part in (model_of(name, step, d_vocab=400), wrapped(merging())):
                part.save_pretrained(tmp_path / name / f"checkpoint-{step}")
        tasks = 'main = { prompts = "sums.jsonl" }\nauxiliary = [{ prompts = "differences.jsonl" }]'
        parts.append(f'[[groups]]\nname = "{name}"\n{tasks}\nseries = "{tmp_path / name}"')
    (tmp_path / "ten.toml").write_text("\n".join(parts))

    out = tmp_path / "out"
    assert headreuse("run", tmp_path / "ten.toml", "--out", out, "--workers", 1)[0] == 0
    assert headreuse("verify", out)[0] == 0
    scores = pd.read_csv(out / "tables" / "head_scores.csv")
    of_heads = scores[scores["outcome"] == "log_prob"].groupby(["group", "step", "task"])["effect"].agg(["size", "std"])
    assert len(of_heads) == len(TEN) * 2 * 2
    assert (of_heads["size"] == N_LAYERS * N_HEADS).all()
    assert (of_heads["std"] > 0).all(), "no map is dead"
    page = (out / "report.html").read_text()
    assert all(f"{name} \u00b7 related" in page for name in TEN)
