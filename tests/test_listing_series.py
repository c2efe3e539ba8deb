"""`headreuse checkpoints`: what it prints of a series on a disk and on a Hub, and which series are known by name.

Covers `sources/series/listing.py`, `sources/series/hub_about.py` and `sources/series/known.py`.
"""

import json
import re

import pytest
from command_line import headreuse
from decoders import GROUPED
from hub_server import HubServer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from headreuse.errors import HeadreuseError
from headreuse.sources.series.about import About
from headreuse.sources.series.base import Entry
from headreuse.sources.series.known import known_series, repository_of
from headreuse.sources.series.listing import Row, heads_of, in_units, remarks, table
from headreuse.sources.series.names import parse_name

LLAMA = About("LlamaForCausalLM", 32, 15, 5, 960, "rope", 49152, "bfloat16", 724_000_000)


def entry(name: str, step: int, *, tokens: int | None = None, problem: str = "") -> Entry:
    return Entry("", name, step, tokens, "f" * 64, f"out/{name}", problem)


def test_a_table_for_people_leaves_out_what_is_empty_and_one_for_a_pipe_does_not():
    rows = [Row(entry("step-5", 5), LLAMA, True), Row(entry("step-10", 10, problem="truncated"), None, True)]
    assert table(rows, plain=False) == [
        "step  whole  size    architecture      heads        position  vocabulary  dtype     name",
        "5     yes    724 MB  LlamaForCausalLM  32 × 15 (5)  rope      49152       bfloat16  step-5",
        "10    no                                                                            step-10",
    ]
    shape = "LlamaForCausalLM\t32 × 15 (5)\trope\t49152\tbfloat16"
    assert table(rows, plain=True)[1] == f"\t5\t\tyes\t724 MB\t{shape}\tstep-5"
    assert table([Row(entry("step-5", 5), LLAMA, False)], plain=True)[1].split("\t")[3] == "not checked"


def test_numbers_are_told_in_short():
    assert [in_units(n) for n in (999, 480_000, 4 * 10**9, 1_007 * 10**9)] == ["999", "480k", "4B", "1.01T"]
    assert heads_of(About("", 12, 12, 12, None, "", None, "", None)) == "12 × 12"
    assert heads_of(About("", 12, None, None, None, "", None, "", None)) == ""


def test_what_is_left_out_and_stages_that_count_on_are_remarked():
    staged = [entry("stage1-step10", 10), entry("stage2-step5", 15), entry("stage2-step9", 19)]
    assert remarks([Row(found, None, False) for found in (*staged, entry("x", 1, problem="no"))]) == [
        "skipped out/x: no",
        "out/stage2-step5: its stage begins again at step 0; here steps count on, so it is step 15",
    ]


def test_the_command_lists_a_folder_for_pipes_and_for_programs(tmp_path):
    LlamaForCausalLM(LlamaConfig(**GROUPED)).save_pretrained(tmp_path / "checkpoint-7")
    status, out, err = headreuse("checkpoints", tmp_path)
    assert status == 0
    assert out.splitlines()[1].split("\t")[5:9] == ["LlamaForCausalLM", "3 × 4 (2)", "rope", "24"]
    assert err.startswith(f"skipped {tmp_path}/checkpoint-7: no tokenizer.json; save")
    words = Tokenizer(WordLevel({f"t{i}": i for i in range(9)}, unk_token="t0"))
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path / "checkpoint-7")
    _, out, err = headreuse("checkpoints", tmp_path, "--json")
    assert (
        err == f"{tmp_path}/checkpoint-7: the tokenizer has 9 tokens and the embedding 24 rows; is it this model's?\n"
    )
    (found,) = json.loads(out)
    assert (found["step"], found["whole"], found["n_key_value_heads"], found["dtype"]) == (7, True, 2, "float32")


def test_the_command_lists_a_repository_without_reading_its_weights(hub_server: HubServer):
    config = json.dumps(LlamaConfig(**GROUPED, architectures=["LlamaForCausalLM"]).to_dict()).encode()
    for step in (1, 20):
        weights = b"%05d" % step * 1000
        hub_server.add("lab/tiny", f"step{step}-tokens2B", {"config.json": config, "model.safetensors": weights})
    status, out, err = headreuse("checkpoints", "lab/tiny")
    assert (status, err) == (0, "")
    assert [line.split("\t")[1:9] for line in out.splitlines()[1:]] == [
        [step, "2B", "not checked", "5 KB", "LlamaForCausalLM", "3 × 4 (2)", "rope", "24"] for step in ("1", "20")
    ]
    assert not any("model.safetensors" in str(request) for request in hub_server.requests)


def test_known_series_are_listed_and_their_names_stand_for_repositories():
    status, out, _ = headreuse("checkpoints", "--known")
    assert status == 0
    assert "pythia-160m-seed3\tEleutherAI/pythia-160m-seed3\tstep143000\thttps://" in out
    names = [known["name"] for known in json.loads(headreuse("checkpoints", "--known", "--json")[1])]
    assert names == list(known_series())
    assert repository_of("smollm2-360m") == "HuggingFaceTB/SmolLM2-360M-intermediate-checkpoints"
    assert repository_of("lab/tiny") == "lab/tiny"
    for known in known_series().values():
        assert re.fullmatch(r"[\w-]+/[\w.-]+", known.repo)
        assert parse_name(known.revisions) is not None


@pytest.mark.parametrize("name", ["pythia-16m", "a/b/c", "../etc"])
def test_a_name_that_stands_for_nothing_is_refused(name):
    with pytest.raises(HeadreuseError, match="no known series"):
        repository_of(name)
    assert headreuse("checkpoints", name)[0] == 2


@pytest.mark.parametrize("arguments", [(), ("x", "--known")])
def test_a_place_or_known_is_wanted_and_not_both(arguments):
    status, _, err = headreuse("checkpoints", *arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert "give a folder or a repository, or --known" in err
