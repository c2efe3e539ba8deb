"""The report of given checkpoints: what is said and shown without training, lengths, gap or several seeds.

Covers `report/asked.py`, `report/likeness.py`, `report/pairs.py`, `report/words.py`, `report/sections.py` and
`figures/steps.py`.
"""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from command_line import headreuse
from invented import report_inputs, small_study
from invented_series import MAIN, OTHER, STEPS, given_inputs, given_study, learned

from headreuse import figures
from headreuse.figures.views import choices_of
from headreuse.report import ReportInputs, correlation_page, markdown, render
from headreuse.report import power as powers
from headreuse.report.answer import answer
from headreuse.report.asked import asked, named_runs
from headreuse.report.caveats import caveats
from headreuse.report.exhibits import MAX_SLIDER_ROWS, on_slider
from headreuse.report.sections import sections_of
from headreuse.report.tables import table
from headreuse.report.verdicts import HEADLINES, SHORT
from headreuse.report.words import in_runs, words_of

THREE = ("run-a", "run-b", "run-c")


@pytest.fixture(autouse=True, scope="module")
def _few_simulations():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(powers, "N_SIMULATIONS", 2)
        yield
    powers.findable.cache_clear()


@pytest.fixture(scope="module")
def alone() -> ReportInputs:
    return given_inputs()


@pytest.fixture(scope="module")
def one() -> ReportInputs:
    return given_inputs(transfer=True, outcomes=("log_prob",))


def said(inputs: ReportInputs) -> str:
    return " ".join([*asked(inputs), *answer(inputs), *caveats(inputs)]).replace("\N{NO-BREAK SPACE}", " ")


# What is said


def test_the_first_lines_say_what_was_measured(alone):
    assert asked(alone) == [
        "Do two tasks use the same attention heads of a model, and how does that change in training? A checkpoint is a "
        "saved state of a model in training. The checkpoints of one model are a run; they were made elsewhere and are "
        "measured here.",
        "Group pythia: the prompts indirect_object with coloured_objects, at 10 checkpoints of pythia-160m (steps 0 to "
        "143,000).",
    ]


def test_without_transfer_the_answer_is_how_alike_the_heads_are_with_the_numbers_of_the_tables(alone):
    rows = alone.overlap[alone.overlap["outcome"] == "log_prob"].set_index("step")["value"]
    first, last, most = (f"{rows[step]:.2f}" for step in (512, 143000, rows.idxmax()))
    low, high = rows[143000] - 0.1, rows[143000] + 0.1
    assert [line.replace("\N{NO-BREAK SPACE}", " ") for line in answer(alone)] == [
        "At the last usable checkpoint of pythia-160m (step 143,000), indirect_object and coloured_objects need the "
        "same heads more than chance would have it; of the 3 heads that each needs most they share 1.2 and 2.0.",
        f"In numbers: the cosine of their head maps (effects on log prob) is {last} (95 % interval over prompts "
        f"{low:.2f} to {high:.2f}); 0.12 would be chance and 0.95 is as much as sampling noise allows.",
        f"Over the 6 usable checkpoints (steps 512 to 143,000) it goes from {first} to {last}; the tasks were most "
        f"alike at step {rows.idxmax():,} ({most}).",
        f"At 4 of 10 checkpoints it cannot be used. Why at the last of them, step 64: {MAIN} has accuracy "
        f"{learned(64):.2f}, below 0.1.",
    ]


def test_what_is_not_beyond_chance_is_not_said_to_be():
    inputs = given_inputs()
    inputs.overlap["p_chance"] = 0.4
    assert f"{MAIN} and {OTHER} do not need the same heads more than chance would have it" in answer(inputs)[0]
    inputs.overlap["p_chance"] = np.nan
    assert "chance would have it" not in answer(inputs)[0]
    inputs.overlap["usable"] = False
    assert answer(inputs) == [
        f"At no checkpoint can the heads of {MAIN} and {OTHER} be compared. Why at step 143,000: it is not defined."
    ]


