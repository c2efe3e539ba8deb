"""What cannot work is told before anything is trained: once, at its place in the user's file, with what would work.

Covers `study/costs.py`, `study/drawing.py`, `study/feasible.py`, `study/frozen.py`, `study/limits.py`,
`study/showing.py` and `study/texts.py`. `tests/fuzz/test_studies.py` looks for what nobody thought of.
"""

import os
import time
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from headreuse.cli import main
from headreuse.study import StudyError, limits, parse_study, read_study
from headreuse.study.costs import costs_of, n_parameters
from headreuse.study.drawing import SURE, n_tokens_at
from headreuse.study.model_spec import ModelSpec
from headreuse.study.showing import on_one_line, place_shown, shown
from headreuse.tasks import TASKS, Task, evaluation_examples, held_out, training_examples

MAIN = {"task": "copy", "max_length": 4}
GROUP = {"name": "g", "main": MAIN}
AUXILIARIES = [{"task": "reverse", "max_length": 8}, {"task": "capitalize", "max_length": 8}]
NAN, INF = float("nan"), float("inf")


def problems_of(changed: dict) -> list[str]:
    with pytest.raises(StudyError) as caught:
        parse_study({"name": "s", "groups": [GROUP]} | changed, "study.toml")
    return caught.value.problems


def group(**changed: object) -> dict:
    return {"groups": [GROUP | changed]}


def nested(depth: int) -> list:
    return [nested(depth - 1)] if depth else []


ABSURD = {
    "a seed twice": ({"seeds": [0, 1, 0]}, "seeds: 0 is listed twice; list it once"),
    "a seed that numpy cannot take": ({"seeds": [2**64]}, "seeds[0]: 18446744073709551616 is above the largest"),
    "no method": ({"measures": {"methods": []}}, "measures.methods: [] should have at least 1 item"),
    "too few subsets": (
        {"measures": {"subsets": 10}},
        "10 cannot tell the 8 heads of groups[0] apart; give at least 20",
    ),
    "all other heads gone": ({"measures": {"ablated_share": 1.0}}, "measures.ablated_share: 1.0 must be less than 1.0"),
    "a method twice": ({"measures": {"methods": ["mean_ablation"] * 2}}, 'methods: "mean_ablation" is listed twice'),
    "no overlap metric": ({"measures": {"overlap_metrics": []}}, "measures.overlap_metrics: name at least one"),
    "no checkpoint": ({"training": {"checkpoints": {"at": []}}}, "training.checkpoints.at: [] should have at least 1"),
    "a beta of 1": ({"training": {"betas": [0.9, 1.0]}}, "training.betas[1]: 1.0 must be less than 1.0"),
    "a negative beta": ({"training": {"betas": [-0.1, 0.9]}}, "training.betas[0]: -0.1 is below the smallest"),
    "a beta that is no number": ({"training": {"betas": [NAN, 0.9]}}, "training.betas[0]: nan is no finite number"),
    "one beta": ({"training": {"betas": [0.9]}}, "training.betas[1]: missing"),
    "endless decay": ({"training": {"weight_decay": INF}}, "training.weight_decay: inf is no finite number"),
    "no number for clip": ({"training": {"clip": NAN}}, "training.clip: nan is no finite number"),
    "an endless rate": ({"training": {"learning_rate": INF}}, "training.learning_rate: inf is no finite number"),
    "a warm-up of nan": ({"training": {"warmup": NAN}}, "training.warmup: nan is no finite number; the default is 0.1"),
    "a floor of nan": ({"measures": {"baseline_floor": NAN}}, "measures.baseline_floor: nan is no finite number"),
    "very many layers": ({"model": {"n_layers": 10**12}}, "model.n_layers: 1000000000000 is above the largest"),
    "very many heads": ({"model": {"n_heads": 10**9}}, "model.n_heads: 1000000000 is above the largest"),
    "very many steps": ({"training": {"steps": 10**12}}, "training.steps: 1000000000000 is above the largest"),
    "a huge batch": ({"training": {"batch_size": 10**9}}, "training.batch_size: 1000000000 is above the largest"),
    "very many examples": ({"measures": {"n_examples": 10**12}}, "measures.n_examples: 1000000000000 is above"),
    "a huge length": (group(main=MAIN | {"max_length": 10**9}), "groups[0].main.max_length: 1000000000 is above"),
    "far beyond": ({"measures": {"beyond": 10**9}}, "measures.beyond: 1000000000 is above the largest"),
    "curves beyond the longest": (
        group(main=MAIN | {"max_length": 900}) | {"measures": {"beyond": 500}},
        "groups[0]: curves of accuracy go to length 1400; at most 1000 works",
    ),
    "many checkpoints": (
        {"training": {"steps": 10**8, "checkpoints": {"every": 1}}},
        "training.checkpoints: 100,000,000 of one model; at most 10,000 work: every = 10000",
    ),
    "very many log-spaced checkpoints": (
        {"training": {"checkpoints": {"log_spaced": 10**9}}},
        "training.checkpoints.log_spaced: 1000000000 is above the largest",
    ),
    "a model of terabytes": (
        {"model": {"n_layers": 1000, "d_model": 8192, "n_heads": 64}},
        "model.n_layers: the model takes 17,180 GB of memory to train; at most 29 layers work at d_model 8,192",
    ),
    "a batch of terabytes": (
        {"model": {"n_layers": 100, "d_model": 4096, "n_heads": 64}, "training": {"batch_size": 10**6}},
        "training.batch_size: a batch takes 176,947 GB of memory; at most 23,148 works",
    ),
    "a training of years": (
        {
            "model": {"n_layers": 12, "d_model": 1024},
            "training": {"steps": 10**7, "batch_size": 500_000, "checkpoints": {"every": 10**6}},
        },
        "training.steps: training one model takes 1.7 years on a very fast machine; at most",
    ),
    "very many runs": (
        {"seeds": list(range(5000)), "groups": [GROUP | {"name": f"g{n}"} for n in range(50)]},
        "seeds: 5,000 of 50 groups; at most 2,000 of so many groups work",
    ),
    "heads scored where a task has no length": (
        {
            "groups": [
                {"name": "g", "main": MAIN | {"max_length": 2}, "auxiliary": [{"task": "dfs_trace", "max_length": 8}]}
            ]
        },
        "groups[0]: heads are scored at 2, the shortest max_length of its tasks, but dfs_trace begins at 3",
    ),
    "deep nesting": ({"extra": nested(500)}, "nested more than 32 deep; a study needs 5"),
}


