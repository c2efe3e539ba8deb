"""Records show themselves: short in a terminal, in a notebook as a picture with every head at its place.

Covers `records/__init__.py`, `records/colours.py`, `records/drawing.py`, `records/pictures.py` and `records/shown.py`.
"""

import base64
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from headreuse.interventions.head_sets import SetScores
from headreuse.interventions.transplant import Transplants
from headreuse.overlap.compare import Overlap
from headreuse.records import (
    ATTENTION,
    OUTCOMES,
    Checkpoint,
    Evaluation,
    Head,
    HeadScores,
    MeanPattern,
    Prompts,
    Role,
    Synergy,
)
from headreuse.records.colours import as_hex, ink_on, share_colours, signed_colours
from headreuse.records.drawing import Map, png
from headreuse.sources.series.base import Entry
from headreuse.sources.series.opening import MOST_ROWS, CheckpointSeries, SeriesCheckpoint
from headreuse.tables.differences import Estimate

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('a')</script> & \"b\""
EFFECTS = np.array([[0.0, 0.5, -0.25, 0.1], [0.0, np.nan, 1.0, 0.02]])


def scores(effects=EFFECTS, n_prompts=100, task="copy", **more) -> HeadScores:
    by_outcome = {outcome: np.repeat(effects[..., None], n_prompts, axis=-1) for outcome in OUTCOMES}
    baseline = {outcome: np.ones(n_prompts) for outcome in OUTCOMES}
    return HeadScores(task, 4, "mean_ablation", baseline, by_outcome, **more)


def prompts(task="copy") -> Prompts:
    roles = np.tile([Role.BOS, *[Role.INPUT] * 3, Role.SEPARATOR, *[Role.ANSWER] * 4], (100, 1))
    return Prompts(task, np.zeros((100, 9), int), None, roles, roles == Role.ANSWER, np.full(100, 3))


def pattern(task="copy", shape=(2, 3, 5, 5), **more) -> MeanPattern:
    return MeanPattern(task, 4, 100, ("BOS", "INPUT", "INPUT", "SEPARATOR", "ANSWER"), np.full(shape, 0.2), **more)


def checkpoint(step=1000, place="out/checkpoint-1000", tokens=None) -> SeriesCheckpoint:
    return SeriesCheckpoint(Entry("", "checkpoint", step, tokens, "ab" * 32, place), origin=None)


def every_record(task: str) -> list[object]:
    sets = (frozenset({Head(0, 0)}), frozenset({Head(1, 1)}))
    by_prompt = {outcome: np.zeros(500) for outcome in OUTCOMES}
    by_set = {outcome: np.zeros((2, 500)) for outcome in OUTCOMES}
    square = {outcome: np.zeros((8, 8)) for outcome in OUTCOMES}
    heads = tuple(Head(layer, index) for layer in range(2) for index in range(4))
    series = CheckpointSeries((checkpoint(place=task),), (replace(checkpoint(place=task).entry, problem=task),))
    return [
        *(scores(task=task), prompts(task), pattern(task), Checkpoint(Path(task), 10, "ab" * 32)),
        *(Evaluation(task, 4, by_prompt), Synergy(task, 4, heads, square, square)),
        *(Transplants(task, 4, "z", sets, 4, by_prompt, by_prompt, by_set), Overlap(task, 0.5), Estimate(0.5)),
        *(SetScores(task, 4, "mean", "each", sets, by_prompt, by_set), checkpoint(place=task), series),
    ]


def svg(record) -> ElementTree.Element:
    return ElementTree.fromstring(record._repr_svg_())


def cells(root: ElementTree.Element) -> dict[str, str]:
    """The colour of each named cell."""
    return {
        title.text: cell.get("fill")
        for cell in root.iter(f"{SVG}rect")
        if (title := cell.find(f"{SVG}title")) is not None
    }


