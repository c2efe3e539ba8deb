"""`headreuse figure`: the figures of a run folder by name, written as PDF, SVG or PNG; and what can be wrong with that.

Covers `report/printing.py`, `report/catalogue.py` and `command/figures.py`. What needs a browser is marked so.
"""

import re
import struct
import sys
from contextlib import suppress
from importlib.util import find_spec

import plotly.graph_objects as go
import pytest
from command_line import headreuse
from invented import report_inputs, small_study
from plotly.offline import get_plotlyjs

import headreuse as package
from headreuse.errors import HeadreuseError
from headreuse.figures.fitted import TooNarrowError
from headreuse.figures.paper import for_paper
from headreuse.figures.views import with_view
from headreuse.report import catalogue, printing, publishing
from headreuse.report.catalogue import AT_A_GLANCE, entries, exhibit_named
from headreuse.report.printing import Size, browser, save_figure
from headreuse.report.sections import sections_of
from headreuse.store.folder import RunFolder


@pytest.fixture(scope="module")
def inputs():
    return report_inputs(n_checkpoints=2)


@pytest.fixture
def folder(tmp_path, monkeypatch, inputs):
    """A run folder whose report would be made from invented tables, and the current folder beside it."""
    monkeypatch.setattr(publishing, "report_inputs", lambda folder: inputs)
    monkeypatch.chdir(tmp_path)
    return RunFolder.create(tmp_path / "run", small_study(), command="test").root


def told_last(err: str) -> str:
    """After what is missing in the run folder."""
    return err.splitlines()[-1]


@pytest.fixture
def few_sections(monkeypatch, inputs):
    """One quick section alone, since a test of names needs no other figures."""
    kept = [section for section in sections_of(inputs.study) if section.id == "stability"]
    monkeypatch.setattr(catalogue, "sections_of", lambda study: kept)
    monkeypatch.setattr(catalogue, "overview", lambda inputs: None)


@pytest.mark.parametrize(
    ("text", "inches"),
    [("3.25in", 3.25), ("8.255cm", 3.25), ("82.55 mm", 3.25), ("234pt", 3.25), ("312PX", 3.25), ("4.in", 4)],
)
def test_a_length_is_in_one_of_five_units(text, inches):
    assert Size.of(text).inches == pytest.approx(inches)


@pytest.mark.parametrize("text", ["3.25", "wide", "-3in", "3,25in", "3 feet", "", "1e3in", "nanin"])
def test_what_is_no_length_is_told_with_one_that_is(text):
    with pytest.raises(HeadreuseError, match=r"^height: .* is no length; give a number and one of in, cm, mm, pt, px"):
        Size.of(text, "height")


@pytest.mark.parametrize("text", ["0in", "0.5cm", "5000px"])
def test_a_length_that_no_paper_has_is_told_with_those_it_may_have(text):
    with pytest.raises(HeadreuseError, match="give 1in to 48in"):
        Size.of(text)


@pytest.mark.slow
def test_every_figure_of_the_report_is_listed_by_its_group(inputs):
    found = {entry.name: entry for entry in entries(inputs)}
    built = [exhibit.id for section in sections_of(inputs.study) for exhibit in section.build(inputs) if exhibit.figure]
    assert [entry.id for entry in found.values()] == ["overview", *built]
    for number, group in enumerate(inputs.study.groups):
        assert found[f"accuracy-{group.name}"].id == f"accuracy-{number}"
    assert found["correlation"].group is None


def test_a_figure_by_name_is_that_of_the_report(inputs, few_sections):
    of_report = {
        exhibit.id: exhibit for section in catalogue.sections_of(inputs.study) for exhibit in section.build(inputs)
    }
    name = f"stability-{inputs.study.groups[1].name}"
    assert exhibit_named(inputs, name).figure.to_json() == of_report["stability-1"].figure.to_json()