def test_several_runs_are_told_by_their_median_and_each_runs_heads_apart():
    inputs = given_inputs(THREE)
    lines = answer(inputs)
    last = inputs.overlap[(inputs.overlap["outcome"] == "log_prob") & (inputs.overlap["step"] == 143000)]["value"]
    assert "At the last usable checkpoints of the 3 runs of pythia" in lines[0]
    assert "in 3 of 3 runs; of the 3 heads that each needs most they share 1.2 and 2.0 in run-a, " in lines[0]
    assert f"is {last.median():.2f} in the median of 3 runs ({last.min():.2f} to {last.max():.2f})" in lines[1]
    assert asked(inputs)[1].endswith("at 30 checkpoints of run-a, run-b and run-c (steps 0 to 143,000).")


def test_transfer_from_a_file_is_told_in_words_that_fit(one):
    assert asked(one)[0].startswith("Is the transfer in mine.csv larger where two tasks use the same attention heads?")
    assert answer(one)[:2] == [
        "This study cannot say: 1 run is too few to tell a relation from chance.",
        "It takes at least 4 runs of a group, or several groups with 3 each. In this run more sharing went with a "
        "larger transfer in mine.csv, but nearly everything rises or falls while a model trains.",
    ]
    assert re.search(r"correlation of cosine of log prob with the transfer, .* \(1 run and 6 usable", said(one))
    end = one.transfer[one.transfer["step"] == 143000]["transfer"].item()
    assert answer(one)[2] == f"At the last checkpoints that have it, the transfer in mine.csv is {end:.3g} in pythia."
    assert not re.findall(r"long inputs|\bgap\b|\bseeds?\b|lengths", said(one))


def test_every_verdict_has_words_for_runs_and_for_transfer_of_a_users_own(one):
    words = words_of(one.study, "transfer")
    told = [words(sentence) for sentence in (*HEADLINES.values(), *SHORT.values())]
    assert (
        "a run whose two tasks come to share more heads than in the other runs has a larger transfer in mine.csv"
        in (told[0])
    )
    assert "neither a clearly larger nor a clearly smaller transfer in mine.csv than they do" in told[4]
    assert not re.findall(r"long inputs|\bseed|[{}]", " ".join(told))
    trained = words_of(small_study(), "gap")
    assert (
        "a seed whose two tasks come to share more heads than in the other seeds gets more of the long inputs right"
        in (trained(HEADLINES["beyond progress", "reuse"]))
    )


def test_nothing_is_said_of_training_or_tests_where_there_are_none(alone):
    text = said(alone)
    assert not re.findall(r"long inputs|\bgap\b|\bseeds?\b|lengths|p-value|trained", text)
    assert "Transfer was not measured, so nothing is said on whether it goes with sharing" in text


def test_runs_are_named_by_their_names_or_as_seeds():
    assert named_runs(["pythia-160m"]) == "pythia-160m"
    assert named_runs([0, 1]) == "seeds 0 and 1"
    assert named_runs(["3"]) == "seed 3"
    assert named_runs([*"abcd"]) == "4 runs"


def test_models_that_are_fine_tuned_from_checkpoints_are_told_with_these():
    study, template = small_study(), "{task}: {prompt}"
    group = study.groups[0].model_dump(mode="json")
    for entry in (group["main"], *group["auxiliary"]):
        entry["template"] = template
    del group["source"]
    study = given_study(prompts=[], groups=[group | {"start": {"hub": ["EleutherAI/pythia-160m"]}}])
    steps = pd.DataFrame({"group": group["name"], "seed": 0, "step": [1, 8], "tokens": np.nan})
    inputs = report_inputs(n_checkpoints=2, study=study, checkpoints=steps)
    assert "fine-tuned from each checkpoint of a pretraining, steps 1 to 8." in asked(inputs)[1]
    assert "A main task is trained on short inputs" in asked(inputs)[0]


# The page


