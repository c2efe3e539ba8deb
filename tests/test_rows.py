"""What a file of prompts says, and that all that is wrong is told at once.

Covers `prompts/row_files.py` and `prompts/row_values.py`.
"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headreuse.errors import HeadreuseError
from headreuse.prompts.rows import MOST_PROBLEMS, Span, TextPrompts, parse_prompts, read_prompts

ROWS = [
    {"clean": "1, 2,", "answer": " 3", "corrupted": "5, 6,", "wrong_answer": " 7", "length": 2},
    {"clean": 'a "b"\u2028c', "answer": "\nd", "corrupted": "é", "wrong_answer": "f", "length": 10},
]


def jsonl(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def problems(content, suffix=".jsonl") -> list[str]:
    with pytest.raises(HeadreuseError) as error:
        parse_prompts("mine", content, suffix)
    return str(error.value).split("\n")


def test_jsonl_and_csv_say_the_same_with_byte_order_mark_and_dos_lines(tmp_path):
    csv = 'clean,answer,corrupted,wrong_answer,length\r\n"1, 2,", 3,"5, 6,", 7,2\r\n"a ""b""\u2028c","\nd",é,f,10\r\n'
    found = parse_prompts("mine", jsonl(ROWS), ".jsonl")
    assert found == TextPrompts(
        "mine", ("1, 2,", 'a "b"\u2028c'), (" 3", "\nd"), ("5, 6,", "é"), (" 7", "f"), (2, 10), None,
        ("line 1", "line 2"),
    )  # fmt: skip
    (tmp_path / "mine.csv").write_bytes(b"\xef\xbb\xbf" + csv.encode())
    (tmp_path / "mine.jsonl").write_bytes(b"\xef\xbb\xbf" + jsonl(ROWS).replace("\n", "\r\n\r\n").encode())
    from_csv, from_jsonl = read_prompts(tmp_path / "mine.csv"), read_prompts(tmp_path / "mine.jsonl")
    assert from_csv.places == ("line 2", "line 3")
    assert from_jsonl.places == ("line 1", "line 3")
    for other in (from_csv, from_jsonl):
        assert vars(other) | {"places": found.places} == vars(found)
    assert found.picked([1]) == parse_prompts("mine", "\n" + jsonl(ROWS[1:]), ".jsonl")


def test_spans_are_named_in_all_rows_and_may_stand_in_a_cell():
    rows = [{"clean": "ab cd", "answer": "e", "spans": {"y": [3, 5], "x": [0, 2]}}]
    spans = ((Span("x", 0, 2), Span("y", 3, 5)),)
    assert parse_prompts("mine", jsonl(rows), ".jsonl").spans == spans
    assert parse_prompts("mine", 'clean,answer,spans\nab cd,e,"{""x"": [0, 2], ""y"": [3, 5]}"', ".csv").spans == spans


def test_every_faulty_line_is_told_with_its_number():
    lines = [
        '{"clean": "a", "answer": "b", "length": 3}',
        '{"clean": "a", "awnser": "b"}',
        '{"clean": 1, "answer": ""}',
        "[1]",
        "{",
        '{"clean": "a", "clean": "b", "answer": "c"}',
        '{"clean": "a", "answer": "b", "length": true}',
        '{"clean": "a", "answer": "b", "length": 1' + 5000 * "0" + "}",
        '{"clean": "abc", "answer": "b", "spans": {"x": [2, 4]}}',
        '{"clean": "abc", "answer": "b", "spans": {"x": [0, 2], "y": [1, 3]}}',
        '{"clean": "a", "answer": "b", "wrong_answer": "b"}',
        '{"clean": "\\ud800", "answer": "b"}',
        '{"clean": "a", "answer": "b", "length": NaN}',
    ]
    found = problems("\n".join(lines))
    expected = [
        "line 2: unknown column 'awnser' (did you mean 'answer'?)",
        "line 2: `answer` is missing",
        "line 3: `clean` is 1; give text",
        "line 3: `answer` is empty",
        "line 4: this is no row; give an object",
        "line 5: this is not JSON",
        "line 6: a name stands twice",
        "line 7: `length` is True; give a whole number from 1 to",
        "line 8: a number has too many digits",
        "line 9: `spans` have x at [2, 4]; `clean` has the characters 0 to 3",
        "line 10: `spans` x and y overlap",
        "line 11: `wrong_answer` is the answer",
        "line 12: `clean` has half a character",
        "line 13: NaN is no number of JSON",
    ]
    assert len(found) == len(expected), found
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(f"mine: {start}"), line


def test_a_column_or_span_that_only_some_rows_have_is_refused():
    rows = [{"clean": "ab", "answer": "c"}, {"clean": "ab", "answer": "c", "length": 1}]
    assert problems(jsonl(rows)) == [
        "mine: line 1: `length` is missing, which other lines have; give it to all or to none"
    ]
    rows = [{"clean": "ab", "answer": "c", "spans": {name: [0, 1]}} for name in "xy"]
    assert [line.split(",")[0] for line in problems(jsonl(rows))] == [
        "mine: line 1: `spans` lack y",
        "mine: line 2: `spans` lack x",
    ]


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        ("", ".jsonl", "mine: rows: there are 0; give 1 to 100,000"),
        ("clean,answer\n", ".csv", "mine: rows: there are 0"),
        (b'{"clean": "a",\n"\xff"}', ".jsonl", "mine: line 2: this is not UTF-8"),
        ("clean,answer\na,b\nc,d,e", ".csv", "mine: line 3: it has 3 values for 2 columns"),
        ('clean,answer\na,"b', ".csv", "mine: line 2: this is not CSV"),
        ("clean,clean\na,b", ".csv", "mine: line 1: a column is named twice"),
        ("x", ".txt", "mine: .txt is not read; prompts are .jsonl or .csv"),
        (100_000 * "[" + "\n", ".jsonl", "mine: line 1: this is not a row: it is nested too deeply"),
    ],
)
def test_what_is_no_file_of_prompts_is_refused_in_one_line(content, suffix, message):
    (line,) = problems(content, suffix)
    assert line.startswith(message)


def test_a_file_of_nothing_but_faults_is_told_in_a_few_lines():
    found = problems(5000 * "{}\n")
    assert len(found) == MOST_PROBLEMS + 1
    assert found[-1] == f"mine: {10_000 - MOST_PROBLEMS:,} more like these"


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), st.lists, max_leaves=4)
    | st.dictionaries(st.sampled_from(["clean", "answer", "length", "spans", "x"]), st.integers() | st.text()),
    st.text(max_size=20),
    st.sampled_from([".jsonl", ".csv"]),
)
@settings(max_examples=25, deadline=None)
def test_whatever_a_file_holds_it_is_read_or_refused_line_by_line(value, text, suffix):
    good = "clean,answer\na,b\n" if suffix == ".csv" else '{"clean": "a", "answer": "b"}\n'
    for content in (good + json.dumps(value), good + text, text.encode("utf-8", "surrogatepass")):
        assert all(line.startswith("mine: ") for line in read_or_refused(content, suffix))


def read_or_refused(content, suffix) -> list[str]:
    try:
        assert len(parse_prompts("mine", content, suffix)) >= 1
    except HeadreuseError as error:
        return str(error).split("\n")
    return []