def test_the_list_names_each_figure_and_what_it_shows(folder, few_sections):
    status, out, _ = headreuse("figure", folder)
    assert status == 0
    assert out.splitlines()[-1] == "stability-copy_control\tHow stable is training?"
    assert len(out.splitlines()) == len(small_study().groups)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["stabilty"], r"no figure 'stabilty' \(did you mean 'stability'\?\); choose from: stability-"),
        (["stability"], r"'stability' may be stability-\w+ or .*stability-copy_control; give one of these"),
        (["stability-copy_control", "--width", "3"], "width: '3' is no length; give a number and one of in, "),
        (["stability-copy_control", "--height", "tall"], "height: 'tall' is no length"),
        (
            ["stability-copy_control", "--format", "pfd"],
            r"'pfd' is no format \(did you mean 'pdf'\?\); give pdf, ",
        ),
        (["stability-copy_control", "--out", "a.jpg"], "--out a.jpg: give a name that ends in .pdf or .svg or .png"),
        (["stability-copy_control", "--out", "a.pdf", "--format", "svg"], "--out a.pdf: give a name that ends in .svg"),
        (["stability-copy_control", "--choose", "step"], "--choose 'step' has no value; give NAME=VALUE"),
        (["stability-copy_control", "--choose", "a=1", "--choose", "a=2"], "--choose a is given twice"),
        (["stability-copy_control", "--choose", "stp=1"], "no choice 'stp'; choose from: it has none"),
        (["stability-copy_control", "--height", "1in"], "a height of 1in is too low; give at least "),
    ],
)
def test_a_mistake_is_told_in_one_line(folder, few_sections, monkeypatch, arguments, told):
    monkeypatch.setattr(printing, "find_spec", lambda name: object())
    monkeypatch.setenv("BROWSER_PATH", sys.executable)
    status, out, err = headreuse("figure", folder, *arguments)
    assert (status, out) == (2, "")
    assert re.match(f"headreuse: {told}", told_last(err))
    assert not list(folder.parent.glob("*.*"))


def test_without_kaleido_one_line_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setattr(printing, "find_spec", lambda name: None)
    status, _, err = headreuse("figure", folder, "stability-copy_control")
    assert status == 2
    told = "headreuse: figures are drawn by kaleido, which is not installed: pip install 'headreuse[png]'"
    assert told_last(err) == told


def test_without_a_browser_one_line_says_how_to_get_one(folder, monkeypatch):
    monkeypatch.setattr(printing, "find_spec", lambda name: object())
    monkeypatch.setattr(printing, "_installed_elsewhere", lambda: None)
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    monkeypatch.setenv("PATH", str(folder))
    status, _, err = headreuse("figure", folder, "stability-copy_control")
    assert status == 2
    told = "headreuse: figures are drawn in a Chromium or Chrome, and none was found: install one"
    assert told_last(err).startswith(told)


def test_a_browser_is_looked_for_at_browser_path_and_then_on_the_path(tmp_path, monkeypatch):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BROWSER_PATH", sys.executable)
    assert browser() == sys.executable
    monkeypatch.delenv("BROWSER_PATH")
    assert browser() == str(program)
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "gone"))
    with pytest.raises(HeadreuseError, match=r"BROWSER_PATH: .*gone is no program; give the path of a Chromium"):
        browser()


drawn = [
    pytest.mark.browser,
    pytest.mark.skipif(not find_spec("kaleido"), reason="needs the extra `png`: pip install 'headreuse[png]'"),
]


def drawn_test(function):
    for mark in drawn:
        function = mark(function)
    return function