def test_the_page_has_what_there_is_and_leaves_out_what_cannot_be(alone):
    page = render(alone)
    assert [section.id for section in sections_of(alone.study)] == [
        "accuracy",
        "heads",
        "sharing",
        "functional",
        "attention",
        "trajectories",
    ]
    for shown in ("How well is each task solved?", "<h2>Measured</h2>", "<dt>Runs</dt><dd>pythia-160m</dd>"):
        assert shown in page
    assert "taken by the spans IO and S (indirect_object) and position by position (coloured_objects)" in page
    assert "When Mary and John" not in page, "a file of prompts may have megabytes"
    assert 'id="plot-accuracy-0"' not in page
    assert 'id="table-accuracy-0-0"' in page
    assert '"name": "names_and_colours"' in page.replace("&#34;", '"')
    assert sections_of(small_study())[-1].id == "log"


def test_transfer_from_a_file_is_shown_in_the_place_of_the_gap(one):
    built = {section.id: list(section.build(one)) for section in sections_of(one.study)}
    assert [name for name in built if built[name]] == [
        *("accuracy", "heads", "sharing", "attention", "trajectories", "transfer", "estimates", "clocks"),
    ]
    (trajectories,), (points,), (estimates,) = (built[name] for name in ("trajectories", "transfer", "estimates"))
    assert trajectories.look.startswith("Does the transfer in mine.csv rise when the heads become alike?")
    assert trajectories.figure.data[0].y == pytest.approx(one.transfer["transfer"], rel=1e-3)
    for exhibit in (points, estimates):
        (chosen,) = [choice for choice in choices_of(exhibit.figure) if choice.name == "transfer_metric"]
        assert chosen.values == ("transfer",)
    text = markdown(one, correlation_page(one), all_rows="rows.csv")
    assert text.startswith("# Head reuse and transfer: names")


def test_a_map_of_many_heads_is_legible_and_the_page_small():
    rows = given_inputs(shape=(32, 15), steps=(1,)).head_scores
    figure = figures.ablation_maps(rows, tasks=[MAIN, OTHER])
    assert figure.layout.yaxis.domain[1] - figure.layout.yaxis.domain[0] == pytest.approx(1)
    height = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    assert height / 32 >= 12
    assert "over all prompts" in figure.layout.annotations[0].text
    large = given_inputs(shape=(60, 64), steps=(1,), outcomes=("log_prob",)).head_scores
    wide = figures.ablation_maps(large, tasks=[MAIN, OTHER])
    (low, high), (below, _) = wide.layout.yaxis.domain, wide.layout.yaxis2.domain
    plots = wide.layout.height - wide.layout.margin.t - wide.layout.margin.b
    assert (high - low) * plots / 60 >= 12
    assert below == 0
    assert wide.layout.xaxis.domain == wide.layout.xaxis2.domain == (0, 1)
    many = pd.DataFrame({"step": np.repeat(np.arange(20), 24 * 64 * 8)})
    kept, note = on_slider(many)
    assert len(kept) <= MAX_SLIDER_ROWS
    assert kept["step"].iloc[-1] == 19
    assert "4 of 20 checkpoints" in note


# Figures


def test_the_axis_is_of_tokens_where_all_checkpoints_tell_them_and_log_where_they_lie_so(alone):
    axis = figures.step_axis(alone.checkpoints, is_given=True)
    assert axis.title == "tokens seen (log scale; 0 tokens at the left end)"
    assert axis.places(pd.Series([0, 1, 8])) == [2**20, 2**21, 2**24]
    assert axis.layout["type"] == "log"
    some = alone.checkpoints.assign(tokens=alone.checkpoints["tokens"].where(alone.checkpoints["step"] > 0))
    steps = figures.step_axis(some, is_given=True)
    assert steps.title == "training step (log scale; step 0 at the left end)"
    assert steps.places(pd.Series([0, 1, 8])) == [0.5, 1, 8]
    here = figures.step_axis(some, is_given=False)
    assert (here.title, here.is_log, here.places(pd.Series([0, 8]))) == ("training step", False, [0, 8])
    assert figures.step_axis(pd.DataFrame(), is_given=True).title == "training step"


