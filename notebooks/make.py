"""Run the notebooks from top to bottom and keep what they show: python notebooks/make.py [NAME …]

Needs the extra `notebook`. Plotly's figures are kept as SVG where kaleido and a Chromium are there (the extra `png`),
else as data that Jupyter draws. Ends with status 1 where a notebook takes two minutes of processor time or more, or
where its file would have 400 KB or more; such a file is not written.
"""

import os
import re
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
MOST_SECONDS, MOST_BYTES = 120, 400_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def main(names: list[str]) -> None:
    """Run these notebooks, or all of them."""
    os.environ["PLOTLY_RENDERER"] = renderer()
    found = {path.stem: path for path in sorted(HERE.glob("*.ipynb"))}
    if unknown := [name for name in names if name not in found]:
        sys.exit(f"no notebook {', '.join(unknown)}; there are {', '.join(found)}")
    too_large = [line for name in names or found if (line := made(found[name]))]
    sys.exit("\n".join(too_large) or 0)


def renderer() -> str:
    """How Plotly's figures are kept."""
    try:
        import kaleido  # noqa: F401
    except ImportError:
        return "plotly_mimetype"
    browser = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return "plotly_mimetype"
    os.environ["BROWSER_PATH"] = browser
    return "svg"


def made(path: Path) -> str:
    """Run one notebook and write it back; what is wrong with its time or size, empty where nothing is."""
    notebook = nbformat.read(path, as_version=4)
    start, cpu = time.perf_counter(), _processor_time()
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    seconds, cpu = time.perf_counter() - start, _processor_time() - cpu
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [kept(output) for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata.pop("language_info", None)
    content = nbformat.writes(notebook)
    size = len(content.encode())
    print(f"{path.name}: {seconds:.0f} s, {cpu:.0f} s of processor time, {size / 1000:.0f} KB", flush=True)
    if size >= MOST_BYTES:
        return f"{path.name}: {size} bytes, and may have {MOST_BYTES}; keep fewer or smaller pictures"
    path.write_text(content + "\n")
    return f"{path.name}: {cpu:.0f} s, and may take {MOST_SECONDS}; do less in it" if cpu >= MOST_SECONDS else ""


def _processor_time() -> float:
    """Seconds that finished kernels have used, of one core."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kept(output: Any) -> Any:
    """An output without what it holds twice, or would differ at each run: a picture is kept as an SVG alone."""
    content = output.get("data", {})
    if "image/svg+xml" in content:
        content.pop("text/html", None)
        content["image/svg+xml"] = re.sub(r"\s*\n\s*", " ", content["image/svg+xml"])
    output.get("metadata", {}).clear()
    for kind in ("text/plain", "text/html"):
        # Where temporary folders lie says nothing, and pandas' style sheet is the reader's own.
        if kind in content:
            content[kind] = re.sub(r"/[^\s'\"<>]*/tmp\w*|/tmp/tmp\w*", "…", content[kind])
            content[kind] = re.sub(r"<style scoped>.*?</style>\n?", "", content[kind], flags=re.DOTALL)
    if "text" in output:
        output["text"] = re.sub(r"/tmp/tmp\w*", "…", output["text"])
    return output


if __name__ == "__main__":
    main(sys.argv[1:])
