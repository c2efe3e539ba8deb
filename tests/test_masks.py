"""Tasks that are confined to some heads: how a study says it, and that it holds in training and in what is measured.

Covers `study/masking.py` and `models/masks.py`.
"""

import numpy as np
import pytest
import torch

from headreuse.errors import HeadreuseError
from headreuse.interventions.ablate import ablate
from headreuse.interventions.replacements import replacement_for
from headreuse.interventions.subject import prepare
from headreuse.models.anatomy import anatomy_of
from headreuse.models.architectures import build_model
from headreuse.models.checkpoints import load_bridge
from headreuse.models.masks import TrainingMask, masked
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import Vocabulary, make_prompts
from headreuse.records import Head
from headreuse.study import ModelSpec, StudyError, parse_study
from headreuse.tasks import TASKS

ENTRY = {
    "name": "copy",
    "main": {"task": "copy", "max_length": 3},
    "auxiliary": [{"task": "reverse", "max_length": 4}, {"task": "capitalize", "max_length": 4}],
}


def groups_of(*groups: dict, **study):
    return {group.name: group for group in parse_study({"name": "s", "groups": list(groups)} | study, "file").groups}


def heads_by_name(**entry):
    return {name: group.heads for name, group in groups_of(ENTRY | entry).items()}


def test_words_and_shares_give_each_task_half_of_the_heads():
    assert heads_by_name(heads=["all", "shared", "half", "disjoint"]) == {
        "copy": (),
        "copy-shared": ((0, 1), (0, 1), (0, 1)),
        "copy-half": ((0, 1), (1, 2), (1, 2)),
        "copy-disjoint": ((0, 1), (2, 3), (2, 3)),
    }
    assert heads_by_name(overlap=[0, 0.33, 1], model={"n_heads": 6, "d_model": 60}) == {
        "copy-overlap0": ((0, 1, 2), (3, 4, 5), (3, 4, 5)),
        "copy-overlap33": ((0, 1, 2), (2, 3, 4), (2, 3, 4)),
        "copy-overlap100": ((0, 1, 2), (0, 1, 2), (0, 1, 2)),
    }
    assert heads_by_name(heads="disjoint") == {"copy": ((0, 1), (2, 3), (2, 3))}


@pytest.mark.parametrize("position", ["rope", "nope"])
def test_a_masked_model_is_one_whose_other_heads_write_nothing(position):
    model = model_of(position)
    before = [weight.clone() for weight in model.parameters()]
    tokens = torch.randint(3, 20, (3, 7), generator=torch.Generator().manual_seed(0))

    def without_others(_module, inputs):
        z = inputs[0].unflatten(-1, (4, -1)).clone()
        z[:, :, [0, 3]] = 0
        return (z.flatten(-2),)

    handles = [block.out_proj.register_forward_pre_hook(without_others) for block in anatomy_of(model).blocks]
    expected = model(tokens).logits
    for handle in handles:
        handle.remove()

    def masked_and_stopped():
        with masked(model, (1, 2)):
            assert torch.equal(model(tokens).logits, expected)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        masked_and_stopped()
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    with TrainingMask(model).only((1, 2)):
        assert torch.equal(model(tokens).logits, expected)
    assert not torch.allclose(model(tokens).logits, expected)


def model_of(position: str = "rope"):
    return build_model(
        ModelSpec(n_layers=2, n_heads=4, d_model=32, position=position), vocab_size=20, max_positions=64, seed=0
    ).eval()


def test_a_table_names_the_heads_of_each_task_and_arms_keep_their_part():
    table = {"main": [0], "capitalize": [2, 3], "reverse": [1]}
    assert heads_by_name(heads=table, arms=["joint", "each", "alone"]) == {
        "copy": ((0,), (1,), (2, 3)),
        "copy-reverse": ((0,), (1,)),
        "copy-capitalize": ((0,), (2, 3)),
        "copy-alone": ((0,),),
    }


def test_a_task_trained_alone_keeps_its_half_and_is_there_once():
    assert heads_by_name(heads=["all", "shared", "half", "disjoint"], arms=["alone"]) == {
        "copy-alone": (),
        "copy-alone-masked": ((0, 1),),
    }


def test_all_arms_are_twins_and_a_study_survives_its_record():
    made = parse_study(
        {"name": "s", "groups": [ENTRY | {"heads": ["all", "half"], "arms": ["joint", "alone"]}]}, "file"
    )
    assert {group.twins for group in made.groups} == {"copy"}
    assert parse_study(made.model_dump(mode="json"), "again") == made
    half = made.group("copy-half")
    assert [half.heads_of(task) for task in half.task_names] == [(0, 1), (1, 2), (1, 2)]
    assert made.group("copy").heads_of("copy") is None