@drawn_test
def test_a_pdf_has_one_page_of_the_width_that_was_asked_for_and_says_what_it_shows(folder):
    status, out, err = headreuse("figure", folder, "ablation-copy_control", "--choose", "seed=1", "--width", "8.5cm")
    assert (status, out) == (0, "ablation-copy_control.pdf\n")
    assert re.match("ablation-copy_control: outcome=.*, seed=1, step=", told_last(err))
    content = (folder.parent / "ablation-copy_control.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    boxes = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert len(boxes) == 1
    assert float(boxes[0][0]) == pytest.approx(8.5 / 2.54 * 72, abs=0.5)


@drawn_test
def test_the_same_figure_gives_the_same_svg_and_a_png_knows_how_large_it_is_printed(tmp_path, inputs, few_sections):
    figure = exhibit_named(inputs, "stability-copy_control").figure
    texts = [package.save_figure(figure, tmp_path / f"{n}.svg").read_text() for n in range(2)]
    assert texts[0] == texts[1]
    assert re.match(r'<svg[^>]* width="312" ', texts[0])
    assert "main's training" in texts[0].replace("&#39;", "'")
    for width, pixels, per_inch in (("3.25in", 975, 300), ("400px", 400, 96)):
        png = save_figure(figure, tmp_path / "a.png", width=width).read_bytes()
        assert struct.unpack(">I", png[16:20]) == (pixels,)
        assert png[37:41] == b"pHYs"
        assert struct.unpack(">I", png[41:45])[0] * 0.0254 == pytest.approx(per_inch, abs=0.05)


def each_figure(inputs):
    """Every figure of the report that fits one column, and both columns, of a paper."""
    for section in [AT_A_GLANCE, *sections_of(inputs.study)]:
        for exhibit in section.build(inputs):
            for width in (3.25, 6.75):
                if exhibit.figure is not None:
                    with suppress(TooNarrowError):
                        yield for_paper(with_view(exhibit.figure, {}), width), (exhibit.id, width)


DRAW = """
text => {
  const { data, layout } = JSON.parse(text);
  return Plotly.newPlot("plot", data, layout, { staticPlot: true });
}
"""
OVERLAPPING = r"""
() => {
  const isSlanted = text => /rotate\(-?(?!0|90)\d/.test(text.getAttribute("transform") || "");
  const all = [...document.querySelectorAll("#plot text")].filter(text => text.textContent.trim());
  const texts = all.filter(text => !isSlanted(text));
  const boxes = texts.map(text => [text.getBoundingClientRect(), text.textContent]);
  const { width, height } = document.querySelector("#plot .main-svg").getBoundingClientRect();
  const isCut = box => Math.min(box.left, box.top) < -0.5 || box.right > width + 0.5 || box.bottom > height + 0.5;
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2.5;
  const names = found => found.map(([, name]) => name);
  const both = boxes.map(([a, name], i) => [name, ...names(boxes.slice(0, i).filter(([b]) => meet(a, b)))]);
  return { cut: names(boxes.filter(([box]) => isCut(box))), both: both.filter(found => found.length > 1) };
}
"""


@pytest.mark.browser
@pytest.mark.skipif(not find_spec("playwright"), reason="needs the extra `browser`: pip install 'headreuse[browser]'")
def test_no_text_of_any_figure_is_cut_or_lies_on_another(inputs):
    from playwright.sync_api import sync_playwright

    printed = {}
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox", "--disable-gpu"])
        page = opened.new_page(viewport={"width": 1000, "height": 1400})
        page.set_content('<body style="margin: 0"><div id="plot"></div></body>')
        page.add_script_tag(content=get_plotlyjs())
        for figure, place in each_figure(inputs):
            page.evaluate(DRAW, figure.to_json())
            printed[place] = page.evaluate(OVERLAPPING)
        opened.close()
    assert len(printed) > 25
    assert {place: found for place, found in printed.items() if found["cut"] or found["both"]} == {}


@drawn_test
def test_a_browser_that_does_not_work_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/bin/false")
    with pytest.raises(
        HeadreuseError, match=r"^/bin/false: could not draw the figure: .*; set BROWSER_PATH to another$"
    ):
        save_figure(go.Figure(go.Scatter(x=[1], y=[1])), tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())