@pytest.mark.parametrize("what", ABSURD)
def test_what_cannot_work_is_told_in_one_line_with_what_would(what):
    changed, told = ABSURD[what]
    (line,) = problems_of(changed)
    assert told in line
    assert len(line) < 400


def study_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "study.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


SOUND = 'name = "s"\n[[groups]]\nname = "g"\nmain = { task = "copy", max_length = 4 }\n'

FILES = {
    "an empty file": (b"", "name: missing; it is required"),
    "another encoding": ('name = "ü"'.encode("latin-1"), "not a text in UTF-8 (invalid start byte at byte 8)"),
    "zeros": (bytes(1000), "not valid TOML: Invalid statement (at line 1, column 1)"),
    "a number of 5,000 digits": (
        SOUND + f"[training]\nsteps = {'9' * 5000}\n",
        "a number of thousands of digits (at line 6); whole numbers go to 9223372036854775807",
    ),
    "the same in hexadecimal": (
        "seeds = [0x" + "f" * 5000 + "]\n" + SOUND,
        "seeds[0]: a whole number of about 6,001 digits is above the largest allowed; nearest: 4294967295",
    ),
    "100,000 brackets": ("x = " + "[" * 100_000, "nested more than 32 deep"),
    "100,000 tables in each other": ("x = " + "{a=" * 100_000, "nested more than 32 deep"),
    "a key of 100,000 parts": (".".join("a" * 100_000) + " = 1", "a key of more than 32 parts (at line 1)"),
    "a table of 100,000 parts": ("\n[" + ".".join("a" * 100_000) + "]", "a key of more than 32 parts (at line 2)"),
    "a file too large": (b" " * (limits.STUDY_BYTES + 1), "has more than 1,000,000 bytes, the most that are read"),
    "a huge name": (
        SOUND.replace('"s"', f'"{"x" * 500_000}"', 1),
        f'name: "{"x" * 60}…" (500,000 characters) is longer than 64 characters; shorten it',
    ),
    "an unprintable name": (
        SOUND.replace('"s"', '"a\\u001b[2J\\n\\u202e"', 1),
        'name: "a\\u001b[2J\\n\\u202e" may hold only letters, digits, _ and - and begin with a letter',
    ),
    "an unprintable key": ('"\\u001b\\n" = 1\n' + SOUND, '"\\u001b\\n": unknown key; known here: name, tasks'),
    "a NUL in a path": (
        'tasks = ["a\\u0000.py"]\n' + SOUND,
        "a\\u0000.py: no path: embedded null byte; give the path of",
    ),
    "a device for a file of tasks": (
        'tasks = ["/dev/zero"]\n' + SOUND,
        "/dev/zero: this is no plain file but a device or a pipe; give the path of a Python file",
    ),
    "groups in single brackets": (SOUND.replace("[[groups]]", "[groups]"), "write [[groups]], in two brackets"),
    "other kinds of values": (
        SOUND.replace('"s"', "2020-01-01T00:00:00", 1),
        "name: 2020-01-01T00:00:00 should be a valid string",
    ),
    "a truth for a number": (
        SOUND + "[training]\nsteps = true\n",
        "training.steps: true should be a valid integer",
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_of_nonsense_gets_one_line_at_once(what, tmp_path):
    content, told = FILES[what]
    begun = time.perf_counter()
    with pytest.raises(StudyError) as caught:
        read_study(study_file(tmp_path, content))
    assert time.perf_counter() - begun < 2
    assert any(told in line for line in caught.value.problems), caught.value.problems
    assert max(map(len, str(caught.value).splitlines())) < 700
    assert str(caught.value).replace("\n", "").isprintable()


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    assert read_study(study_file(tmp_path, b"\xef\xbb\xbf" + SOUND.encode())).name == "s"


def test_what_is_no_plain_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    for path, told in {
        tmp_path / "pipe.toml": "this is no plain file but a device or a pipe; give the path of a study file (TOML)",
        tmp_path: "this is a folder; give the path of a study file (TOML)",
        tmp_path / "none.toml": "no such file; give the path of a study file (TOML)",
        tmp_path / ("x" * 5000): "could not be read: File name too long",
        tmp_path / "a\0b": "no path: embedded null byte",
    }.items():
        with pytest.raises(StudyError) as caught:
            read_study(path)
        assert caught.value.problems[0].startswith(told)


@pytest.mark.parametrize("command", ["run", "train"])
def test_the_commands_end_with_status_2_and_make_no_folder(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["headreuse", command, str(study_file(tmp_path, "seeds = [0, 0]\n" + SOUND))])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[1:] == ["  seeds: 0 is listed twice; list it once"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "mistake",
    ['kind = "controll"', 'main2 = "x"', "transfer_to = 2"],
)
def test_3000_groups_with_a_mistake_each_are_told_ten_times_and_counted(mistake, tmp_path):
    entry = SOUND.split("\n", 1)[1]
    groups = "".join(entry.replace('"g"', f'"g{n}"') + mistake + "\n" for n in range(3000))
    begun = time.perf_counter()
    with pytest.raises(StudyError) as caught:
        read_study(study_file(tmp_path, 'name = "s"\n' + groups))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("study.toml: 3,000 problems")
    assert len(lines) == 12
    assert [line.split(".")[0].split(":")[0].strip() for line in lines[1:3]] == ["groups[0]", "groups[1]"]
    assert lines[-1] == "  … and 2,990 more"
    assert time.perf_counter() - begun < 5


UNFOLDED = {"auxiliary": AUXILIARIES, "arms": ["joint", "each", "alone"], "positions": ["rope", "nope"]}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": 5}, 'groups[0].name: 5 should be a valid string; try "5"'),
        ({"name": "a b"}, 'groups[0].name: "a b" may hold only'),
        ({"kind": "contrl"}, "groups[0].kind: \"contrl\" is none of the choices (did you mean 'control'?)"),
        ({"main": MAIN | {"task": "cpy"}}, "groups[0].main.task: unknown task \"cpy\" (did you mean 'copy'?)"),
        (
            {"auxiliary": [*AUXILIARIES, {"task": "mqarr", "max_length": 8}]},
            "groups[0].auxiliary[2].task: unknown task \"mqarr\" (did you mean 'mqar'?)",
        ),
        ({"auxiliary": [*AUXILIARIES, {"task": "mqar"}]}, "groups[0].auxiliary[2].max_length: missing; it is required"),
        ({"transfer_to": 3}, "groups[0]: transfer_to 3 is below the longest training length, 8"),
        ({"transfer_to": 8, "lengths": [[4, 8], [8, 16]]}, "groups[0]: transfer_to 8 is below the longest"),
        ({"lengths": [[4, 0]]}, "groups[0].lengths: 0 is no length; lengths go from 1 to 1000"),
        ({"lengths": [[4, 8], [4, 8]]}, "groups[0].lengths: [4, 8] is listed twice; list it once"),
        ({"positions": ["rope", "rope"]}, 'groups[0].positions: "rope" is listed twice; list it once'),
        ({"auxiliary": []}, "groups[0].arms: a group without auxiliary tasks has no arms"),
        ({"model": {"n_layers": 0}}, "groups[0].model.n_layers: 0 is below the smallest allowed; nearest: 1"),
        ({"arm": 1}, "groups[0].arm: unknown key (did you mean 'arms'?); known here: name, "),
        ({"main": 3, "lengths": [[4, 8]]}, "groups[0].main: 3 should be a table"),
    ],
)
def test_a_mistake_in_a_group_that_is_unfolded_is_told_once_at_its_place_in_the_file(changed, told):
    (line,) = problems_of({"groups": [GROUP | UNFOLDED | changed]})
    assert line.startswith(told)
    if "unknown key" in told:
        assert all(key in line for key in ("arms", "lengths", "positions", "main", "evaluate_to"))


