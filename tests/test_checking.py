"""What can be known of a study before it is run: checkpoints, prompts, time, memory and disk.

Covers `work/checking/facts.py`, `work/checking/models.py`, `work/checking/costs.py`, `work/checking/gathering.py` and
`report/check_in_words.py`.
"""

import json
from dataclasses import replace

import pytest
from test_given import runs, saved, study_of
from test_tuned import done, pretraining
from test_tuned import study as tuned_study
from test_tuning import pretrained
from transformers import AutoConfig, AutoModelForCausalLM

from headreuse.measurements.base import units_of
from headreuse.prompts import encoder_of
from headreuse.records import Checkpoint
from headreuse.report.check_in_words import as_json, lines
from headreuse.training.batches import Batches
from headreuse.work.checking import check_of, costs, models
from headreuse.work.checking.facts import Facts, RunFacts
from headreuse.work.checking.gathering import lacking

assert runs, "a fixture of the series that are checked"
assert pretraining, "a fixture of what models are fine-tuned from"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(models, "SECONDS", 0.01)


def checked(folder, series: str, more: str = ""):
    return check_of(study_of(folder, series, more), folder / "out", n_workers=1, tell=lambda _words: None)


def test_a_study_in_whose_way_nothing_stands(quick, runs, tmp_path):
    facts = checked(tmp_path, f'"{runs}/run-seed{{seed}}"')
    assert facts.problems == ()
    shapes = [(run.run, run.steps, run.n_layers, run.n_heads) for run in facts.runs]
    assert shapes == [("3", (10,), 3, 4), ("7", (10,), 3, 4)]
    assert [run.n_positions for run in facts.runs] == [64, None]
    assert {(entry.n, entry.n_asked) for entry in facts.prompts} == {(8, 8)}
    assert (facts.n_checkpoints, facts.n_measurements, facts.n_to_train) == (2, 12, 0)
    assert 0 < facts.seconds < 600
    assert not (tmp_path / "out").exists()
    told = list(lines(facts))
    assert told[0].startswith("sums, run 3: 1 checkpoint, step 10; 3 layers × 4 heads, reads 64 tokens")
    assert told[-1] == "given: nothing stands in its way"
    assert json.loads(as_json(facts))["runs"][1]["steps"] == [10]


def test_what_would_fail_is_told_and_leaves_the_other_groups_alone(quick, tmp_path):
    saved(tmp_path / "short" / "checkpoint-1", "gpt2", 0)
    config = tmp_path / "short/checkpoint-1/config.json"
    config.write_text(config.read_text().replace('"n_positions": 64', '"n_positions": 4'))
    more = (
        '[[groups]]\nname = "gone"\nmain = { prompts = "sums.jsonl" }\nseries = { folder = "nowhere" }\n'
        '[[groups]]\nname = "short"\nmain = { prompts = "sums.jsonl" }\nseries = "short"\n'
    )
    saved(tmp_path / "good" / "checkpoint-1", "llama_gqa", 0)
    facts = checked(tmp_path, '"good"', more)
    assert [run.group for run in facts.runs] == ["sums"]
    assert len(facts.problems) == 2
    assert facts.problems[0].startswith("gone: ")
    assert "nowhere" in facts.problems[0]
    assert facts.problems[1].startswith("short short: none of its checkpoints can be used")
    assert [line for line in lines(facts) if line.startswith("problem: ")] == [f"problem: {p}" for p in facts.problems]


def test_too_little_room_is_told_with_what_fits():
    room = {"memory_needed": 8 * 10**9, "memory_free": 10**12, "disk_needed": 0, "disk_free": 1}
    facts = Facts("s", (), (), (), 0, 2, 2, 1.0, 4, **room)
    assert list(lacking(facts)) == []
    (told,) = lacking(replace(facts, memory_free=5 * 10**9))
    assert told == "memory: 4 workers need 8.0 GB and 5.0 GB are free; give --workers 2"
    (told,) = lacking(replace(facts, memory_free=10**9))
    assert told.endswith("use a larger machine, or bf16 = true")
    (told,) = lacking(replace(facts, disk_needed=3 * 10**9))
    assert told == "disk: 3.0 GB are needed and 0.0 GB free; set keep, or give --out elsewhere"


