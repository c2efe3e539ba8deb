"""The report as a reader sees it, in headless Chromium without a network."""

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from invented import report_inputs, small_study
from invented_series import given_inputs

from headreuse.report import ReportInputs, estimates, render
from headreuse.report.exhibits import Exhibit
from headreuse.report.page import Page, study_page
from headreuse.report.sections import Section

N_CHECKPOINTS = 6

if find_spec("playwright"):
    from playwright.sync_api import TimeoutError

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
WIDTHS = {"wide": 1280, "middle": 800, "narrow": 400}
HOSTILE = "</script><img src=x onerror=alert(1)>"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not find_spec("playwright"), reason="needs the extra `browser`: pip install 'headreuse[browser]'"
    ),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium found; on Debian: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    # Slow to import, and all tests are collected where only others run.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


class Reader:
    """A page that is open, and all that went wrong or out while it opened."""

    def __init__(self, browser, path, width: int, scheme: str = "light") -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        view = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=view, offline=True, color_scheme=scheme, accept_downloads=True)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri(), timeout=60_000)
        self.page.wait_for_function("document.body.dataset.drawn", timeout=60_000)

    def ask(self, script: str, *arguments):
        return self.page.evaluate(script, *arguments)

    def becomes(self, script: str) -> bool:
        """Whether it comes true in time."""
        try:
            self.page.wait_for_function(script, timeout=20_000)
        except TimeoutError:
            return False
        return True


def written(tmp_path_factory, inputs: ReportInputs):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(inputs), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return written(tmp_path_factory, report_inputs(n_checkpoints=N_CHECKPOINTS))


@pytest.fixture(scope="module", params=WIDTHS)
def reader(browser, report, request):
    opened = Reader(browser, report, WIDTHS[request.param])
    yield opened
    opened.context.close()


@pytest.fixture
def wide(browser, report):
    opened = Reader(browser, report, WIDTHS["wide"])
    yield opened
    opened.context.close()


def test_the_page_opens_offline_without_a_complaint_or_a_request_but_itself(reader, report):
    assert reader.complaints == []
    assert reader.requests == [report.as_uri()]


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_a_page_of_given_checkpoints_has_tables_alone_and_maps_of_many_heads(browser, tmp_path_factory, width):
    inputs = given_inputs(transfer=True, shape=(24, 36), steps=(512, 4000, 16000, 143000))
    opened = Reader(browser, written(tmp_path_factory, inputs), width)
    assert opened.complaints == []
    opened.page.locator("#accuracy-0 details[data-filled]").first.wait_for()
    rows = "document.querySelectorAll('#accuracy-0 tbody tr').length"
    assert opened.ask(rows) == len(inputs.accuracy)
    assert opened.ask("document.documentElement.scrollWidth <= window.innerWidth")
    cell = "(() => { const x = document.querySelector('#plot-ablation-0')._fullLayout.xaxis; return x._length })()"
    assert opened.ask(cell) / 36 >= (12 if width == WIDTHS["wide"] else 6)
    opened.context.close()


def test_plotly_adds_no_buttons_of_its_own(reader):
    assert reader.ask("document.querySelectorAll('.modebar-btn').length") == 0


def test_every_plot_is_drawn(reader):
    counts = reader.ask(
        "[...document.querySelectorAll('.plot')].map(plot => plot.querySelectorAll('.main-svg').length)"
    )
    inputs = report_inputs(n_checkpoints=N_CHECKPOINTS)
    assert len(counts) == 1 + sum(len(list(section.build(inputs))) for section in study_page(inputs).sections) > 10
    assert min(counts) >= 1
    assert reader.ask("document.querySelectorAll('.plot .hm, .plot .scatter .points path').length") > 100


def test_nothing_scrolls_sideways_but_tables(reader):
    assert reader.ask("document.documentElement.scrollWidth <= window.innerWidth")
    outside = """[...document.querySelectorAll('body *')]
        .filter(e => !e.closest('.scroll, svg, nav') && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 80))"""
    assert reader.ask(outside) == []


def test_every_panel_can_be_read(reader):
    """No panel is so narrow that it could not be looked at."""
    script = """[...document.querySelectorAll('.plot')].flatMap(plot =>
        Object.entries(plot._fullLayout).filter(([name]) => /^xaxis/.test(name)).map(([_, axis]) => axis._length))"""
    assert min(reader.ask(script)) >= 60