def test_the_place_counts_the_entries_of_the_file():
    first, second = GROUP | UNFOLDED, GROUP | {"name": "h", "evaluate_to": 1}
    assert problems_of({"groups": [first, second]}) == ["groups[1]: evaluate_to 1 is below transfer_to, 4"]


def test_a_mistake_in_the_shared_training_is_told_once_for_groups_that_change_other_settings():
    groups = [GROUP | {"name": f"g{n}", "training": {"batch_size": n}} for n in (8, 16)]
    (line,) = problems_of({"training": {"warmup": 0.8, "decay": 0.5}, "groups": groups})
    assert line.startswith("training: warmup 0.8 + decay 0.5 is more than 1")


@pytest.mark.parametrize(
    "changed",
    [
        {"lengths": {"main": [*range(1, 1001)], "auxiliary": [*range(1, 1001)]}},
        {"lengths": [[n, n + 1] for n in range(1, 900)], "auxiliary": AUXILIARIES * 40, "arms": ["each"]},
    ],
)
def test_groups_are_counted_before_they_are_unfolded(changed):
    begun = time.perf_counter()
    (line,) = problems_of({"groups": [GROUP | changed]})
    assert line.endswith(
        "unfolded; a study can have 5,000: shorten lengths, positions, arms or heads, or make several studies"
    )
    assert time.perf_counter() - begun < 1


