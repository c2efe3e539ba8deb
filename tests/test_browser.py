"""The report as a reader sees it, in headless Chromium without a network."""

import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from invented import report_inputs, small_study
from invented_series import given_inputs

from headreuse.report import ReportInputs, render
from headreuse.report.page import study_page

N_CHECKPOINTS = 6

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
WIDTHS = {"wide": 1280, "narrow": 400}
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

    def __init__(self, browser, path, width: int) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri(), timeout=60_000)
        self.page.wait_for_function("document.body.dataset.drawn", timeout=60_000)

    def ask(self, script: str, *arguments):
        return self.page.evaluate(script, *arguments)


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
    rows = "document.querySelectorAll('#accuracy-0 tbody tr').length"
    assert opened.ask(rows) == len(inputs.accuracy)
    assert opened.ask("document.documentElement.scrollWidth <= window.innerWidth")
    cell = "(() => { const x = document.querySelector('#plot-ablation-0')._fullLayout.xaxis; return x._length })()"
    assert opened.ask(cell) / 36 >= (12 if width == WIDTHS["wide"] else 6)
    opened.context.close()


def test_no_button_sends_a_figure_away(reader):
    titles = "[...document.querySelectorAll('.modebar-btn')].map(button => button.getAttribute('aria-label'))"
    assert set(reader.ask(titles)) == {
        "Download plot as a PNG", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"
    }  # fmt: skip


def test_every_plot_is_drawn(reader):
    counts = reader.ask(
        "[...document.querySelectorAll('.plot')].map(plot => plot.querySelectorAll('.main-svg').length)"
    )
    inputs = report_inputs(n_checkpoints=N_CHECKPOINTS)
    assert len(counts) == sum(len(list(section.build(inputs))) for section in study_page(inputs).sections) > 10
    assert min(counts) >= 1
    assert reader.ask("document.querySelectorAll('.plot .hm, .plot .scatter .points path').length") > 100


def test_nothing_scrolls_sideways_but_tables(reader):
    assert reader.ask("document.documentElement.scrollWidth <= window.innerWidth")
    outside = """[...document.querySelectorAll('body *')]
        .filter(e => !e.closest('.scroll, svg, .modebar-container') && e.getBoundingClientRect().right > innerWidth + 1)
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
    figure.locator("summary").click()
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
    wide.page.locator("#ablation-0 summary").click()
    shown = [value for task in maps_of(wide) for layer in task for value in layer]
    assert column(wide, "table-ablation-0-0", "effect") == pytest.approx(shown, rel=1e-2)


def test_a_click_on_a_heading_sorts_by_it_and_says_so(wide):
    table = "table-correlation-0"
    heading = wide.page.locator(f"#{table} th", has_text="value").first
    heading.locator("button").click()
    *values, first, second = column(wide, table, "value")
    assert len(values) == 2 * 6, "two groups, six statistics, of the chosen measures"
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


def test_a_run_without_heads_that_matter_draws_the_others(browser, tmp_path_factory):
    """Empty panels must not reach the browser as lines without coordinates."""
    inputs = report_inputs(n_checkpoints=2)
    scores = inputs.head_scores
    few = scores["effect"].where((scores["seed"] == 1) | ((scores["layer"] == 0) & (scores["head"] == 0)), -1.0)
    given = report_inputs(n_checkpoints=2, head_scores=scores.assign(effect=few))
    opened = Reader(browser, written(tmp_path_factory, given), WIDTHS["wide"])
    assert opened.complaints == []
    opened.context.close()
