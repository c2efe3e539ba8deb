"""The tokenizer reads text as the vocabulary does, also after it was saved and loaded. Covers `models/tokenizer.py`."""

import pytest
from transformers import AutoTokenizer

from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import SPECIALS, Vocabulary
from headreuse.tasks import TASKS

STRINGS = Vocabulary.of([TASKS["copy"](), TASKS["capitalize_reverse"]()])
MAZES = Vocabulary((*SPECIALS, "<maze>", "[1]", "[17]", "[7]", "-", " ", "1", "7"))


@pytest.mark.parametrize(
    ("vocabulary", "tokens"),
    [
        (STRINGS, ["<bos>", "<copy>", "a", "B", "=", "a", "B", "<eos>", "<pad>", "<pad>"]),
        (STRINGS, ["<capitalize_reverse>", "=", "z"]),
        (MAZES, ["<maze>", "[17]", "[1]", "1", "7", " ", "-", "[7]", "<eos>"]),
    ],
)
def test_text_splits_into_the_tokens_and_joins_again(vocabulary, tokens):
    tokenizer, text = build_tokenizer(vocabulary), "".join(tokens)
    assert tokenizer(text).input_ids == [vocabulary.id(token) for token in tokens]
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("vocabulary", [STRINGS, MAZES])
def test_the_tokenizer_gives_back_its_vocabulary(vocabulary, tmp_path):
    build_tokenizer(vocabulary).save_pretrained(tmp_path)
    assert Vocabulary.read(tmp_path) == vocabulary


def test_a_saved_tokenizer_loads_as_any_does(tmp_path):
    build_tokenizer(MAZES).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.tokenize("<bos><maze>[17]-[1]") == ["<bos>", "<maze>", "[17]", "-", "[1]"]
    assert tokenizer.decode(tokenizer.encode("[17]-[1]")) == "[17]-[1]"
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)


def test_a_character_without_a_token_is_refused():
    with pytest.raises(Exception, match="Missing \\[UNK\\] token"):
        build_tokenizer(STRINGS).encode("a?")