def test_values_are_shown_as_toml_writes_them():
    assert shown(True) == "true"
    assert shown('a "b"\n') == '"a \\"b\\"\\n"'
    assert shown([1, 2.5, INF, "x"]) == '[1, 2.5, inf, "x"]'
    assert shown({"a": date(2020, 1, 2), "b c": {}}) == '{ a = 2020-01-02, "b c" = {} }'
    assert shown(list(range(100))) == "[0, 1, 2, 3, 4, 5, …]"
    assert shown(nested(100)) == "[[[[…]]]]"
    assert place_shown(("groups", 0, "a.b", "c")) == 'groups[0]."a.b".c'
    assert on_one_line("a\nb\x1b") == "a b\\u001b"


def test_parameters_are_those_of_the_published_size():
    """14.2 M parameters, of which the embeddings of some tens of symbols are few (Cai et al. 2025)."""
    published = ModelSpec(n_layers=6, n_heads=6, d_model=384, d_mlp=1536)
    assert n_parameters(published) == 6 * (4 * 384**2 + 3 * 384 * 1536) == 14_155_776
    shared = ModelSpec(n_layers=6, n_heads=6, d_model=384, d_mlp=1536, n_key_value_heads=1)
    assert n_parameters(published) - n_parameters(shared) == 6 * 2 * 384 * (384 - 64)