def test_scores_take_a_pass_for_each_head_of_the_model_that_is_there(tmp_path):
    study = study_of(tmp_path, '"x"')
    of_run = RunFacts("sums", "x", (1,), (), 32, 15, None, 1, True, 1.0)
    (group,), checkpoint = study.groups, Checkpoint(tmp_path, 1, "f" * 64)
    found = {
        unit.kind: costs.passes(study, group, unit, of_run)
        for unit in units_of(study, group, checkpoint, is_last=False)
    }
    assert found == {"evaluation": 1.0, "pattern": 1.0, "head_scores": pytest.approx(costs.WORKED_AGAIN * 480)}
    assert costs.worker_bytes([replace(of_run, n_bytes=10**9)], study) == costs.WORKER_BYTES + 2 * 10**9


def test_of_a_series_on_a_hub_no_weights_are_downloaded(quick, hub_server, tmp_path):
    for step in (10, 20):
        saved(tmp_path / "model" / str(step), "llama_gqa", step)
        hub_server.add("lab/tiny", f"step{step}", tmp_path / "model" / str(step))
    facts = checked(tmp_path, '"lab/tiny"')
    assert facts.problems == ()
    (run,) = facts.runs
    assert (run.run, run.steps, run.is_here) == ("tiny", (10, 20), False)
    assert facts.disk_needed > 2 * run.n_bytes
    assert not list((tmp_path / "hf").rglob("model.safetensors"))


def test_a_series_of_two_groups_is_downloaded_once(quick, hub_server, tmp_path):
    saved(tmp_path / "out" / "checkpoint-10", "llama_gqa", 10)
    hub_server.add("lab/tiny", "step10", tmp_path / "out" / "checkpoint-10")

    def of_both(series: str) -> Facts:
        again = f'[[groups]]\nname = "again"\nmain = {{ prompts = "sums.jsonl" }}\nseries = {series}\n'
        return checked(tmp_path, series, again)

    there, here = of_both('"lab/tiny"'), of_both('"out"')
    assert [run.group for run in there.runs] == ["sums", "again"]
    assert there.disk_needed - here.disk_needed == there.runs[0].n_bytes


def test_fine_tuning_is_looked_at_once_for_all_seeds_and_counted_for_each(quick, pretraining, tmp_path):
    asked = tuned_study(pretraining, seeds=(0, 1))
    facts = check_of(asked, tmp_path / "out", n_workers=2, tell=lambda _words: None)
    assert facts.problems == ()
    (start,) = facts.runs
    assert (start.run, start.steps, start.is_start) == ("out", (10, 20), True)
    assert {entry.task for entry in facts.prompts} == {"copy", "reverse"}
    assert (facts.n_to_train, facts.n_checkpoints) == (4, 4)
    folder, failed = done(tmp_path / "run", asked, measure=True)
    assert failed == []
    assert facts.n_measurements == len(list(folder.root.rglob("*.parquet")))
    weights = [file.stat().st_size for file in folder.root.rglob("model.safetensors")]
    assert 0.5 * start.n_bytes < weights[0] < 1.5 * start.n_bytes
    assert sum(weights) / 2 < facts.disk_needed
    assert facts.memory_needed == 2 * (costs.WORKER_BYTES + 4 * start.n_bytes)
    assert next(lines(facts)).startswith("g, fine-tuned from out: 2 checkpoints, steps 10 to 20; 1 layer × 2 heads, ")


