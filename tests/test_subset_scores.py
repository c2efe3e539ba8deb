"""Are values over subsets of heads what brute force gives, and do drawn subsets say how far off they are?

Covers `scores/_subsets.py`, `scores/_coalitions.py`, `scores/_synergy.py`, `scores/banzhaf.py` and
`scores/shapley.py`.
"""

from functools import partial
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from decoders import SIZE, answered_prompts, bridge_of, slow_outcomes
from transformers import LlamaConfig, LlamaForCausalLM

from headreuse.errors import HeadreuseError
from headreuse.scores import _coalitions as coalitions
from headreuse.scores import banzhaf, shapley, synergy
from headreuse.scores._subsets import (
    Regression,
    all_subsets,
    banzhaf_weights,
    drawn_by_size,
    drawn_evenly,
    shapley_weights,
)
from headreuse.scores._synergy import _drawn as of_drawn_pairs
from headreuse.scores._synergy import _exact as of_all_pairs

N_LAYERS, N_HEADS = 2, 3
N = N_LAYERS * N_HEADS


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": N_LAYERS, "num_attention_heads": N_HEADS}
    model = LlamaForCausalLM(LlamaConfig(**SIZE | sizes)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.3) if weight.ndim > 1 else weight.fill_(1.0)
    return model


@pytest.fixture(scope="module")
def prompts(model):
    return answered_prompts(model, np.random.default_rng(0), n_prompts=6)


@pytest.fixture(scope="module")
def table(model, prompts, tmp_path_factory):
    """Outcomes by TransformerLens of every prompt with each subset of heads writing its mean: by outcome and subset."""
    bridge = bridge_of(model, str(tmp_path_factory.mktemp("bridge")))
    tokens = torch.as_tensor(prompts.tokens)
    found = {}
    with torch.no_grad():
        _, seen = bridge.run_with_cache(tokens, prepend_bos=False)
        means = [seen["z", layer].mean(0, keepdim=True) for layer in range(N_LAYERS)]
        for subset in all_subsets(N):

            def ablate(z, hook, subset=subset):
                z = z.clone()
                for head in np.flatnonzero(subset.reshape(N_LAYERS, N_HEADS)[hook.layer()]):
                    z[:, :, head] = means[hook.layer()][:, :, head]
                return z

            hooks = [(f"blocks.{layer}.attn.hook_z", ablate) for layer in range(N_LAYERS)]
            logits = bridge.run_with_hooks(tokens, prepend_bos=False, fwd_hooks=hooks)
            found[frozenset(np.flatnonzero(subset))] = slow_outcomes(logits, prompts)
    return {name: {subset: values[name] for subset, values in found.items()} for name in ("exact_match", "log_prob")}


def slow_banzhaf(outcome_of, q):
    """By its definition, one head and one subset of the others at a time."""
    found = []
    for head in range(N):
        total = 0.0
        for subset in outcome_of:
            if head not in subset:
                chance = q ** len(subset) * (1 - q) ** (N - 1 - len(subset))
                total = total + chance * (outcome_of[subset] - outcome_of[subset | {head}])
        found.append(total)
    return np.reshape(found, (N_LAYERS, N_HEADS, -1))


def slow_shapley(outcome_of):
    """The mean over all 720 orders of what each head's turn costs."""
    orders = list(permutations(range(N)))
    total = np.zeros((N, len(outcome_of[frozenset()])))
    for order in orders:
        for place, head in enumerate(order):
            before = frozenset(order[:place])
            total[head] += outcome_of[before] - outcome_of[before | {head}]
    return (total / len(orders)).reshape(N_LAYERS, N_HEADS, -1)


@pytest.mark.parametrize("q", [0.5, 0.2])
def test_banzhaf_values_are_what_brute_force_with_transformer_lens_gives(q, model, prompts, table):
    scores = banzhaf(model, prompts, q=q)
    for outcome, outcome_of in table.items():
        np.testing.assert_allclose(scores.effects[outcome], slow_banzhaf(outcome_of, q), atol=1e-5)
    assert scores.errors is None
    assert np.ptp(scores.effect("exact_match")) > 0.05


def test_shapley_values_are_what_brute_force_gives_and_add_up_to_the_whole(model, prompts, table):
    scores = shapley(model, prompts)
    for outcome, outcome_of in table.items():
        np.testing.assert_allclose(scores.effects[outcome], slow_shapley(outcome_of), atol=1e-5)
        whole = outcome_of[frozenset()] - outcome_of[frozenset(range(N))]
        np.testing.assert_allclose(scores.effects[outcome].sum((0, 1)), whole, atol=2e-5)
    by_drawing = shapley(model, prompts, n_subsets=40)
    for outcome in scores.effects:
        sums = [found.effects[outcome].sum((0, 1)) for found in (scores, by_drawing)]
        np.testing.assert_allclose(*sums, atol=1e-6)


