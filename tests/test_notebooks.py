"""The notebooks run from top to bottom and show what they say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def run_cells(path: Path) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), namespace)
    return namespace


@pytest.mark.slow
def test_the_tour_trains_a_model_that_shares_heads_between_its_tasks():
    shown = run_cells(NOTEBOOKS / "tour.ipynb")
    assert min(shown["accuracy"].values()) > 0.9
    assert shown["scores"]["copy"].effect("log_prob").max() > 0.1
    table = shown["table"].set_index(["outcome", "metric"])
    cosine = table.loc[("log_prob", "cosine")]
    assert cosine["value"] > 0.5
    # Where one head does all the work of both tasks, the value is 1 and has no interval.
    assert np.isfinite(cosine[["ci_low", "ci_high"]].astype(float)).all() or cosine["value"] > 0.999
