"""What rule followers say on their own: loop tests, answers that are made up, a folder. Covers `analyses/rules.py`."""

import numpy as np
import pandas as pd
import pytest
from random_runs import measured_folder

from analyses import rules as script
from analyses.runs import Model
from headreuse.errors import HeadreuseError
from headreuse.prompts import PAD, Vocabulary
from headreuse.records import Role
from headreuse.study import parse_study
from headreuse.tables.make import make_tables
from headreuse.tasks import TASKS
from headreuse.tasks.rules import n_loops

STUDY = {
    "name": "flips",
    "model": {"n_layers": 1, "n_heads": 2, "d_model": 8},
    "training": {"steps": 1, "checkpoints": {"at": [1]}},
    "measures": {"n_examples": 4, "n_score_examples": 4, "beyond": 0, "functional_sets": 0},
    "groups": [
        {
            "name": "g",
            "main": {"task": "rule_coin_flip", "max_length": 3},
            "auxiliary": [{"task": "rule_length", "max_length": 4}],
        }
    ],
}


def made_up(_model, prompts, *, max_tokens):
    """Right answers in the first and last row; a loop test turned in the second, another result in the third."""
    is_answer = prompts.roles == Role.ANSWER
    answers = np.full((4, max_tokens), PAD)
    for row, said in enumerate(answers):
        right = prompts.tokens[row, is_answer[row]]
        said[: len(right)] = right
    vocabulary = Vocabulary.of([TASKS["rule_length"]()])
    plus, minus, other = (vocabulary.id(symbol) for symbol in "+-9")
    answers[1, np.flatnonzero(answers[1] == plus)[0]] = minus
    answers[2, is_answer[2].sum() - 2] = other  # before EOS
    return answers


def test_measures_of_answers_that_are_made_up_are_those_by_hand(monkeypatch):
    monkeypatch.setattr(script, "generate_answers", made_up)
    study = parse_study(STUDY, "flips")
    model = Model(study.groups[0], None, Vocabulary.of([TASKS["rule_length"]()]), "", 1)
    row = dict(zip(script.GENERATED[2:], script.generated_row(study, model, "rule_length", 3), strict=True))
    assert row == {"task": "rule_length", "role": "auxiliary", "length": 3, "n": 4} | {
        "accuracy": 0.5,
        "result_accuracy": 0.75,
        "loop_count_error": 0.25,
        "loop_count_difference": -0.25,
    }


def test_a_loop_test_is_scored_each_time_it_is_made_and_nothing_else_is():
    task, lengths = TASKS["rule_add_digits"](), np.array([1, 4, 5])
    vocabulary = Vocabulary.of([task])
    examples = task.generate(lengths, np.random.default_rng(0))
    prompts = vocabulary.encode(task, examples, lengths)
    found = script.at_loop_tests(prompts, vocabulary)
    for row, trace in enumerate(map(task.text, examples.answer)):
        scored = "".join(vocabulary.tokens[token] for token in prompts.tokens[row][found.scored[row]])
        assert scored.count("+") == n_loops(trace)
        assert len(scored) == trace.count("[while")


def test_the_longest_length_and_the_accuracy_at_the_longest_of_all_by_hand():
    place = {"group": "g", "seed": 0, "task": "rule_add", "role": "main"}
    table = pd.DataFrame([place | {"length": n, "accuracy": a} for n, a in enumerate((1.0, 0.95, 0.5, 0.9), start=1)])
    assert script.reach(table).to_dict("records") == [place | {"max_len": 2, "longest": 4, "accuracy_at_longest": 0.9}]


@pytest.mark.slow
def test_the_script_measures_the_models_of_a_run_folder(tmp_path):
    folder = measured_folder(tmp_path / "run", STUDY)
    tables = script.run(folder)
    kept = make_tables(folder)["accuracy"].set_index(["task", "length"])["accuracy"]
    found = tables["generated"].set_index(["task", "length"])["accuracy"]
    assert found.sort_index().to_dict() == kept.sort_index().to_dict()
    assert tables["loop_heads"]["scored"].tolist() == ["answer", "loop tests"]
    assert tables["loop_heads"]["cosine"].between(-1, 1).all()
    strings = STUDY | {"groups": [{"name": "g", "main": {"task": "copy", "max_length": 1}, "transfer_to": 1}]}
    with pytest.raises(HeadreuseError, match="g: copy is no rule; give a run folder of rules alone"):
        script.run(measured_folder(tmp_path / "other", strings))
