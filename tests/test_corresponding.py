"""Replacements from the positions of the same named span, where spans lie at different positions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from texts import merging, text_model

from headreuse.errors import HeadreuseError
from headreuse.evaluation import evaluate
from headreuse.interventions.corresponding import corresponding, drawn_positions
from headreuse.prompts import from_text
from headreuse.records import Role
from headreuse.scores import SCORES, mean_ablation

CLEAN = ["Reverse: 1234 -> Reverse:", "12 + 3456 = 19; 2", "3 + 3 = 1"]
ANSWERS = [" 43", " 15", "5"]
SPANS = [{"x": [9, 13]}, {"x": [5, 9]}, {"x": [0, 1]}]


@pytest.fixture(scope="module")
def prompts():
    found = from_text(merging(), CLEAN, ANSWERS, spans=SPANS)
    assert found.position == "role"
    return found


def test_sets_by_hand(prompts):
    roles = np.array([[1, 3, 6, 6, 6, 3, 5, 5], [1, 6, 6, 3, 5, 5, 5, 0]])
    made = replace(prompts, roles=roles, tokens=roles, scored=roles == 5, lengths=np.zeros(2, int))
    sets = corresponding(made, made)
    # BOS 1; text without a name 2; the answer's tokens 3, 4 and what only one prompt has with the last; the span 5, 6.
    assert sets.here.tolist() == [[1, 2, 5, 6, 6, 2, 3, 4], [1, 5, 6, 2, 3, 4, 4, 0]]
    assert sets.n_sets == 7


def test_mean_ablation_by_role_is_that_of_a_slow_loop(prompts):
    model = text_model("llama_gqa")
    found = mean_ablation(model, prompts, position="role")
    z = recorded(model, prompts.tokens)
    sets = corresponding(prompts, prompts).here
    baseline = evaluate(model, prompts).outcomes["log_prob"]
    for layer, head in [(0, 1), (1, 3), (2, 0)]:
        values = z[layer].unflatten(-1, (4, -1))[:, :, head].clone()
        for one in range(1, sets.max() + 1):
            values[torch.as_tensor(sets == one)] = values[torch.as_tensor(sets == one)].mean(dim=0)

        def write(_module, args, values=values, head=head):
            z = args[0].unflatten(-1, (4, -1)).clone()
            z[:, :, head] = values[:, : z.shape[1]]
            return (z.flatten(-2), *args[1:])

        handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(write)
        ablated = evaluate(model, prompts).outcomes["log_prob"]
        handle.remove()
        np.testing.assert_allclose(found.effects["log_prob"][layer, head], baseline - ablated, rtol=1e-4, atol=1e-3)
    pooled = mean_ablation(model, prompts, position="pooled")
    assert np.abs(pooled.effects["log_prob"] - found.effects["log_prob"]).max() > 0.01
    fitting = SCORES["mean_ablation"].fitting(model, prompts)
    np.testing.assert_array_equal(fitting.effects["log_prob"], found.effects["log_prob"])


def recorded(model, tokens) -> list[torch.Tensor]:
    seen = []
    hooks = [
        layer.self_attn.o_proj.register_forward_pre_hook(lambda _m, args: seen.append(args[0].clone()))
        for layer in model.model.layers
    ]
    with torch.no_grad():
        model(torch.as_tensor(tokens), use_cache=False)
    for hook in hooks:
        hook.remove()
    return seen


def test_partners_are_drawn_from_the_positions_that_correspond(prompts, generator):
    sets = corresponding(prompts, prompts)
    partners = np.array([1, 2, 0])
    for _ in range(20):
        drawn = drawn_positions(sets, partners, generator.random(prompts.tokens.shape))
        real = prompts.roles != Role.PAD
        assert (np.take_along_axis(sets.there[partners], drawn, axis=1)[real] == sets.here[real]).all()
    model = text_model("gpt2")
    by_role, pooled = (SCORES["resample_ablation"](model, prompts, position=name) for name in ("role", "pooled"))
    assert np.abs(by_role.effects["log_prob"] - pooled.effects["log_prob"]).max() > 0.01


def test_reference_prompts_must_have_the_same_spans(prompts):
    other = from_text(merging(), CLEAN, ANSWERS, spans=[{"y": entry["x"]} for entry in SPANS])
    with pytest.raises(HeadreuseError, match="prompts: the reference prompts have other named spans; give some with"):
        mean_ablation(text_model("gpt2"), prompts, reference=other, position="role")
