"""Position schemes: each is what its paper says, causal, goes on beyond its training, and is ablated exactly.

Covers `models/positions/_decoder.py`, `models/positions/_table.py`, `models/positions/rope.py`,
`models/positions/nope.py`, `models/positions/alibi.py`, `models/positions/fire.py`, `models/positions/ape.py`,
`models/positions/coupled.py` and `models/positions/coupled_fixed.py`.
"""

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from decoders import slow_outcomes, with_large_maps
from transformers import PreTrainedModel

from headreuse.attention import mean_pattern
from headreuse.errors import HeadreuseError
from headreuse.models.architectures import build_model
from headreuse.models.checkpoints import CheckpointError, load_bridge, load_model
from headreuse.models.positions import POSITIONS
from headreuse.models.positions.alibi import slopes
from headreuse.models.positions.coupled import coupled_ids, rule_of
from headreuse.models.positions.fire import InterpolatedBias
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import BOS, EOS, PAD, Vocabulary
from headreuse.records import Prompts
from headreuse.scores import zero_ablation
from headreuse.study import ModelSpec
from headreuse.study.model_spec import TABLES_OF_POSITIONS
from headreuse.tasks import TASKS

TASK_NAMES = ("reverse_add", "copy", "reverse")
TRAINED_TO = 3
N_HEADS = 4


def tasks_of(*names: str):
    tasks = [TASKS[name](alphabet_size=4) for name in names]
    return tasks, Vocabulary.of(tasks)


@cache
def settings_of(scheme: str) -> dict:
    return POSITIONS[scheme].settings(*tasks_of(*TASK_NAMES), 4 * TRAINED_TO)


def model_of(scheme: str, *, n_layers: int = 2) -> PreTrainedModel:
    """A model with weights so large that every head matters, with positions up to four times the training length."""
    _, vocabulary = tasks_of(*TASK_NAMES)
    settings = settings_of(scheme)
    spec = ModelSpec(position=scheme, n_layers=n_layers, n_heads=N_HEADS, d_model=32)
    model = build_model(spec, vocab_size=len(vocabulary), max_positions=64, seed=0, settings=settings)
    return with_large_maps(model, 0.4)


def prompts_of(name: str, length: int, n: int = 6) -> Prompts:
    tasks, vocabulary = tasks_of(*TASK_NAMES)
    task, lengths = tasks[TASK_NAMES.index(name)], np.full(n, length)
    return vocabulary.encode(task, task.generate(lengths, np.random.default_rng(0)), lengths)


def logits_of(model: PreTrainedModel, tokens: torch.Tensor, **further) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=tokens, use_cache=False, **further).logits


QUICK = ("coupled", "fire")
"""A scheme of each kind: `make test-slow` has the others."""


def schemes(*names: str) -> list:
    return [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in names]


