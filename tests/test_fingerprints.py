"""A fingerprint changes with whatever changes an answer, and with nothing else. Covers `store/fingerprints.py`."""

import json

import pytest

from headreuse.models.architectures import build_model
from headreuse.models.checkpoints import fingerprint_of
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import Vocabulary
from headreuse.study import ModelSpec
from headreuse.tasks import TASKS


@pytest.fixture
def folder(tmp_path):
    return saved(tmp_path / "checkpoint-1")


def saved(folder, *, seed: int = 0, **shape):
    spec = ModelSpec(**({"n_layers": 1, "n_heads": 2, "d_model": 16} | shape))
    build_model(spec, vocab_size=12, max_positions=32, seed=seed).save_pretrained(folder)
    build_tokenizer(Vocabulary.of([TASKS["copy"](alphabet_size=2)])).save_pretrained(folder)
    return folder


def rewrite(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes, indent=7))


def test_the_same_model_saved_twice_has_one_fingerprint(folder, tmp_path):
    assert fingerprint_of(saved(tmp_path / "elsewhere")) == fingerprint_of(folder)


def test_other_weights_are_another_model(folder, tmp_path):
    assert fingerprint_of(saved(tmp_path / "other", seed=1)) != fingerprint_of(folder)


def test_the_same_weights_under_another_configuration_are_another_model(folder):
    before = fingerprint_of(folder)
    rewrite(folder / "config.json", rope_parameters={"rope_type": "default", "rope_theta": 5.0})
    assert fingerprint_of(folder) != before


def test_another_tokenizer_beside_the_same_weights_is_another_model(folder):
    before = fingerprint_of(folder)
    file = folder / "tokenizer.json"
    file.write_text(file.read_text().replace('"a"', '"z"'))
    assert fingerprint_of(folder) != before


def test_what_changes_no_answer_changes_no_fingerprint(folder):
    before = fingerprint_of(folder)
    rewrite(folder / "config.json", _name_or_path="/somewhere/else", transformers_version="99.0", use_cache=False)
    (folder / "headreuse.json").write_text("{}")
    (folder / "optimizer.pt").write_bytes(b"state")
    assert fingerprint_of(folder) == before