@pytest.mark.parametrize("q", [0.5, 0.2])
def test_synergy_is_what_brute_force_gives(q, model, prompts, table):
    scores = synergy(model, prompts, q=q)
    assert [str(head) for head in scores.heads] == ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]
    for outcome, outcome_of in table.items():
        assert np.isnan(np.diag(scores.values[outcome])).all()
        for a, b in combinations(range(N), 2):
            total = 0.0
            for others in (subset for subset in outcome_of if not subset & {a, b}):
                lost = [outcome_of[others] - outcome_of[others | more] for more in ({a, b}, {a}, {b})]
                total = total + q ** len(others) * (1 - q) ** (N - 2 - len(others)) * (lost[0] - lost[1] - lost[2])
            for places in ((a, b), (b, a)):
                assert scores.values[outcome][places] == pytest.approx(total.mean(), abs=1e-5)
                error = total.std(ddof=1) / np.sqrt(len(total))
                assert scores.errors[outcome][places] == pytest.approx(error, abs=1e-5)


@pytest.mark.parametrize(("name", "settings"), [("banzhaf", {"q": 0.5}), ("banzhaf", {"q": 0.3}), ("shapley", {})])
def test_drawn_subsets_give_the_values_within_their_standard_errors(name, settings, model, prompts, generator):
    score = {"banzhaf": banzhaf, "shapley": shapley}[name]
    exact, drawn = score(model, prompts, **settings), score(model, prompts, n_subsets=40, seed=1, **settings)
    assert drawn.errors is not None
    assert drawn.errors["log_prob"].shape == (N_LAYERS, N_HEADS)
    distance = np.abs(drawn.effect("log_prob") - exact.effect("log_prob"))
    assert 0 < distance.max() < 3 * drawn.errors["log_prob"].max()
    again = score(model, prompts[:2], n_subsets=40, seed=1, **settings)
    np.testing.assert_allclose(again.effects["exact_match"].shape, (N_LAYERS, N_HEADS, 2))


def test_values_of_a_small_game_are_those_of_shapiq():
    """shapiq 1.4.1's `ExactComputer` gave these; its players are present where heads are not ablated."""
    outcome = np.array([9, 7, 8, 3, 6, 5, 2, 1, 8, 4, 7, 0, 3, 3, 1, 0], dtype=float)
    np.testing.assert_allclose(shapley_weights(4) @ outcome, [19 / 12, 31 / 12, 31 / 12, 27 / 12])
    np.testing.assert_allclose(banzhaf_weights(4, 0.5) @ outcome, [1.875, 3.125, 2.875, 2.625])
    found, _ = of_all_pairs(all_subsets(4), -np.stack([outcome, outcome], axis=1), 0.5)
    # Its interaction index is of presence: what two heads add beyond each, so backups are negative there.
    np.testing.assert_allclose(-found[np.triu_indices(4, 1)], [0.25, 0.75, -0.75, -0.75, 3.75, -1.75], atol=1e-12)


def made_up_game(generator, n=8):
    """Outcomes of all subsets: single heads, pairs that work together, and something of every subset's own."""
    ablated = all_subsets(n).astype(float)
    pairs = generator.normal(size=(n, n)) * (generator.random((n, n)) < 0.3)
    of_pairs = np.einsum("sa,sb,ab->s", ablated, ablated, pairs)
    return -ablated @ generator.normal(size=n) + of_pairs + 0.3 * generator.normal(size=len(ablated))


@pytest.mark.parametrize("value", ["banzhaf 0.5", "banzhaf 0.3", "shapley"])
def test_standard_errors_cover_the_exact_values_as_often_as_they_should(value):
    n, inside = 8, []
    place = 2 ** np.arange(n)[::-1]
    for trial in range(150):
        generator = np.random.default_rng(trial)
        outcome = made_up_game(generator)
        if value == "shapley":
            exact, ablated = shapley_weights(n) @ outcome, drawn_by_size(30, n, generator)
            regression, whole = Regression.adding_to_zero(ablated), outcome[0] - outcome[-1]
            lost = outcome[0] - outcome[ablated @ place] - ablated.mean(1) * whole
            found = whole / n + regression.effects(lost[:, None])[:, 0]
        else:
            q = float(value.split()[1])
            exact, ablated = banzhaf_weights(n, q) @ outcome, drawn_evenly(30, n, q, generator)
            regression, lost = Regression.free(ablated, q), -outcome[ablated @ place]
            found = regression.effects(lost[:, None])[:, 0]
        inside.append(np.abs(found - exact) <= 1.96 * regression.errors(lost))
    # 1,200 heads, not all independent: 95 % and a little more, since leaving pairs out is on the safe side.
    assert 0.93 <= np.mean(inside) <= 0.985


