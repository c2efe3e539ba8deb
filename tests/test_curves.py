"""The picture of accuracy by length: `analyses/curves.py` draws each seed of each arm as it was measured."""

import json

import pandas as pd
import pytest

from analyses import curves
from headreuse.errors import HeadreuseError
from headreuse.study import Study, parse_study

RIGHT = {("joint", 0): [1.0, 0.9, 0.75], ("joint", 3): [1.0, 0.8, 0.5], ("alone", 0): [1.0, 0.25, 0.0]}
"""Main's accuracy at lengths 1 to 3 by group and seed, at the last step."""


@pytest.fixture
def folder(tmp_path):
    """What is kept of a study of two arms; before the last step nothing is right, and the auxiliary is always right."""
    main = {"task": "copy", "max_length": 1}
    joint = {"name": "joint", "main": main, "auxiliary": [{"task": "reverse", "max_length": 2}]}
    alone = {"name": "alone", "main": main, "auxiliary": [], "kind": "alone"}
    training = {"steps": 20, "checkpoints": {"every": 10}}
    study = parse_study({"name": "s", "seeds": [0, 3], "training": training, "groups": [joint, alone]}, "s.toml")
    keep(study, tmp_path)
    return tmp_path


def keep(study: Study, folder, *, last: int = 20) -> None:
    rows = [
        (group, seed, step, task, length, share if step == 20 and task == "copy" else float(task == "reverse"))
        for (group, seed), shares in RIGHT.items()
        for task in (("copy", "reverse") if group == "joint" else ("copy",))
        for step in (10, last)
        for length, share in enumerate(shares, start=1)
    ]
    accuracy = pd.DataFrame(rows, columns=["group", "seed", "step", "task", "length", "accuracy"])
    accuracy.to_csv(folder / "accuracy.csv", index=False)
    accuracy.to_csv(folder / "transfer.csv", index=False)
    (folder / "study.json").write_text(json.dumps({"study": study.model_dump(mode="json")}))


def test_each_seed_of_each_arm_is_a_line_at_its_last_step(folder):
    figure = curves.draw(curves.reaches([folder]))
    drawn = [(line.xaxis, line.name, list(line.x), list(line.y)) for line in figure.data]
    assert drawn == [
        ("x", "seed 0", [1, 2, 3], RIGHT["joint", 0]),
        ("x", "seed 3", [1, 2, 3], RIGHT["joint", 3]),
        ("x2", "seed 0", [1, 2, 3], RIGHT["alone", 0]),
    ]
    assert [line.showlegend for line in figure.data] == [True, True, False]
    titles = ["<b>joint</b><br>copy to 1<br>with reverse to 2", "<b>alone</b><br>copy to 1<br>alone"]
    assert [note.text for note in figure.layout.annotations] == titles
    assert [(shape.xref, shape.x0) for shape in figure.layout.shapes] == [("x", 1), ("x", 2), ("x2", 1)]


def test_a_study_that_is_not_done_has_nothing_to_draw(folder):
    study = parse_study(json.loads((folder / "study.json").read_text())["study"], "s.toml")
    keep(study, folder, last=15)
    with pytest.raises(HeadreuseError, match="no run has reached its last step"):
        curves.reaches([folder])