def test_the_tokens_of_a_fine_tuning_are_about_those_of_its_batches(pretraining):
    asked = tuned_study(pretraining, training={"steps": 60, "batch_size": 8})
    (group,), encoder = asked.groups, replace(encoder_of(pretraining / "checkpoint-10"), ends=True)
    batches = Batches(asked, group, encoder, 0, tuning_seed=5)
    n_tokens = sum(batch["input_ids"].numel() for batch in batches)
    assert costs.tokens_trained(asked, group, encoder) == pytest.approx(3 * n_tokens, rel=0.25)
    assert n_tokens > 60 * 8


def test_more_steps_of_fine_tuning_take_longer(quick, pretraining, tmp_path, monkeypatch):
    monkeypatch.setattr(models.Sample, "seconds_a_token", lambda *_: 1.0)

    def seconds(steps: int) -> float:
        asked = tuned_study(pretraining, training={"steps": steps, "batch_size": 4})
        return check_of(asked, tmp_path / "out", n_workers=1, tell=lambda _words: None).seconds

    one, two, three = seconds(2), seconds(4), seconds(6)
    assert two - one == pytest.approx(three - two)
    # Two models of two more steps of four examples, each token three times.
    assert two - one > 2 * 2 * 4 * 3


def test_the_models_of_one_run_are_fine_tuned_one_after_the_other(quick, pretraining, tmp_path, monkeypatch):
    monkeypatch.setattr(models.Sample, "seconds_a_token", lambda *_: 1.0)

    def share(*seeds: int) -> float:
        """Of the time that one worker takes, with two."""
        asked = tuned_study(pretraining, seeds=seeds, training={"steps": 5000, "batch_size": 4})
        one, two = (check_of(asked, tmp_path / "out", n_workers=n, tell=lambda _words: None).seconds for n in (1, 2))
        return two / one

    assert share(0) == pytest.approx(1, abs=0.05)
    assert share(0, 1) == pytest.approx(0.5, abs=0.05)


def test_a_pretraining_that_cannot_read_the_prompts_is_told(quick, tmp_path):
    folder = tmp_path / "out" / "checkpoint-10"
    pretrained(folder, "gpt2")
    short = AutoConfig.from_pretrained(folder, n_positions=4)
    AutoModelForCausalLM.from_config(short).save_pretrained(folder)
    facts = check_of(tuned_study(tmp_path / "out"), tmp_path / "run", n_workers=1, tell=lambda _words: None)
    assert facts.n_to_train == 1
    assert len(facts.problems) == 2
    assert all("4 positions" in problem and problem.startswith("g out: ") for problem in facts.problems)


def test_a_pretraining_is_downloaded_once_and_each_model_kept_as_it_is_asked_for(
    quick, pretraining, hub_server, tmp_path
):
    for step in (10, 20):
        hub_server.add("lab/tiny", f"step{step}", pretraining / f"checkpoint-{step}")

    def checked_from(**start) -> Facts:
        asked = tuned_study(pretraining, seeds=(0, 1), start=start)
        return check_of(asked, tmp_path / "out", n_workers=1, tell=lambda _words: None)

    here = checked_from(folder=[str(pretraining)])
    (start,) = here.runs
    half = checked_from(folder=[str(pretraining)], bf16=True)
    assert here.disk_needed - half.disk_needed == 4 * start.n_bytes / 2
    there = checked_from(hub=["lab/tiny"])
    assert there.disk_needed - here.disk_needed == 2 * start.n_bytes


def test_low_rank_changes_need_less_memory_than_training_all_weights(pretraining):
    start = RunFacts("g", "out", (1,), (), 2, 2, None, 10**9, True, 1.0, is_start=True)
    whole, low = tuned_study(pretraining), tuned_study(pretraining, training={"steps": 2, "lora": {"rank": 2}})
    assert costs.worker_bytes([start], whole) == costs.WORKER_BYTES + 4 * 10**9
    assert costs.worker_bytes([start], low) == costs.WORKER_BYTES + 2 * 10**9