@pytest.mark.parametrize("q", [0.5, 0.3])
def test_drawn_synergy_covers_the_exact_one(q):
    n, inside = 7, []
    for trial in range(100):
        generator = np.random.default_rng(trial)
        outcome = made_up_game(generator, n)
        # Two equal prompts, so that all of the error comes from drawing.
        lost = np.stack([-outcome, -outcome], axis=1)
        exact, _ = of_all_pairs(all_subsets(n), lost, q)
        ablated = drawn_evenly(40, n, q, generator)
        found, errors = of_drawn_pairs(ablated, lost[ablated @ 2 ** np.arange(n)[::-1]], q)
        upper = np.triu_indices(n, 1)
        inside.append(np.abs(found - exact)[upper] <= 1.96 * errors[upper])
    assert 0.92 <= np.mean(inside) <= 0.98


def test_standard_errors_are_what_fitting_again_without_each_pair_gives(generator):
    ablated, lost = drawn_evenly(12, 4, 0.4, generator), generator.normal(size=24)
    kept = [np.delete(np.arange(24), [2 * pair, 2 * pair + 1]) for pair in range(12)]
    fits = np.array([Regression.free(ablated[rows], 0.4).effects(lost[rows, None])[:, 0] for rows in kept])
    expected = np.sqrt(11 / 12 * np.square(fits - fits.mean(0)).sum(0))
    np.testing.assert_allclose(Regression.free(ablated, 0.4).errors(lost), expected)


def test_at_a_half_pairs_that_work_together_cost_single_heads_no_precision(generator):
    ablated = drawn_evenly(10, 6, 0.5, generator)
    np.testing.assert_array_equal(ablated[::2], ~ablated[1::2])
    together = (ablated[:, 0] & ablated[:, 1]).astype(float) + 2 * ablated[:, 2]
    effects = Regression.free(ablated, 0.5).effects(together[:, None])[:, 0]
    np.testing.assert_allclose(effects, [0.5, 0.5, 2, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("rows", "fit"),
    [
        # Only the third pair knows the second head from the third.
        (["100", "011", "100", "011", "010", "101"], Regression.adding_to_zero),
        # Without the first pair the first two heads are always ablated together.
        (["100", "011", "110", "001", "111", "000", "110", "001"], partial(Regression.free, q=0.5)),
    ],
)
def test_subsets_that_tell_heads_apart_by_one_pair_are_refused_as_they_give_no_standard_error(rows, fit):
    ablated = np.array([[mark == "1" for mark in row] for row in rows])
    with pytest.raises(HeadreuseError, match="3 heads apart by one pair of subsets alone"):
        fit(ablated)
    assert fit(np.concatenate([ablated, ablated])).errors(np.ones(2 * len(rows))).shape == (3,)


def test_subsets_are_drawn_with_the_frequencies_that_they_should_have(generator):
    assert drawn_evenly(4000, 5, 0.2, generator).mean(axis=0) == pytest.approx([0.2] * 5, abs=0.02)
    sizes = np.bincount(drawn_by_size(4000, 4, generator).sum(axis=1), minlength=5) / 8000
    # 1 / (k (4 − k)): a third, a quarter and a third, over their sum
    assert sizes == pytest.approx([0, 4 / 11, 3 / 11, 4 / 11, 0], abs=0.02)


def test_drawing_goes_on_until_the_standard_error_is_small(model, prompts, monkeypatch):
    drawn = []

    def counting(subject, subsets, replacement, ablated=coalitions._ablated):
        drawn.append(subsets)
        return ablated(subject, subsets, replacement)

    monkeypatch.setattr(coalitions, "_ablated", counting)
    first = banzhaf(model, prompts, n_subsets=20)
    target = 0.6 * float(first.errors["log_prob"].max())
    scores = banzhaf(model, prompts, n_subsets=20, until_error=target)
    assert scores.errors["log_prob"].max() <= target
    np.testing.assert_array_equal(drawn[3], drawn[1])
    later = np.concatenate(drawn[3:])
    assert len(later) > 20
    np.testing.assert_array_equal(later, coalitions_of(0, len(later)))
    monkeypatch.setattr(coalitions, "MOST_DRAWN", 30)
    with pytest.warns(UserWarning, match="after 30 subsets the largest standard error is"):
        shapley(model, prompts, n_subsets=24, until_error=1e-9)


def coalitions_of(seed, n_subsets):
    return drawn_evenly(n_subsets // 2, N, 0.5, np.random.default_rng([seed, N_LAYERS, N]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"q": 1.0}, r"q=1\.0 is no share of ablated heads"),
        ({"n_subsets": 10}, "n_subsets=10 cannot tell 6 heads apart; give at least 16"),
        ({"outcome": "log_prop"}, r"unknown outcome 'log_prop' \(did you mean 'log_prob'\?\)"),
        ({"until_error": 0.0}, "until_error=0.0 is never reached"),
        ({"q": 0.01, "n_subsets": 16}, "16 drawn subsets do not tell the 6 heads apart"),
    ],
)
def test_settings_that_cannot_be_are_told(settings, message, model, prompts):
    with pytest.raises(HeadreuseError, match=message):
        banzhaf(model, prompts, **settings)