def test_nothing_is_complained_about_while_every_view_is_chosen(reader):
    script = """async () => {
        for (const control of document.querySelectorAll('[data-choice]')) {
            const values = control.type === 'range'
                ? [...Array(Number(control.max) + 1).keys()] : [...control.options].map(option => option.value);
            for (const value of values) {
                control.value = value;
                control.dispatchEvent(new Event('input', { bubbles: true }));
            }
            await new Promise(resolve => setTimeout(resolve));
        }
        return document.querySelectorAll('[data-choice]').length;
    }"""
    assert reader.ask(script) > 10
    assert reader.complaints == []


def opened_table(reader: Reader, exhibit: str) -> None:
    """Opens the first table of an exhibit and waits until it is filled."""
    reader.page.locator(f"#{exhibit} details.numbers summary").first.click()
    reader.page.locator(f"#{exhibit} details[data-filled]").first.wait_for()


def column(reader: Reader, table: str, name: str) -> list[float]:
    """Numbers of one column as they stand in a table."""
    script = """([table, name]) => {
        const headings = [...document.querySelectorAll(`#${table} th`)].filter(heading => !heading.hidden);
        const place = headings.findIndex(heading => heading.innerText.startsWith(name));
        const rows = [...document.querySelectorAll(`#${table} tbody tr`)];
        return rows.map(row => Number(row.cells[place].innerText));
    }"""
    return reader.ask(script, [table, name])


def maps_of(reader: Reader) -> list:
    return json.loads(reader.ask("JSON.stringify(document.querySelector('#plot-ablation-0').data.map(map => map.z))"))


def test_the_slider_changes_maps_titles_and_numbers(wide):
    figure = wide.page.locator("#ablation-0")
    before = maps_of(wide)
    opened_table(wide, "ablation-0")
    wide.ask("""() => {
        const slider = document.querySelector('#ablation-0 input[type=range]');
        slider.value = 0;
        slider.dispatchEvent(new Event('input', { bubbles: true }));
    }""")
    assert figure.locator("output").inner_text() == "500"
    assert maps_of(wide) != before
    assert "below the floor" in figure.locator(".plot").inner_html()
    assert figure.locator("tbody tr").count() == 3 * 8, "tasks × heads of one seed, outcome and checkpoint"
    assert "step 500" in figure.locator(".rows").inner_text()


def test_numbers_of_a_view_are_those_of_the_figure(wide):
    opened_table(wide, "ablation-0")
    shown = [value for task in maps_of(wide) for layer in task for value in layer]
    assert column(wide, "table-ablation-0-0", "effect") == pytest.approx(shown, rel=1e-2)


def test_a_click_on_a_heading_sorts_by_it_and_says_so(wide):
    table = "table-correlation-0"
    heading = wide.page.locator(f"#{table} th", has_text="value").first
    heading.locator("button").click()
    *values, first, second = column(wide, table, "value")
    assert len(values) == 2 * 4, "two groups, the four statistics of a verdict that have values, of the chosen measures"
    assert np.isnan([first, second]).all(), "the verdicts, which have no value, come last"
    assert values == sorted(values)
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.locator("button").press("Enter")
    assert column(wide, table, "value")[:-2] == sorted(values, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"


def test_panels_are_side_by_side_on_a_wide_page_and_stacked_when_it_gets_narrow(wide):
    columns = """() => {
        const layout = document.querySelector('#plot-ablation-0')._fullLayout;
        return new Set([layout.xaxis, layout.xaxis2, layout.xaxis3].map(axis => axis.domain[0])).size;
    }"""
    assert wide.ask(columns) == 3
    wide.page.set_viewport_size({"width": WIDTHS["narrow"], "height": 900})
    wide.page.wait_for_function("document.querySelector('#plot-ablation-0')._fullLayout.xaxis2.domain[0] === 0")
    assert wide.ask(columns) == 1


def test_hostile_names_run_nothing(browser, tmp_path_factory):
    study = small_study(seeds=(0,))
    group = study.groups[0]
    entry = group.auxiliary[0].model_copy(update={"task": HOSTILE})
    group = group.model_copy(update={"name": HOSTILE, "auxiliary": (entry, *group.auxiliary[1:])})
    inputs = report_inputs(study.model_copy(update={"name": HOSTILE, "groups": (group,)}), n_checkpoints=2)
    opened = Reader(browser, written(tmp_path_factory, inputs), WIDTHS["wide"])
    assert opened.complaints == []
    assert len(opened.requests) == 1
    assert opened.ask("document.querySelectorAll('img, [onerror]').length") == 0
    assert HOSTILE in opened.ask("document.querySelector('#plot-accuracy-0 .legend').textContent")
    opened.context.close()


def test_a_figure_without_panels_or_height_is_drawn(browser, tmp_path_factory):
    """As somebody who adds an exhibit may give it."""
    own = Exhibit("own", "Own", "One bar.", go.Figure(go.Bar(x=["a"], y=[1])), ())
    section = Section("own", "Own", "What is mine?", "A bar.", lambda _: iter([own]))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(report_inputs(n_checkpoints=2), Page([section], [], [])), encoding="utf-8")
    opened = Reader(browser, path, WIDTHS["wide"])
    assert opened.complaints == []
    assert opened.ask("document.querySelectorAll('#plot-own .bars .point').length") == 1
    opened.context.close()