@pytest.mark.parametrize(
    ("entry", "lines"),
    [
        ({"heads": "halv"}, ["heads: \"halv\" says no heads (did you mean 'half'?); give one of all, shared"]),
        ({"heads": ["half", "half"]}, ['heads: "half" is listed twice; list it once']),
        ({"heads": ["half", 1]}, ['heads: ["half", 1] is not a list of all, shared, half, disjoint']),
        ({"overlap": True}, ["overlap: true is no share; give a number from 0 to 1"]),
        ({"overlap": [0.5, 2]}, ["overlap: [0.5, 2] is not a list of numbers from 0 to 1"]),
        ({"heads": "half", "overlap": 1}, ["overlap: it says what heads says already; give one of the two"]),
        ({"heads": "half", "model": {"n_heads": 3, "d_model": 60}}, ["heads: each task would have half of a layer's"]),
        ({"heads": "half", "model": {"n_heads": 1}}, ["heads: each task would have half of a layer's heads, of which"]),
        ({"heads": "half", "model": {"n_heads": 6, "d_model": 60}}, ["heads: 0.5 of main's 3 heads is no whole"]),
        ({"heads": "half", "start": {"hub": "a/b"}}, ["heads: it is for models that are trained from scratch; leave"]),
        (
            {"heads": {"main": [0, 9], "revers": [1], "capitalize": []}},
            [
                "heads.main: there is no head 9; a layer has 4, from 0 to 3",
                "heads.revers: no task of this group (did you mean 'reverse'?); choose from: main, reverse, capitalize",
                "heads.capitalize: [] names no heads; give a list such as [0, 1]",
                "heads.reverse: missing; name the heads of every task of the group",
            ],
        ),
        (
            {"heads": {"main": [0], "copy": [1], "reverse": [2, 2], "capitalize": [True]}},
            [
                "heads.reverse: [2, 2] names a head twice; name it once",
                "heads.capitalize: [true] names no heads; give a list such as [0, 1]",
                "heads.copy: it is main, whose heads are given already; give them once",
            ],
        ),
    ],
)
def test_mistakes_are_told_all_at_once_with_what_is_right(entry, lines):
    with pytest.raises(StudyError) as told:
        groups_of(ENTRY | {"arms": ["joint"]} | entry)
    found = told.value.problems
    assert len(found) == len(lines)
    for line, expected in zip(found, lines, strict=True):
        assert line.startswith(f"groups[0].{expected}")


def test_a_head_that_is_not_there_is_refused():
    told = "there is no head 4: a layer of the model has 4 heads"
    with pytest.raises(HeadreuseError, match=told), masked(model_of(), (0, 4)):
        pass


@pytest.mark.parametrize("position", ["rope", "nope"])
def test_a_transformer_lens_bridge_is_masked_with_its_model(position, tmp_path):
    """As hooks of its own would, which set the other heads' z to 0."""
    model_of(position).save_pretrained(tmp_path)
    build_tokenizer(Vocabulary.of([TASKS["copy"](alphabet_size=16)])).save_pretrained(tmp_path)
    bridge = load_bridge(tmp_path)
    tokens = torch.randint(3, 20, (3, 7), generator=torch.Generator().manual_seed(0))

    def without_others(z, hook):
        z = z.clone()
        z[:, :, [0, 3]] = 0
        return z

    hooks = [(f"blocks.{layer}.attn.hook_z", without_others) for layer in (0, 1)]
    expected = bridge.run_with_hooks(tokens, fwd_hooks=hooks)
    untouched = bridge(tokens)
    with masked(bridge, (1, 2)):
        torch.testing.assert_close(bridge(tokens), expected, rtol=0, atol=1e-6)
    assert torch.equal(bridge(tokens), untouched)
    assert not torch.allclose(untouched, expected, atol=1e-3)


def test_heads_that_write_nothing_are_left_out_of_what_is_ablated():
    model, asked = model_of(), []
    prompts = make_prompts(
        TASKS["copy"](alphabet_size=3),
        np.full(4, 3),
        np.random.default_rng(0),
        Vocabulary.of([TASKS["copy"](alphabet_size=3)]),
    )

    def way(_subject, _run, sets, _z):
        asked.extend(sets)
        return iter(())

    sets = [frozenset({Head(0, 1), Head(1, 0)}), frozenset({Head(0, 3)})]
    with masked(model, (1, 2)):
        subject = prepare(model, prompts)
        ablate(subject, sets, replacement_for(subject, "zero", "each"), way)
    assert asked == [{Head(0, 1)}, set()]