def test_overlap_over_steps_is_beside_the_accuracies_where_there_is_no_transfer(alone):
    (section,) = [section for section in sections_of(alone.study) if section.id == "trajectories"]
    (exhibit,) = section.build(alone)
    named = [trace for trace in exhibit.figure.data if trace.x and trace.x[0] is not None]
    main, auxiliary, overlap = named
    assert main.name == "pythia-160m"
    assert main.y == pytest.approx([learned(step) for step in STEPS], rel=1e-3)
    assert auxiliary.line.dash == "dash"
    assert auxiliary.y == pytest.approx([learned(step) ** 0.5 for step in STEPS], rel=1e-3)
    assert overlap.x == main.x == (2**20, *(step * 2**21 for step in STEPS[1:]))
    assert exhibit.tables[1].title == "Numbers of the accuracy"


def test_runs_with_names_are_called_runs():
    made = table(pd.DataFrame({"seed": ["pythia-160m"], "step": [1]}))
    assert [column.label for column in made.columns] == ["run", "step"]
    assert [column.label for column in table(pd.DataFrame({"seed": [0], "step": [1]})).columns] == ["seed", "step"]
    legend = {trace.name for trace in figures.regimes(report_inputs(n_checkpoints=2).transfer).data}
    assert legend == {"seed 0", "seed 1"}


def test_the_markdown_report_holds_tables_as_they_are_read_from_their_files(one):
    """A column without any text is one of numbers there."""
    rows = one.correlation.assign(direction=np.nan)
    text = markdown(replace(one, correlation=rows), correlation_page(one), all_rows="rows.csv")
    assert "| not testable, primary |" in text


def test_the_correlation_report_of_a_study_without_transfer_says_what_it_has(alone):
    page = correlation_page(alone)
    assert [section.id for section in page.sections] == ["sharing", "functional"]
    assert "Transfer was not measured" in page.caveats[0]
    assert page.answer[0] in markdown(alone, page, all_rows="rows.csv")


def test_seeds_are_called_runs_but_for_names(one):
    text = "Seeds of seed-1 and seed_x; a seed"
    assert in_runs(one.study, text) == "Runs of seed-1 and seed_x; a run"
    assert in_runs(small_study(), text) == text
    assert sections_of(one.study)[-1].title == "How soon does each run learn?"


@pytest.mark.slow
def test_a_study_of_given_checkpoints_with_transfer_from_a_file_runs_to_its_report(tmp_path):
    from readme_series import made

    made(tmp_path, n_prompts=8)
    (tmp_path / "mine.csv").write_text(
        "run,step,transfer\n" + "".join(f"gpt2_run,{n},{n / 1000}\n" for n in (10, 100, 7))
    )
    (tmp_path / "study.toml").write_text(
        'name = "names"\ntransfer = "mine.csv"\nmeasures = { baseline_floor = 0.0, functional_sets = 0 }\n'
        '[[groups]]\nname = "g"\nmain = { prompts = "names.jsonl" }\nauxiliary = [{ prompts = "colours.jsonl" }]\n'
        'series = ["gpt2_run", "llama_run"]\n'
    )
    status, _, told = headreuse("run", tmp_path / "study.toml", "--out", tmp_path / "out")
    assert status == 0, told
    assert "mine.csv: 1 row without a checkpoint (line 4: gpt2_run step 7)" in told
    assert "mine.csv: 4 checkpoints without a row (g gpt2_run step 1000; g llama_run step 10; " in told
    transfer = pd.read_csv(tmp_path / "out" / "tables" / "transfer.csv")
    assert transfer[["seed", "step", "transfer"]].to_numpy().tolist() == [
        ["gpt2_run", 10, 0.01],
        ["gpt2_run", 100, 0.1],
    ]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "the prompts names with colours, at 6 checkpoints of gpt2_run and llama_run (steps 10 to 1,000)" in page
    assert headreuse("correlate", tmp_path / "out", "--out", tmp_path / "both")[0] == 0