def test_a_run_without_heads_that_matter_draws_the_others(browser, tmp_path_factory):
    """Empty panels must not reach the browser as lines without coordinates."""
    inputs = report_inputs(n_checkpoints=2)
    scores = inputs.head_scores
    few = scores["effect"].where((scores["seed"] == 1) | ((scores["layer"] == 0) & (scores["head"] == 0)), -1.0)
    given = report_inputs(n_checkpoints=2, head_scores=scores.assign(effect=few))
    opened = Reader(browser, written(tmp_path_factory, given), WIDTHS["wide"])
    assert opened.complaints == []
    opened.context.close()


# Looks


LEGENDS_AND_TITLES = """() => [...document.querySelectorAll('.plot')].flatMap(plot => {
    const texts = [...plot.querySelectorAll('.legendtext, .annotation-text, .gtitle, .xtitle, .ytitle')];
    const seen = texts.filter(text => text.textContent.trim());
    const boxes = seen.map(text => [text.textContent, text.getBoundingClientRect()]);
    return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
        p.left < q.right - 2 && q.left < p.right - 2 && p.top < q.bottom - 3 && q.top < p.bottom - 3)
        .map(([b, _]) => `${plot.id}: ${a} | ${b}`));
})"""
"""Pairs of texts of one figure that lie on each other, but for a few pixels of their boxes."""


def test_no_legend_title_or_remark_lies_on_another(reader):
    assert reader.ask("document.querySelectorAll('.legendtext').length") > 20
    assert reader.ask(LEGENDS_AND_TITLES) == []


LABELS = LEGENDS_AND_TITLES.replace(".legendtext, .annotation-text, .gtitle, .xtitle, .ytitle", ".textpoint text")


@pytest.mark.parametrize("width", [600, 1000])
def test_labels_of_estimates_leave_each_other_room_where_groups_have_long_names(browser, tmp_path_factory, width):
    inputs = report_inputs(n_checkpoints=2)
    long = inputs.correlation.assign(group=inputs.correlation["group"] + "-4-8-with_other_heads")
    section = Section("own", "Own", "Own", "", estimates.forest)
    path = tmp_path_factory.mktemp("report") / "report.html"
    given = replace(inputs, correlation=long)
    path.write_text(render(given, Page([section], [], [])), encoding="utf-8")
    opened = Reader(browser, path, width)
    assert opened.ask("document.querySelectorAll('.textpoint text').length") >= 2 * 5
    assert opened.ask(LABELS) == []
    opened.context.close()


def test_no_text_of_a_figure_is_cut_off(reader):
    """Texts outside of the drawing are not seen."""
    cut = """() => [...document.querySelectorAll('.plot')].flatMap(plot => {
        const whole = plot.getBoundingClientRect();
        const kinds = '.legendtext, .annotation-text, .xtitle, .ytitle, .xtick text, .ytick text';
        return [...plot.querySelectorAll(kinds)].map(text => [text.textContent, text.getBoundingClientRect()])
            .filter(([_, box]) => box.width && (box.left < whole.left - 1 || box.right > whole.right + 1))
            .map(([text, _]) => `${plot.id}: ${text}`);
    })"""
    assert reader.ask(cut) == []