@pytest.fixture(params=schemes(*POSITIONS))
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_at_four_times_the_training_length_later_tokens_change_nothing_and_all_answers_are_finite(scheme):
    model, prompts = model_of(scheme), prompts_of("reverse_add", 4 * TRAINED_TO)
    tokens = torch.as_tensor(prompts.tokens).long()
    whole, last = logits_of(model, tokens), tokens.shape[1] - 1
    assert whole.isfinite().all()
    for length in (2, last // 2, last):
        other = torch.cat([tokens[:, :length], tokens[:, length:].flip(0).roll(1, dims=1)], dim=1)
        torch.testing.assert_close(logits_of(model, other)[:, :length], whole[:, :length], rtol=0, atol=1e-5)
        torch.testing.assert_close(logits_of(model, tokens[:, :length]), whole[:, :length], rtol=0, atol=1e-5)


def test_what_a_scheme_adds_reaches_the_logits(scheme):
    rope, own = model_of("rope"), model_of(scheme)
    tokens = torch.as_tensor(prompts_of("copy", 3).tokens).long()
    with torch.no_grad():
        for weights in (rope, own):
            weights.load_state_dict(rope.state_dict(), strict=False)
    same = torch.allclose(logits_of(rope, tokens), logits_of(own, tokens), atol=1e-4)
    assert same == (scheme == "rope")


def test_exact_ablation_equals_plain_hooks(scheme):
    model, prompts = model_of(scheme), prompts_of("reverse_add", 2)
    tokens = torch.as_tensor(prompts.tokens).long()
    clean = slow_outcomes(logits_of(model, tokens), prompts)["log_prob"]
    expected = np.empty((2, N_HEADS, len(prompts)))
    for layer, head in np.ndindex(2, N_HEADS):

        def without(_part, args, head=head):
            z = args[0].unflatten(-1, (N_HEADS, -1)).clone()
            z[:, :, head] = 0
            return (z.flatten(-2),)

        handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(without)
        expected[layer, head] = clean - slow_outcomes(logits_of(model, tokens), prompts)["log_prob"]
        handle.remove()
    assert (np.abs(expected).max(axis=-1) > 1e-3).all(), "every head matters"
    # Warnings are errors here, so this is the replay and not the full passes that stand in for it.
    found = zero_ablation(model, prompts).effects["log_prob"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("scheme", schemes(*(name for name in POSITIONS if name != "hsa")))
def test_with_a_cache_the_next_token_is_the_same_as_without(scheme):
    model, prompts = model_of(scheme), prompts_of("copy", 3, n=3)
    start = torch.as_tensor(prompts.tokens[:, :6]).long()
    settings = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None, "attention_mask": torch.ones_like(start)}
    slow, cache, step = start, None, start
    for _ in range(5):
        slow = torch.cat([slow, logits_of(model, slow)[:, -1:].argmax(-1)], dim=1)
        with torch.no_grad():
            output = model(input_ids=step, past_key_values=cache)
        cache, step = output.past_key_values, output.logits[:, -1:].argmax(-1)
        assert torch.equal(step[:, 0], slow[:, -1])
    assert torch.equal(model.generate(start, **settings), slow)
    beams = [model.generate(start, num_beams=3, use_cache=use_cache, **settings) for use_cache in (True, False)]
    assert torch.equal(*beams)


def test_a_saved_model_is_loaded_again_by_this_package_alone(scheme, tmp_path):
    model, tokens = model_of(scheme), torch.as_tensor(prompts_of("copy", 3).tokens).long()
    model.save_pretrained(tmp_path)
    build_tokenizer(tasks_of(*TASK_NAMES)[1]).save_pretrained(tmp_path)
    for attention in ("sdpa", "eager"):
        again = load_model(tmp_path, attn_implementation=attention)
        torch.testing.assert_close(logits_of(again, tokens), logits_of(model, tokens), rtol=1e-4, atol=1e-4)
    config = json.loads((tmp_path / "config.json").read_text())
    assert "auto_map" not in config
    if scheme in ("rope", "nope"):
        assert config["model_type"] in ("llama", "smollm3")
        return
    assert config["position"] == scheme
    assert config["model_type"] == ("headreuse_hsa" if scheme == "hsa" else "headreuse_positioned")
    with pytest.raises(CheckpointError, match=f"TransformerLens has no architecture with position '{scheme}'; use"):
        load_bridge(tmp_path)


@pytest.mark.parametrize("position", ["ape", "coupled", "coupled_fixed", "fire", "alibi"])
def test_whatever_a_scheme_adds_the_rest_starts_as_its_rotary_twin(position):
    rope, own = (
        build_model(ModelSpec(position=p), vocab_size=9, max_positions=8, seed=3).state_dict()
        for p in ("rope", position)
    )
    assert own.keys() >= rope.keys()
    assert all(torch.equal(rope[name], own[name]) for name in rope)


def test_rotary_scores_depend_on_offsets_alone():
    model, tokens = model_of("rope"), torch.as_tensor(prompts_of("copy", 3).tokens).long()
    places = torch.arange(tokens.shape[1])[None]
    at_0, at_40, apart = (logits_of(model, tokens, position_ids=ids) for ids in (places, places + 40, 2 * places))
    torch.testing.assert_close(at_0, at_40, rtol=0, atol=1e-4)
    assert not torch.allclose(at_0, apart, atol=1e-2)


def test_slopes_by_hand():
    assert slopes(8) == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    assert slopes(6) == [1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 2, 1 / 8]
    assert slopes(1) == [1 / 256]


def fire_of(bias: InterpolatedBias, i: int, j: int) -> list[float]:
    """The paper's formula for one pair of positions, number by number."""
    c, longest = 0.1 * bias.c_factor.item(), 256 * bias.L_factor.item()
    values = [math.log(c * (i - j) + 1) / math.log(c * max(longest, i) + 1)]
    *hidden, last = [part.weight.tolist() for part in bias.mlp if hasattr(part, "weight")]
    for weights in hidden:
        values = [max(0.0, sum(w * v for w, v in zip(row, values, strict=True))) for row in weights]
    return [sum(w * v for w, v in zip(row, values, strict=True)) for row in last]


@pytest.mark.parametrize("l_factor", [1.0, 5 / 256])
def test_fire_is_its_formula_before_and_beyond_its_threshold(l_factor):
    torch.manual_seed(0)
    bias, n = InterpolatedBias(3), 9
    with torch.no_grad():
        bias.L_factor.fill_(l_factor)
        bias.c_factor.fill_(3.0)
        found = bias(torch.arange(n), torch.arange(n))
    assert found.abs().max() > 0.01
    for i in range(n):
        for j in range(i + 1):
            assert found[:, i, j].tolist() == pytest.approx(fire_of(bias, i, j), abs=1e-5)


@pytest.mark.parametrize("position", ["alibi", "fire"])
def test_patterns_are_the_softmax_of_scores_with_the_bias(position):
    model, prompts = model_of(position, n_layers=1), prompts_of("copy", 2, n=2)
    layer, tokens = model.model.layers[0], torch.as_tensor(prompts.tokens).long()
    n = tokens.shape[1]
    with torch.no_grad():
        hidden = layer.input_layernorm(model.model.embed_tokens(tokens))
        q, k = (getattr(layer.self_attn, f"{name}_proj")(hidden).unflatten(-1, (N_HEADS, -1)) for name in "qk")
    expected = np.zeros((N_HEADS, n, n))
    for prompt, head, i in np.ndindex(len(prompts), N_HEADS, n):
        biases = [
            -(2.0 ** (-2 * (head + 1))) * (i - j) if position == "alibi" else fire_of(layer.self_attn.bias, i, j)[head]
            for j in range(i + 1)
        ]
        scores = [float(q[prompt, i, head] @ k[prompt, j, head]) / math.sqrt(8) + b for j, b in enumerate(biases)]
        weights = np.exp(np.array(scores) - max(scores))
        expected[head, i, : i + 1] += weights / weights.sum() / len(prompts)
    np.testing.assert_allclose(mean_pattern(model, prompts).pattern[0], expected, atol=1e-5)


EXAMPLES = [
    ("reverse_add", "356+94=2070", "2 3 4 1 2 3 1 2 3 4 5"),
    ("reverse_subtract", "94-356=406-", "2 3 1 2 3 4 1 2 3 4 1"),
    ("multiply_cot", "12*321=12+042=", "2 3 1 2 3 4 1 2 3 1 2 3 4 1"),
    ("copy", "abC=abC", "2 3 4 1 2 3 4"),
    ("reverse", "abC=Cba", "2 3 4 1 4 3 2"),
    ("capitalize_reverse", "abC=cBAab", "2 3 4 1 4 3 2 1 1"),
]
"""With the start 1; the last answer goes on for too long, as a model's may."""


@pytest.mark.parametrize(("name", "text", "expected"), EXAMPLES)
def test_coupled_ids_by_hand(name, text, expected):
    tasks, vocabulary = tasks_of("no_carry", name)
    tokens = [BOS, vocabulary.id(tasks[1].marker), *map(vocabulary.id, text), EOS, PAD, PAD]
    found = coupled_ids(torch.tensor([tokens]), [rule_of(task, vocabulary) for task in tasks])
    assert found[0].tolist() == [0, 0, *map(int, expected.split()), 0, 0, 0]


def slow_ids(text: str, separators: frozenset[str], *, mirrored: bool) -> list[int]:
    """Symbol by symbol, from the start 1 on."""
    ids, since, n_input = [], 0, None
    for symbol in text:
        since = 0 if symbol in separators else since + 1
        if symbol in separators and n_input is None:
            n_input = len(ids)
        backwards = mirrored and n_input is not None and symbol not in separators
        ids.append(1 + (n_input + 1 - since if backwards else since))
    return ids


COUPLED = [name for name, task in TASKS.items() if task.coupled_ids]


@pytest.mark.parametrize("name", COUPLED)
def test_coupled_ids_equal_a_slow_loop_and_stay_token_by_token(name):
    tasks, vocabulary = tasks_of(name)
    lengths = np.arange(8) % 4 + tasks[0].min_length
    examples = tasks[0].generate(lengths, np.random.default_rng(0))
    tokens = torch.as_tensor(vocabulary.encode(tasks[0], examples, lengths).tokens)
    rules = [rule_of(tasks[0], vocabulary)]
    found = coupled_ids(tokens, rules)
    for row, ids in zip(tokens.tolist(), found.tolist(), strict=True):
        symbols = [vocabulary.tokens[token] for token in row[2:] if token > EOS]
        expected = slow_ids(symbols, tasks[0].separators, mirrored=tasks[0].coupled_ids == "mirrored")
        assert ids == [0, 0, *expected, *[0] * (len(row) - 2 - len(symbols))]
    for n in range(1, tokens.shape[1]):
        assert torch.equal(coupled_ids(tokens[:, :n], rules), found[:, :n])


def test_a_task_that_says_nothing_of_coupling_is_refused():
    tasks, vocabulary = tasks_of("mqar")
    with pytest.raises(HeadreuseError, match=r'mqar has coupled_ids None; position "coupled" needs "forward" or'):
        POSITIONS["coupled"].settings(tasks, vocabulary, 8)


def test_studies_know_which_schemes_learn_tables():
    assert {name for name, scheme in POSITIONS.items() if scheme.starts_anywhere} == set(TABLES_OF_POSITIONS)


@pytest.mark.parametrize("position", TABLES_OF_POSITIONS)
def test_another_start_takes_other_rows_of_the_table_and_changes_nothing_else(position):
    model = model_of(position)
    tokens = torch.as_tensor(prompts_of("copy", 3, n=1).tokens).long()
    table = model.model.position_table
    n_rows, first = table.rows.num_embeddings, 0 if position == "ape" else 1
    n_starts = n_rows - int(table.ids(tokens)[0].max())
    for start in (0, 3, table.margin, n_starts - 1):
        drawn = torch.tensor([[(start + 0.5) / n_starts]])
        shifted = logits_of(model, tokens, drawn_starts=drawn)
        rows = table.rows.weight.data.clone()
        table.rows.weight.data[first:] = rows[first:].roll(table.margin - start, dims=0)
        torch.testing.assert_close(logits_of(model, tokens), shifted, rtol=0, atol=1e-5)
        table.rows.weight.data[:] = rows
        assert start == table.margin or not torch.allclose(shifted, logits_of(model, tokens), atol=1e-2)


@pytest.mark.parametrize("position", TABLES_OF_POSITIONS)
def test_training_takes_all_rows_and_padding_changes_no_start(position):
    model, prompts = model_of(position), prompts_of("copy", 2, n=1)
    tokens = torch.as_tensor(prompts.tokens).long().repeat(2048, 1)
    table, drawn = model.model.position_table, torch.rand(len(tokens), 1, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(tokens, (0, 50), value=PAD)
    assert torch.equal(table(padded, drawn)[:, : tokens.shape[1]], table(tokens, drawn))
    table.rows.weight.requires_grad_()
    table(tokens, drawn).sum().backward()
    assert (table.rows.weight.grad != 0).all()


def test_fixed_rows_are_at_right_angles_of_twice_the_size_of_tokens_and_training_leaves_them():
    spec = ModelSpec(position="coupled_fixed", d_model=64)
    model = build_model(spec, vocab_size=9, max_positions=64, seed=0, settings=settings_of("coupled_fixed"))
    table = model.model.position_table
    # Ids 0 and 1, 12 digits and their carry, and six rows at either end.
    assert table.rows.num_embeddings == 1 + 1 + 13 + 6 + 6
    products = table.rows.weight @ table.rows.weight.T
    np.testing.assert_allclose(products, 64 * 0.04**2 * np.eye(len(products)), atol=1e-6)
    model(**{name: torch.ones(1, 4, dtype=torch.long) for name in ("input_ids", "labels")}).loss.backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == [
        "model.position_table.rows.weight"
    ]


def test_more_fixed_rows_than_dimensions_are_of_one_size():
    spec = ModelSpec(position="coupled_fixed", d_model=16)
    rows = build_model(spec, vocab_size=9, max_positions=64, seed=0).model.position_table.rows.weight
    assert rows.shape == (65, 16)
    np.testing.assert_allclose(rows.norm(dim=1), np.full(65, 0.16), rtol=1e-5)


@pytest.mark.parametrize("position", TABLES_OF_POSITIONS)
def test_a_prompt_beyond_the_learned_positions_is_refused(position):
    model = model_of(position)
    too_long = torch.as_tensor(prompts_of("reverse_add", 4 * TRAINED_TO + 1, n=1).tokens).long()
    with pytest.raises(HeadreuseError, match=r"positions, but the model has \d+; .* model.positions_to"):
        logits_of(model, too_long)


def test_the_plain_llama_has_no_such_scheme(tmp_path: Path):
    model_of("alibi").save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"position": "alibi"', '"position": "rope"'))
    with pytest.raises(CheckpointError, match="'rope' is of another decoder"):
        load_model(tmp_path)
