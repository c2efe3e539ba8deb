"""Do the scores of patterns tell heads that look behind an occurrence from heads that look at it?

Covers `scores/_patterns.py`, `scores/induction.py`, `scores/anti_induction.py` and `attention_to` of `attention.py`.
"""

import warnings
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from decoders import bridge_of, random_model
from transformers import LlamaConfig, LlamaForCausalLM

from headreuse.errors import HeadreuseError
from headreuse.evaluation import evaluate
from headreuse.measurements.head_scores import HeadScoresOf
from headreuse.measurements.own_settings import OWN
from headreuse.prompts import Vocabulary, make_prompts
from headreuse.records import ATTENTION, OUTCOMES, Checkpoint, Prompts, Role
from headreuse.scores import SCORES, anti_induction, induction
from headreuse.scores.attribution_patching import CompletenessWarning
from headreuse.store.units import Unit
from headreuse.study.measure_spec import PATTERN_SCORES, outcome_of
from headreuse.tasks import TASKS

UNIQUE = ("retrieve_ul", "retrieve_ur", "copy_uf", "copy_ub")
SHARPNESS = 50.0
ANTI_INDUCTION, INDUCTION = (1, 0), (1, 1)


@cache
def vocabulary_of(name: str) -> Vocabulary:
    return Vocabulary.of([TASKS[name]()])


def prompts_of(name: str, length: int, n: int = 12) -> Prompts:
    return make_prompts(TASKS[name](), np.full(n, length), np.random.default_rng(0), vocabulary_of(name))


def plant(n_tokens: int, separator: int) -> LlamaForCausalLM:
    """Two layers of two heads: the first two fetch the token before, and whether the separator has come; of the others
    one looks at the same token before the separator, one behind the same token.

    The stream holds the token, the token before it, and whether the separator has come. Of a head's pairs of dimensions
    the first rotates by one radian a position, so that its cosine is largest one position back, and those that hold
    tokens hardly at all.
    """
    d_model, half = 2 * n_tokens + 2, 2 * n_tokens
    config = LlamaConfig(
        vocab_size=n_tokens,
        hidden_size=d_model,
        head_dim=2 * half,
        intermediate_size=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        rope_parameters={"rope_type": "default", "rope_theta": 1e30},
    )
    model = LlamaForCausalLM(config).eval()
    token, before, came = slice(n_tokens), slice(n_tokens, 2 * n_tokens), 2 * n_tokens
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "norm" in name else 0.0)
        model.get_input_embeddings().weight[:, token] = eye = torch.eye(n_tokens)
        first, second = (
            [_of_head(layer.self_attn, head, 2 * half) for head in range(2)] for layer in model.model.layers
        )
        previous, after = first
        previous.q[0, token], previous.k[0, token] = SHARPNESS, SHARPNESS * np.cos(1)
        previous.k[half, token] = SHARPNESS * np.sin(1)
        previous.v[token, token], previous.o[before, token] = eye, eye
        after.q[half - 1, token], after.k[half - 1, separator] = SHARPNESS, SHARPNESS
        after.v[0, separator], after.o[came, 0] = 1.0, 1.0
        anti, ahead = second
        for head, where in ((anti, token), (ahead, before)):
            head.q[n_tokens:half, token], head.k[n_tokens:half, where] = SHARPNESS * eye, SHARPNESS * eye
        anti.k[n_tokens:half, came] = -SHARPNESS
    return model


def _of_head(attention: torch.nn.Module, head: int, d_head: int) -> SimpleNamespace:
    """The weights of one head: views of the layer's."""
    rows = slice(d_head * head, d_head * (head + 1))
    weights = {name: getattr(attention, f"{name}_proj").weight[rows] for name in "qkv"}
    return SimpleNamespace(**weights, o=attention.o_proj.weight[:, rows])


@pytest.mark.parametrize("name", UNIQUE)
def test_perfect_heads_of_either_kind_score_one_and_zero(name):
    vocabulary, prompts = vocabulary_of(name), prompts_of(name, 9)
    model = plant(len(vocabulary), vocabulary.id("|" if "retrieve" in name else "="))
    found = {kind: SCORES[kind](model, prompts).effects[ATTENTION] for kind in PATTERN_SCORES}
    for kind, head, other in (
        ("induction", INDUCTION, ANTI_INDUCTION),
        ("anti_induction", ANTI_INDUCTION, INDUCTION),
    ):
        np.testing.assert_allclose(found[kind][head], 1, atol=1e-4)
        np.testing.assert_allclose(found[kind][other], 0, atol=1e-4)


def slowly(prompts: Prompts, patterns: list[np.ndarray], shift: int) -> np.ndarray:
    """The score of each layer, head and prompt, position by position."""
    found = []
    for row, (tokens, roles) in enumerate(zip(prompts.tokens, prompts.roles, strict=True)):
        shares = []
        for query in range(len(tokens) - 1):
            source = {place: tokens[place] for place in range(query) if roles[place] == Role.INPUT}
            own = [place for place, token in source.items() if token == tokens[query]]
            if prompts.scored[row, query + 1] and tokens[query + 1] in source.values() and own:
                shares.append(
                    [[sum(head[query, place + shift] for place in own) for head in layer[row]] for layer in patterns]
                )
        found.append(np.mean(shares, axis=0))
    return np.stack(found, axis=-1)


