"""What stays of the Hub's files on the disk, and what goes.

Covers `sources/series/cache.py` and `sources/series/eviction.py`.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_server import HubServer

from headreuse.errors import HeadreuseError
from headreuse.sources.series.cache import cache_folder, in_words, size_in_bytes
from headreuse.sources.series.eviction import kept_size
from headreuse.sources.series.hub import HubOrigin

REPO = "lab/tiny"
SIZE = 100_000
"""Of the weights of each revision, in bytes; configuration and tokenizer, which all share, are some hundreds."""
SHARED = {"config.json": b'{"model_type": "gpt2"}', "tokenizer.json": b"{}" * 100}


@pytest.fixture
def series(hub_server: HubServer) -> HubServer:
    for step in range(1, 6):
        hub_server.add(REPO, f"step{step}", SHARED | {"model.safetensors": bytes([step]) * SIZE})
    return hub_server


def there() -> list[int]:
    """The steps whose weights are in the cache."""
    blobs = cache_folder().glob("models--*/blobs/*")
    return sorted(content[0] for path in blobs if len(content := path.read_bytes()) == SIZE)


def use(origin: HubOrigin, *steps: int) -> None:
    entries = {entry.step: entry for entry in origin.entries()}
    for step in steps:
        with origin.ready(entries[step]) as folder:
            assert (folder / "model.safetensors").read_bytes() == bytes([step]) * SIZE


@pytest.mark.slow
def test_all_is_kept_where_nothing_is_said(series):
    use(HubOrigin(REPO), 1, 2, 3)
    assert there() == [1, 2, 3]
    assert kept_size(cache_folder()) == 3 * SIZE + sum(map(len, SHARED.values()))


def test_what_was_used_longest_ago_goes_first_and_shared_files_stay(series):
    told: list[str] = []
    origin = HubOrigin(REPO, keep=250_000, on_progress=lambda _, words: told.append(words))
    use(origin, 1, 2, 1, 3)
    assert there() == [1, 3]
    (line,) = (words for words in told if "evicted" in words)
    assert line == f"{REPO}: revision {series.repositories[REPO].refs['step2'][:12]} is evicted from {cache_folder()}"
    use(origin, 1, 4, 5)
    assert there() == [4, 5]
    assert sum("GET" in request and "tokenizer.json" in request for request in series.requests) == 1
    assert kept_size(cache_folder()) <= 250_000
    use(HubOrigin(REPO, keep=0), 4)
    assert there() == []
    assert not list(cache_folder().glob("models--*/blobs/*"))


@pytest.mark.slow
def test_room_is_made_before_the_next_comes(series):
    most = 0

    def watch(_fraction: float, _words: str) -> None:
        nonlocal most
        most = max(most, kept_size(cache_folder()))

    use(HubOrigin(REPO, keep=150_000, on_progress=watch), 1, 2, 3)
    assert 0 < most <= 150_000


def test_what_another_tool_has_brought_stays(series):
    from huggingface_hub import hf_hub_download, scan_cache_dir

    for revision in ("step1", series.repositories[REPO].refs["step2"]):
        hf_hub_download(REPO, "model.safetensors", revision=revision, cache_dir=cache_folder(), endpoint=series.url)
    use(HubOrigin(REPO, keep=0), 1, 2, 3)
    assert there() == [1, 2]
    assert scan_cache_dir(cache_folder()).warnings == []


@pytest.mark.slow
def test_what_others_ask_for_by_its_name_stays(series):
    from huggingface_hub import hf_hub_download

    use(HubOrigin(REPO), 1, 2)
    hf_hub_download(REPO, "model.safetensors", revision="step1", cache_dir=cache_folder(), endpoint=series.url)
    use(HubOrigin(REPO, keep=0), 3)
    assert there() == [1]


@pytest.mark.slow
def test_a_link_in_a_strange_cache_makes_nothing_elsewhere_go(series, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("precious")
    origin = HubOrigin(REPO)
    (entry, *_) = origin.entries()
    with origin.ready(entry) as folder:
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer.json").symlink_to(mine)
    use(origin, 1)
    with origin.ready(entry) as folder:
        (folder / "other").symlink_to(mine)
    use(HubOrigin(REPO, keep=0), 1)
    assert there() == []
    assert mine.read_text() == "precious"


HOLD = """
import sys, time
from headreuse.sources.series.hub import HubOrigin
origin = HubOrigin("lab/tiny", keep=0)
with origin.ready(origin.entries()[0]):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_what_another_process_uses_stays_until_it_is_done_or_killed(series):
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        use(HubOrigin(REPO, keep=0), 2)
        assert there() == [1]
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    use(HubOrigin(REPO, keep=0), 2)
    assert there() == []


