"""What removing the heads that look most at a symbol's occurrence costs: by a slow loop, and in a trained model."""

import numpy as np
import pytest
from random_runs import measured_folder

from analyses import removal
from headreuse.errors import HeadreuseError
from headreuse.interventions.head_sets import set_ablation
from headreuse.records import ATTENTION, Head
from headreuse.scores import induction
from headreuse.store.folder import RunFolder
from headreuse.study import parse_study
from headreuse.work.engines import run_here
from headreuse.work.progress import progress
from headreuse.work.schedule import work
from headreuse.work.shards import Shard

pytestmark = pytest.mark.slow
CHANCE = 1 / 4
"""Of the right neighbour of the only occurrence, which is none of the query itself."""
PAIR = {
    "name": "pair",
    "main": {"task": "retrieve_ur", "max_length": 4},
    "auxiliary": [{"task": "copy_nb", "max_length": 5}],
}
RANDOM = {
    "name": "random",
    "model": {"n_layers": 2, "n_heads": 3, "d_model": 12},
    "training": {"steps": 1, "checkpoints": {"at": [1]}},
    "measures": {"n_examples": 2, "n_score_examples": 12, "beyond": 0, "methods": ["induction"], "functional_sets": 2},
    "groups": [PAIR | {"heads": {"retrieve_ur": [0, 1, 2], "copy_nb": [0, 1]}}],
}
TRAINED = {
    "name": "trained",
    "seeds": [3],
    "model": {"n_layers": 2, "n_heads": 4, "d_model": 64, "d_mlp": 128},
    "training": {"steps": 700, "batch_size": 64, "checkpoints": {"at": [700]}},
    "measures": {"n_examples": 256, "n_score_examples": 256, "beyond": 0, "methods": ["induction"]},
    "groups": [{"name": "ur", "main": {"task": "retrieve_ur", "max_length": 16}}],
}


@pytest.fixture(scope="module")
def random_folder(tmp_path_factory) -> RunFolder:
    return measured_folder(tmp_path_factory.mktemp("random") / "run", RANDOM)


def test_a_row_is_what_ablating_the_top_heads_gives_beside_other_sets_of_their_layer(random_folder):
    table, study = removal.run(random_folder, 1, 3), random_folder.study
    assert tuple(table.columns) == removal.COLUMNS
    assert len(table) == 2 * 2 * 2 * 2 * len(removal.OUTCOMES), "sizes, kinds, sources, targets"
    table = table[table["n_heads"] == 1]
    model = removal.last_models(random_folder, study.groups[0])[0]
    prompts = model.prompts(study, "retrieve_ur", study.score_length(model.group), study.measures.n_score_examples)
    scores = induction(model.decoder, prompts).effect(ATTENTION)
    row = table.query("kind == 'induction' and source == target == 'retrieve_ur' and outcome == 'log_prob'").iloc[0]
    layer, head = np.unravel_index(scores.argmax(), scores.shape)
    assert (row["heads"], row["score"]) == (f"{layer}.{head}", pytest.approx(scores.max()))
    sets = [[Head(int(layer), index)] for index in [int(head), *(i for i in range(3) if i != head)]]
    found = set_ablation(model.decoder, prompts, sets)
    lost, *others = found.baseline["log_prob"].mean() - found.effect("log_prob")
    assert row["without"] == pytest.approx(lost)
    assert row[["n_sets", "without_others", "least", "most"]].tolist() == pytest.approx(
        [2, np.mean(others), min(others), max(others)]
    )


def test_heads_that_a_task_may_not_use_are_not_removed_for_it(random_folder):
    table = removal.run(random_folder, 4)
    of_copy = table[table["source"] == "copy_nb"]["heads"].unique()
    assert set(of_copy) == {"0.0 0.1 1.0 1.1"}
    assert table[table["source"] == "copy_nb"]["n_sets"].eq(0).all()


def test_no_heads_and_nothing_finished_are_refused_in_one_line(random_folder, tmp_path):
    with pytest.raises(HeadreuseError, match=r"^--heads 0: give at least 1$"):
        removal.run(random_folder, 0)
    empty = RunFolder.create(tmp_path / "empty", parse_study(TRAINED, "trained"), "test")
    with pytest.raises(HeadreuseError, match="no run is finished; go on with `headreuse run"):
        removal.run(empty, 1)


def test_without_its_induction_heads_a_trained_model_retrieves_at_chance_and_without_two_others_as_before(tmp_path):
    # Of four seeds this one has two such heads, as has seed 2; in the others three or four stand in for each other, so
    # that their layer has not as many others (analyses/results/systems/retrieval_heads).
    folder = RunFolder.create(tmp_path / "run", parse_study(TRAINED, "trained"), "test")
    assert work(folder, progress(folder), run_here, shard=Shard(1, 1), train=True, measure=False) == []
    row = removal.run(folder, 2).query("kind == 'induction' and outcome == 'exact_match'").iloc[0]
    assert row["untouched"] >= 0.99
    assert row["score"] > 0.8
    assert row["without"] == pytest.approx(CHANCE, abs=0.1)
    assert (row["n_sets"], row["least"]) == (1, pytest.approx(1, abs=0.02))
