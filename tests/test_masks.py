"""Tasks that are confined to some heads: how a study says it, and that it holds in training and in what is measured.

Covers `study/masking.py` and `models/masks.py`.
"""

import pytest
import torch

from headreuse.models.anatomy import anatomy_of
from headreuse.models.architectures import build_model
from headreuse.models.masks import TrainingMask, masked
from headreuse.study import ModelSpec, parse_study

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