HAMMER = """
import random, sys
from headreuse.sources.series.hub import HubOrigin
origin = HubOrigin("lab/tiny", keep=int(sys.argv[2]))
entries = {entry.step: entry for entry in origin.entries()}
draw = random.Random(int(sys.argv[1]))
for _ in range(25):
    step = draw.randint(1, 5)
    with origin.ready(entries[step]) as folder:
        assert (folder / "model.safetensors").read_bytes() == bytes([step]) * 100_000
        assert (folder / "tokenizer.json").read_bytes() == b"{}" * 100
"""


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["0", "150000"])
def test_several_processes_use_one_small_cache_at_once(keep, series):
    running = [subprocess.Popen([sys.executable, "-c", HAMMER, str(seed), keep]) for seed in range(4)]
    ended = [process.wait() for process in running]
    assert ended == [0] * 4
    use(HubOrigin(REPO, keep=int(keep)), 1)
    assert kept_size(cache_folder()) <= int(keep)
    assert not list(cache_folder().rglob("*.incomplete"))


DOWNLOAD = """
from headreuse.sources.series.hub import HubOrigin
origin = HubOrigin("lab/tiny")
origin.ready(origin.entries()[0]).__enter__()
"""


@pytest.mark.slow
def test_what_a_killed_download_left_goes_with_the_next(series):
    series.fail("GET /large/", seconds=30, times=1)
    with subprocess.Popen([sys.executable, "-c", DOWNLOAD]) as downloading:
        # That of the weights: blobs of large files are named by a SHA-256.
        while not (drafts := list(cache_folder().rglob(f"{64 * '?'}.*.incomplete"))):
            assert downloading.poll() is None
            time.sleep(0.01)
        # While it lives, nobody takes its draft away.
        use(HubOrigin(REPO), 2)
        assert drafts[0].exists()
        downloading.kill()
    use(HubOrigin(REPO), 1)
    assert there() == [1, 2]
    assert not list(cache_folder().rglob("*.incomplete"))


@pytest.mark.slow
def test_a_cache_that_can_only_be_read_is_enough(series):
    origin = HubOrigin(REPO)
    entries = origin.entries()
    use(origin, 1)
    folder = str(cache_folder())
    bound = subprocess.run(["mount", "--bind", folder, folder], capture_output=True)
    if bound.returncode != 0:
        pytest.skip("not allowed to mount a file system")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        use(origin, 1)
        with pytest.raises(HeadreuseError, match="could not be written: the file system is read-only"):
            origin.ready(entries[1]).__enter__()
    finally:
        subprocess.run(["umount", folder], check=True)


def test_the_cache_is_where_the_environment_says(monkeypatch):
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == Path("~/.cache/huggingface/hub").expanduser()
    monkeypatch.setenv("XDG_CACHE_HOME", "/scratch")
    assert cache_folder() == Path("/scratch/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "~/hf")
    assert cache_folder() == Path.home() / "hf" / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", "$HOME/blobs")
    assert cache_folder() == Path(os.environ["HOME"], "blobs")


def test_sizes_are_read_and_written_as_people_do():
    sizes = {"20 GB": 20 * 10**9, "1.5gb": 15 * 10**8, " 500 MB ": 5 * 10**8, "12": 12, "7 B": 7, 3: 3, 0: 0}
    assert {text: size_in_bytes(text) for text in sizes} == sizes
    assert size_in_bytes(None) is None
    for wrong in ("much", "-1 GB", "1 GiB", "", "GB", -1):
        with pytest.raises(HeadreuseError, match=r"keep: .* is no size"):
            HubOrigin(REPO, keep=wrong)
    assert [in_words(size) for size in (0, 999, 1500, 25 * 10**6, 1.44e9)] == [
        "0 B",
        "999 B",
        "1.5 KB",
        "25 MB",
        "1.44 GB",
    ]