CONTRASTS = """() => {
    const numbers = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
    const part = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = numbers(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
        }
    };
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
        const isSvg = element.closest('svg') !== null;
        if (element.closest('script, noscript, .heatmap-label, .hoverlayer')) continue;
        if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
        const box = element.getBoundingClientRect();
        if (!box.width || !box.height) continue;
        const style = getComputedStyle(element);
        const a = light(numbers(isSvg ? style.fill : style.color));
        const b = light(behind(isSvg ? element.closest('.plot') : element));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) found.push([element.textContent.trim().slice(0, 40), style.fill, style.color, ratio]);
    }
    return found;
}"""
"""Texts with less contrast than the 4.5 that WCAG 2.2 AA asks for (1.4.3), but for those that stand on heat maps."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast_enough(browser, report, scheme):
    opened = Reader(browser, report, WIDTHS["wide"], scheme)
    background = opened.ask("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 27)"}[scheme]
    assert opened.ask(CONTRASTS) == []
    assert opened.complaints == []
    opened.context.close()


def test_figures_turn_dark_and_light_with_the_page_and_print_light(browser, report):
    opened = Reader(browser, report, WIDTHS["wide"], "dark")

    def all_on(paper: str) -> bool:
        """Figures are drawn anew one after the other, so a test has to wait for them."""
        drawings = "[...document.querySelectorAll('.plot .main-svg:first-child')]"
        return opened.becomes(f"{drawings}.every(drawing => drawing.style.background === '{paper}')")

    dark, light = "rgb(18, 22, 27)", "rgb(255, 255, 255)"
    assert all_on(dark)
    opened.page.emulate_media(color_scheme="light")
    assert all_on(light)
    opened.page.emulate_media(color_scheme="dark")
    assert all_on(dark)
    opened.ask("dispatchEvent(new Event('beforeprint')) && 0")
    assert all_on(light)
    opened.ask("dispatchEvent(new Event('afterprint')) && 0")
    assert all_on(dark)
    opened.context.close()


def test_a_printed_page_has_every_section_even_if_it_was_folded(wide, tmp_path):
    wide.ask("document.querySelector('#heads details').open = false")
    file = tmp_path / "report.pdf"
    wide.page.pdf(path=file, format="A4")
    assert file.stat().st_size > 100_000
    assert wide.ask("document.querySelector('#heads details').open")


# By keyboard


def test_every_control_can_be_reached_and_used_by_keyboard(wide):
    places = """[...document.querySelectorAll('a[href], button, select, input, summary, [tabindex="0"]')]
        .filter(e => e.tabIndex < 0 && e.offsetParent !== null).map(e => e.outerHTML.slice(0, 80))"""
    assert wide.ask(places) == []
    before = maps_of(wide)
    slider = wide.page.locator("#ablation-0 input[type=range]")
    slider.focus()
    slider.press("Home")
    assert maps_of(wide) != before
    fold = wide.page.locator("#heads > details > summary")
    fold.focus()
    fold.press("Enter")
    assert not wide.ask("document.querySelector('#heads > details').open")
    fold.press("Space")
    assert wide.ask("document.querySelector('#heads > details').open")


def test_a_link_to_a_figure_opens_the_section_that_holds_it(browser, report):
    opened = Reader(browser, report, WIDTHS["wide"])
    opened.ask("document.querySelector('#heads > details').open = false")
    opened.ask("location.hash = '#ablation-1'")
    assert opened.becomes("document.querySelector('#heads > details').open")
    assert opened.becomes("Math.abs(document.querySelector('#ablation-1').getBoundingClientRect().top) < 200")
    opened.context.close()


# What a reader takes along


def downloaded(reader: Reader, exhibit: str, kind: str, tmp_path):
    with reader.page.expect_download() as download:
        reader.page.locator(f"#{exhibit} [data-save={kind}]").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_figure_is_taken_along_as_svg_png_and_csv(wide, tmp_path):
    svg = downloaded(wide, "ablation-0", "svg", tmp_path)
    assert svg.name == "small_ablation-0.svg".replace("small_", f"{small_study().name}-")
    assert "capitalize" in svg.read_text(encoding="utf-8")
    png = downloaded(wide, "ablation-0", "png", tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    rows = pd.read_csv(downloaded(wide, "ablation-0", "csv", tmp_path))
    inputs = report_inputs(n_checkpoints=N_CHECKPOINTS)
    expected = inputs.of_group("head_scores", inputs.study.groups[0])
    assert len(rows) == len(expected)
    np.testing.assert_allclose(rows["effect"], expected["effect"], rtol=1e-3, atol=1e-9)


def test_a_figure_that_is_taken_along_from_a_dark_page_is_light(browser, report, tmp_path):
    opened = Reader(browser, report, WIDTHS["wide"], "dark")
    assert "rgb(18, 22, 27)" not in downloaded(opened, "ablation-0", "svg", tmp_path).read_text(encoding="utf-8")
    opened.context.close()