@pytest.mark.parametrize(
    "name", ["copy_nb", *(pytest.param(n, marks=pytest.mark.slow) for n in ("retrieve_nr_last", "mqar"))]
)
def test_scores_are_those_of_a_slow_loop_over_transformer_lens_patterns(name, tmp_path):
    vocabulary = Vocabulary.of([TASKS[name](alphabet_size=4)])
    lengths = np.array([12] * 5 + [8] * 4)
    prompts = make_prompts(TASKS[name](alphabet_size=4), lengths, np.random.default_rng(0), vocabulary)
    model = random_model("llama_gqa")
    bridge = bridge_of(model, str(tmp_path))
    _, cache = bridge.run_with_cache(torch.as_tensor(prompts.tokens), prepend_bos=False)
    patterns = [cache["pattern", layer].numpy() for layer in range(model.config.num_hidden_layers)]
    for it in (model, bridge):
        for score, shift in ((anti_induction, 0), (induction, 1)):
            found = score(it, prompts, micro_batch=4)
            np.testing.assert_allclose(found.effects[ATTENTION], slowly(prompts, patterns, shift), atol=1e-5)
            assert (found.method, found.length, set(found.effects)) == (score.__name__, 12, {ATTENTION})


def test_the_baseline_is_what_a_head_gives_that_looks_everywhere_alike_beside_the_models_outcomes():
    # `B m a b c a | a` then the answer: the query at position 7 sees 8 positions; `a` stands at 2 and 5.
    vocabulary = vocabulary_of("retrieve_nr_first")
    tokens = [vocabulary.id(token) for token in ("<bos>", "<retrieve_nr_first>", *"abca|a", "b", "<eos>")]
    roles = [Role.BOS, Role.MARKER, *[Role.INPUT] * 4, Role.SEPARATOR, Role.INPUT, Role.ANSWER, Role.ANSWER]
    arrays = (np.array([tokens]), None, np.array([roles]), np.array(roles)[None] == Role.ANSWER, np.array([4]))
    prompts = Prompts("by_hand", *arrays)
    model = plant(len(vocabulary), vocabulary.id("|"))
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.q_proj.weight)
    outcomes = evaluate(model, prompts).outcomes
    for score in (induction, anti_induction):
        found = score(model, prompts)
        assert found.baseline[ATTENTION].tolist() == [2 / 8]
        np.testing.assert_allclose(found.effects[ATTENTION], 2 / 8, atol=1e-6)
        for outcome in OUTCOMES:
            np.testing.assert_array_equal(found.baseline[outcome], outcomes[outcome])


def test_padding_changes_nothing_and_no_hook_is_left():
    prompts, model = prompts_of("copy_ub", 4), random_model("llama", vocab_size=len(vocabulary_of("copy_ub")))
    names = ("tokens", "corrupted", "roles", "scored")
    padded = replace(prompts, **{name: np.pad(getattr(prompts, name), ((0, 0), (0, 3))) for name in names})
    for score in (induction, anti_induction):
        before, after = score(model, prompts), score(model, padded)
        np.testing.assert_allclose(before.effects[ATTENTION], after.effects[ATTENTION], atol=1e-6)
    assert model.config._attn_implementation == "sdpa"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_prompts_whose_answers_are_not_made_of_their_symbols_are_refused(planted_model, generator):
    with pytest.raises(
        HeadreuseError, match=r"A: induction is undefined in 5 of 5 prompts, .* for tasks that retrieve"
    ):
        induction(planted_model.model, planted_model.prompts("A", 5, generator))


def test_a_score_of_patterns_is_kept_with_its_baselines_and_asked_for_by_its_own_outcome(tmp_path):
    assert {outcome_of(name) for name in PATTERN_SCORES} == {ATTENTION}
    prompts = prompts_of("copy_ub", 4)
    found = induction(random_model("llama", vocab_size=len(vocabulary_of("copy_ub"))), prompts)
    settings = {"length": 4, "method": "induction", OWN: {}}
    kind = HeadScoresOf()
    unit = Unit(HeadScoresOf.kind, "1", Checkpoint(tmp_path, 1, "f"), "copy_ub", settings)
    again = kind.from_frame(kind.to_frame(found), unit)
    assert set(again.effects) == {ATTENTION}
    assert set(again.baseline) == {*OUTCOMES, ATTENTION}
    np.testing.assert_array_equal(again.effects[ATTENTION], found.effects[ATTENTION])


def test_studies_know_which_scores_are_of_patterns():
    prompts = prompts_of("copy_uf", 3, n=4)
    model = random_model("llama", vocab_size=len(vocabulary_of("copy_uf")))
    # Random weights are no model whose attributions add up.
    with warnings.catch_warnings(action="ignore", category=CompletenessWarning):
        of_patterns = {name for name in SCORES if ATTENTION in SCORES[name].fitting(model, prompts).effects}
    assert of_patterns == set(PATTERN_SCORES)