def test_costs_by_hand():
    study = parse_study({"name": "s", "groups": [GROUP], "measures": {"beyond": 0}}, "s")
    costs = costs_of(study, study.groups[0])
    n = 2 * (4 * 64 * 64 + 3 * 64 * 256)
    assert costs.state_bytes == 16 * n
    assert costs.batch_bytes == 2 * 128 * 12 * 2 * (6 * 64 + 3 * 256)
    assert costs.train_seconds == 3.0, "3,000 steps of a millisecond; 6 n × 384,000 × 9 tokens would take 3 s / 1,000"
    assert costs.evaluate_seconds == pytest.approx(2 * n * 15 * 256 * 4 * 9 / 1e15)


def check_all_can_be_drawn(task: Task, longest: int) -> None:
    for length in range(task.min_length, min(longest, task.max_length or longest) + 1):
        assert len(evaluation_examples(task, np.full(8, length), np.random.default_rng(0)).prompt) == 8
        assert len(training_examples(task, 8, length, np.random.default_rng(0)).prompt) == 8
    assert n_tokens_at(task, min(SURE, task.max_length or SURE)) <= limits.POSITIONS


TOO_FEW_LETTERS = {"sort": 2, "reverse_unique": 2}
"""Tasks that have too few different prompts with so many letters."""


@pytest.mark.parametrize("name", TASKS)
def test_the_fewest_prompts_of_a_task_can_be_drawn(name):
    check_all_can_be_drawn(TASKS[name](alphabet_size=TOO_FEW_LETTERS.get(name, 1) + 1, grid_size=2), 3)


def test_too_few_letters_for_a_task_are_told_before_anything_begins(tmp_path, monkeypatch):
    name = "sort"
    monkeypatch.setattr(held_out, "MAX_ROUNDS", 200)
    with pytest.raises(StudyError) as caught:
        read_study(study_file(tmp_path, "alphabet_size = 2\n" + SOUND.replace("copy", name).replace("4", "3")))
    assert caught.value.problems[0].startswith(f"groups[0]: {name}: in 200 draws no prompt")
    assert caught.value.problems[0].endswith("of these lengths; raise alphabet_size")


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_prompts_of_every_task_can_be_drawn_and_fit_wherever_the_check_draws_none(name):
    for letters, grid_size in ((2, 2), (2, 3), (3, 4), (26, 16)):
        alphabet_size = max(letters, TOO_FEW_LETTERS.get(name, 1) + 1)
        check_all_can_be_drawn(TASKS[name](alphabet_size=alphabet_size, grid_size=grid_size), 12)


def test_prompts_longer_than_a_models_positions_are_refused_without_drawing_long_ones(tmp_path, monkeypatch):
    drawn = []
    generate = TASKS["reverse_add"].generate

    def watched(self, lengths, generator):
        drawn.append(lengths.max())
        return generate(self, lengths, generator)

    monkeypatch.setattr(TASKS["reverse_add"], "generate", watched)
    text = SOUND.replace('"copy", max_length = 4', '"reverse_add", max_length = 900')
    with pytest.raises(StudyError) as caught:
        read_study(study_file(tmp_path, text))
    assert caught.value.problems == [
        "groups[0]: reverse_add goes to length 904, where it has 2,718 tokens; at most length 680 fits into the 2,048 "
        "positions of a model"
    ]
    assert max(drawn) < 100
    assert read_study(study_file(tmp_path, text.replace("900", "676"))).groups[0].main.max_length == 676