def texts(root: ElementTree.Element) -> list[str]:
    return [entry.text for entry in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("place", range(len(every_record("copy"))))
def test_a_record_is_one_short_line_and_its_names_are_never_markup(place):
    assert len(repr(every_record("copy")[place])) < 500
    hostile = every_record(HOSTILE)[place]
    html = hostile._repr_html_()
    assert "<script" not in html
    assert ElementTree.fromstring(f"<div>{html}</div>") is not None, "well formed"
    assert ("&lt;script&gt;" in html) == (not isinstance(hostile, Estimate)), "it has no name"


def test_every_head_is_at_its_place_with_its_number_and_colour():
    found = cells(svg(scores()))
    helps, harms = signed_colours(np.array([0.5, -0.25]), 1.0)
    assert found["layer 0, head 1: 0.50"] == as_hex(helps)
    assert found["layer 0, head 2: −0.25"] == as_hex(harms)
    assert helps[0] > helps[2], "red"
    assert harms[0] < harms[2], "blue"
    assert found["layer 1, head 2: 1.00"] == "#67001f"
    assert found["layer 1, head 1: –"] == "#d9dde2"
    assert len(found) == 8
    boxes = [cell for cell in svg(scores()).iter(f"{SVG}rect") if cell.find(f"{SVG}title") is not None][:8]
    at = {cell.find(f"{SVG}title").text: (float(cell.get("y")), float(cell.get("x"))) for cell in boxes}
    assert sorted(at, key=at.get) == list(found), "rows are layers, columns heads"


def test_a_map_says_its_sign_its_size_and_the_heads_that_matter_most():
    said = texts(svg(scores()))
    assert said[0] == "copy · mean_ablation · length 4 · 100 prompts"
    assert any(line.startswith("Positive, red: the head helps") for line in said)
    assert "exact match: most 1.2 (1.00), 0.1 (0.50), 0.3 (0.10)" in said
    assert {"−1.00", "1.00"} <= set(said), "the ends of the colour bar"
    assert "not drawn: right tokens, logit difference" in said


def test_heads_that_a_task_may_not_use_are_grey():
    of_task = scores(np.ones((2, 4))).confined_to((1, 2))
    found = cells(svg(of_task))
    assert {name for name, colour in found.items() if colour == "#d9dde2"} == {
        f"layer {layer}, head {head}: –" for layer in (0, 1) for head in (0, 3)
    }
    assert "Grey: the task may not use the head." in texts(svg(of_task))


def test_a_share_of_attention_has_no_sign():
    shares = np.array([[0.0, 1.0]])
    of_patterns = replace(scores(shares, n_prompts=4), effects={ATTENTION: np.repeat(shares[..., None], 4, axis=-1)})
    assert cells(svg(of_patterns)) == {"layer 0, head 0: 0": "#440154", "layer 0, head 1: 1.00": "#fde725"}
    assert not any("red" in line for line in texts(svg(of_patterns)))


def test_a_map_that_is_0_everywhere_says_so():
    assert "0 everywhere" in texts(svg(scores(np.zeros((2, 4)))))
    assert "exact match: no head above 0" in texts(svg(scores(np.zeros((2, 4)))))


def test_numbers_of_a_large_map_are_shown_by_the_pointer_alone():
    root = svg(scores(np.full((12, 32), 0.5)))
    assert "layer 11, head 31: 0.50" in cells(root)
    assert texts(root).count("0.50") == 2, "at the end of each of two colour bars"
    assert len(scores(np.full((24, 32), 0.5))._repr_svg_()) < 250_000


def test_pairs_of_heads_stand_under_their_names():
    values = np.full((2, 2), 0.5)
    np.fill_diagonal(values, np.nan)
    found = cells(svg(Synergy("copy", 4, (Head(0, 1), Head(3, 2)), {"log_prob": values}, {"log_prob": values})))
    assert list(found) == ["0.1, 0.1: –", "0.1, 3.2: 0.50", "3.2, 0.1: 0.50", "3.2, 3.2: –"]


def pixels(record: MeanPattern, head: str) -> np.ndarray:
    """The picture of one head's pattern, read back."""
    images = {entry.find(f"{SVG}title").text: entry.get("href") for entry in svg(record).iter(f"{SVG}image")}
    return decoded(base64.b64decode(images[head].partition(",")[2]))


def decoded(file: bytes) -> np.ndarray:
    width, height = struct.unpack(">II", file[16:24])
    start = file.index(b"IDAT") + 4
    (size,) = struct.unpack(">I", file[start - 8 : start - 4])
    rows = np.frombuffer(zlib.decompress(file[start : start + size]), np.uint8).reshape(height, 3 * width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_a_pattern_is_drawn_head_by_head_with_later_positions_grey():
    values = np.zeros((2, 3, 5, 5))
    values[1, 2, 4, 0] = 1
    found = pixels(replace(pattern(), pattern=values), "head 1.2")
    size = len(found) // 5
    small = found[size // 2 :: size, size // 2 :: size]
    assert [as_hex(small[4, 0]), as_hex(small[4, 1]), as_hex(small[0, 4])] == ["#fde725", "#440154", "#d9dde2"]
    assert "BOS · 2 × input · separator · answer" in " ".join(texts(svg(pattern())))
    assert (pixels(pattern(heads=(0, 1)), "head 0.2") == list(bytes.fromhex("d9dde2"))).all()
    assert not (pixels(pattern(heads=(0, 1)), "head 0.1") == list(bytes.fromhex("d9dde2"))).all()


def test_patterns_of_a_large_model_on_long_prompts_stay_small():
    generator = np.random.default_rng(0)
    large = replace(pattern(), pattern=generator.random((12, 12, 120, 120)), layout=("INPUT",) * 120)
    assert len(large._repr_svg_()) < 1_000_000
    assert len(list(svg(large).iter(f"{SVG}image"))) == 144


def test_a_png_comes_back_as_it_went_in():
    drawn = np.random.default_rng(0).integers(256, size=(3, 5, 3)).astype(np.uint8)
    np.testing.assert_array_equal(decoded(png(drawn)), drawn)


@pytest.mark.parametrize(
    "colours", [signed_colours(np.linspace(-1, 1, 101), 1.0), share_colours(np.linspace(0, 1, 101))]
)
def test_numbers_can_be_read_on_every_colour(colours):
    def luminance(colour: str) -> float:
        parts = np.array(list(bytes.fromhex(colour[1:]))) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for colour in colours:
        low, high = sorted((luminance(as_hex(colour)), luminance(ink_on(colour))))
        assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("limit", "value", "written"),
    [(1.0, 0.5, "0.50"), (0.05, 0.0123, "0.012"), (12.3, 4.0, "4.0"), (250.0, -12.4, "−12"), (1.0, 0.001, "0")],
)
def test_numbers_are_as_short_as_the_largest_allows(limit, value, written):
    assert Map("", np.array([[limit]]), ["a"], ["b"]).written(value) == written


def test_a_series_is_a_table_of_its_checkpoints_and_of_those_left_out():
    steps = range(1, 101)
    left_out = Entry("", "broken", 7, None, "", "out/broken", problem="truncated")
    html = CheckpointSeries(tuple(checkpoint(step, tokens=step * 10) for step in steps), (left_out,))._repr_html_()
    assert html.count("<tr>") == MOST_ROWS + 1 + 3, "with both heads and what is left out"
    assert "60 more" in html
    assert re.search(r"100</td><td[^>]*>1,000</td><td[^>]*>abababababab</td>", html)
    assert "out/broken</td>" in html
    assert "truncated" in html


def test_showing_records_loads_neither_plotly_nor_torch():
    check = "import sys, headreuse.records; print(sorted({'plotly', 'torch', 'IPython'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
