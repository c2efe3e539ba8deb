"""Series on the Hub, against a server on loopback that speaks its protocol (`hub_server.py`).

Covers `sources/series/hub.py`, `sources/series/hub_client.py`, `sources/series/hub_download.py`,
`sources/series/hub_errors.py` and `sources/series/hub_files.py`; `test_cache.py` covers what stays on the disk.
"""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub_server import HubServer

from headreuse.errors import HeadreuseError
from headreuse.sources.series.hub import HubOrigin
from headreuse.sources.series.selection import Revisions

REPO = "lab/tiny"
STEPS = (0, 10, 100, 1000, 10000)


def revision(step: int, *, size: int = 1000, **others: bytes) -> dict[str, bytes]:
    """The files of a made-up model: what is in its weights, loading them would tell."""
    weights = b"%08d" % step * (size // 8)
    return {"config.json": b'{"model_type": "gpt2"}', "tokenizer.json": b"{}", "model.safetensors": weights} | others


@pytest.fixture
def tiny(hub_server: HubServer) -> HubServer:
    """The Hub with a series of five revisions; `main` is the last of them."""
    for step in STEPS:
        hub_server.add(REPO, f"step{step}", revision(step))
    hub_server.add(REPO, "main", revision(STEPS[-1]))
    return hub_server


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many attempts, without the time between them."""
    monkeypatch.setattr("headreuse.sources.series.hub_errors.WAITS", (0,) * 6)


def content(origin: HubOrigin, index: int = 0) -> dict[str, bytes]:
    """The files that lie ready for an entry."""
    with origin.ready(origin.entries()[index]) as folder:
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def refusal(origin: HubOrigin, index: int = 0) -> str:
    with pytest.raises(HeadreuseError) as caught:
        content(origin, index)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def cache() -> Path:
    return Path(os.environ["HF_HOME"], "hub")


def left() -> list[str]:
    """Names of what the cache holds of downloads: whole blobs and drafts."""
    return sorted(path.name for path in cache().glob("models--*/blobs/*"))


def test_configuration_and_tokenizer_come_without_the_weights(tiny):
    with HubOrigin(REPO).small_files(HubOrigin(REPO).entries()[0]) as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["config.json", "tokenizer.json"]


def test_branches_and_tags_are_listed_by_step_and_one_commit_is_one_entry(tiny):
    tiny.add(REPO, "step500-tokens2B", revision(500), tag=True)
    tiny.add(REPO, "step500", revision(500))
    entries = HubOrigin(REPO).entries()
    assert [(entry.step, entry.name) for entry in entries] == [
        (0, "step0"),
        (10, "step10"),
        (100, "step100"),
        (500, "step500-tokens2B"),
        (1000, "step1000"),
        (10000, "step10000"),
    ]
    commits = tiny.repositories[REPO].refs
    assert [entry.fingerprint for entry in entries] == [commits[entry.name] for entry in entries]
    assert entries[3].tokens == 2 * 10**9
    assert entries[3].place == "lab/tiny@step500-tokens2B"
    chosen = Revisions(log_spaced=3).pick(entries)
    assert [entry.step for entry in chosen] == [0, 100, 10000]


def test_names_of_different_steps_with_one_commit_are_told_and_not_used(tiny):
    tiny.add(REPO, "step2000", revision(10))
    problems = {entry.step: entry.problem for entry in HubOrigin(REPO).entries() if entry.problem}
    assert list(problems) == [10, 2000]
    assert "another step" in problems[10]
    assert "lab/tiny@step10: its commit" in refusal(HubOrigin(REPO), 1)


def test_a_repository_of_one_model_is_step_0(hub_server):
    hub_server.add("lab/one", "main", revision(0))
    (entry,) = HubOrigin("lab/one").entries()
    assert (entry.name, entry.step) == ("main", 0)
    hub_server.add("lab/none", "dev", revision(0))
    assert "no branch or tag says a step, and there is no main" in refusal(HubOrigin("lab/none"))


def test_what_is_needed_is_downloaded_and_nothing_else(tiny):
    evil = {"modeling_tiny.py": b"raise SystemExit", "optimizer.pt": b"x", "pytorch_model.bin": b"x", "README.md": b"x"}
    tiny.add(REPO, "step5", revision(5, **evil, **{"generation_config.json": b"{}", "runs/config.json": b"{}"}))
    wanted = revision(5, **{"generation_config.json": b"{}"})
    assert content(HubOrigin(REPO), 1) == wanted
    assert {request.rpartition("/")[2] for request in tiny.requests if "/resolve/" in request} == set(wanted)


@pytest.mark.slow
def test_weights_in_shards_come_with_their_index_which_can_name_no_other_files(hub_server):
    def add(*names: str) -> None:
        files = {"a.safetensors": b"1", "b.safetensors": b"2", "evil.py": b"3", "x.bin": b"4"}
        index = {"weight_map": {str(number): name for number, name in enumerate(names)}}
        del (files | revision(0))["model.safetensors"]
        files |= {"config.json": b"{}", "model.safetensors.index.json": json.dumps(index).encode()}
        hub_server.add("lab/shards", "step1", files)

    add("a.safetensors", "b.safetensors", "a.safetensors")
    assert set(content(HubOrigin("lab/shards"))) == {
        "config.json",
        "model.safetensors.index.json",
        "a.safetensors",
        "b.safetensors",
    }
    for wrong in ("evil.py", "x.bin", "../../a.safetensors"):
        add("a.safetensors", wrong)
        assert "model.safetensors.index.json is damaged" in refusal(HubOrigin("lab/shards"))
    add("a.safetensors", "c.safetensors")
    assert "c.safetensors, which model.safetensors.index.json names, is missing" in refusal(HubOrigin("lab/shards"))


def test_pickles_are_downloaded_on_request_alone(hub_server):
    files = revision(0, **{"pytorch_model.bin": b"pickle"})
    del files["model.safetensors"]
    hub_server.add("lab/old", "step1", files)
    assert "pytorch_model.bin is a pickle" in refusal(HubOrigin("lab/old"))
    assert not any("pytorch_model.bin" in request for request in hub_server.requests)
    assert content(HubOrigin("lab/old", allow_pickles=True)) == files
    hub_server.add("lab/old", "step1", {"config.json": b"{}"})
    assert "model.safetensors is missing" in refusal(HubOrigin("lab/old"))
    hub_server.add("lab/old", "step1", {"README.md": b"{}"})
    assert "config.json is missing" in refusal(HubOrigin("lab/old"))


def test_a_second_run_needs_no_network(tiny, monkeypatch):
    origin = HubOrigin(REPO)
    entries = origin.entries()
    with origin.ready(entries[2]) as folder:
        assert folder.is_relative_to(cache())
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    n_requests = len(tiny.requests)
    assert content(origin, 2) == revision(100)
    assert len(tiny.requests) == n_requests
    assert "lab/tiny@step10: it is not whole in the cache" in refusal(origin, 1)
    assert "unset it for the first run" in refusal(HubOrigin("lab/other"))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    tiny.stop()
    with origin.ready(entries[2]) as folder:
        assert (folder / "model.safetensors").read_bytes() == revision(100)["model.safetensors"]
    assert "the Hub cannot be reached; see to the network" in refusal(origin)


@pytest.mark.slow
def test_what_another_tool_has_brought_is_used_offline(tiny, monkeypatch):
    from huggingface_hub import snapshot_download

    (entry, *_) = HubOrigin(REPO).entries()
    snapshot_download(REPO, revision="step0", cache_dir=cache(), endpoint=tiny.url, tqdm_class=None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with HubOrigin(REPO).ready(entry) as folder:
        assert (folder / "model.safetensors").read_bytes() == revision(0)["model.safetensors"]


def test_a_repository_or_a_revision_that_is_not_there_is_told(tiny):
    assert f"lab/tyni: no such repository at {tiny.url}" in refusal(HubOrigin("lab/tyni"))
    assert "(did you mean 'EleutherAI/pythia-160m'?)" in refusal(HubOrigin("EleutherAI/pythia-160mm"))
    origin = HubOrigin(REPO)
    entry = origin.entries()[1]
    tiny.remove(REPO, "step10")
    with pytest.raises(HeadreuseError, match="lab/tiny@step10: gone from the Hub; `headreuse checkpoints lab/tiny`"):
        origin.ready(entry).__enter__()
    for name in ("tiny", "a/b/c", "../tiny", "lab/..", "lab/a--b", "https://hub/lab/tiny"):
        with pytest.raises(HeadreuseError, match="is no repository of the Hub; give it as owner/name"):
            HubOrigin(name)


def test_a_gated_repository_says_what_to_do_and_the_token_goes_to_the_hub_alone(tiny, monkeypatch):
    tiny.gate(REPO, "hf_secret")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "gated; accept its licence at " in (told := refusal(HubOrigin(REPO)))
    assert f"{tiny.url}/lab/tiny, then set HF_TOKEN" in told
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    tiny.gate(REPO, "hf_secret", waits_for_licence=True)
    assert "gated, and the account of HF_TOKEN has no access" in refusal(HubOrigin(REPO))
    tiny.gate(REPO, "hf_secret")
    assert content(HubOrigin(REPO)) == revision(0)
    assert tiny.tokens_elsewhere == []
    kept = [path for path in cache().rglob("*") if path.is_file() and b"hf_secret" in path.read_bytes()]
    assert kept == []


def test_a_hub_that_is_busy_is_asked_again_and_that_is_told(tiny):
    told: list[str] = []
    tiny.fail("GET /api/models/lab/tiny/refs", 503, times=2)
    tiny.fail("/revision/", 429, headers={"Retry-After": "0"})
    tiny.fail("GET /large/", 502)
    assert content(HubOrigin(REPO, on_progress=lambda _, words: told.append(words))) == revision(0)
    again = [words for words in told if "trying again" in words]
    assert again == [
        "lab/tiny: the Hub answers 503 (Service Unavailable); trying again in 0 s",
        "lab/tiny: the Hub answers 503 (Service Unavailable); trying again in 0 s",
        "lab/tiny@step0: the Hub answers 429 (Too Many Requests); trying again in 0 s",
        "lab/tiny@step0: the Hub answers 502 (Bad Gateway); trying again in 0 s",
    ]


def test_a_hub_that_stays_busy_is_given_up(tiny):
    tiny.fail("/refs", 503, times=99)
    assert "the Hub answers 503 (Service Unavailable), also after several attempts" in refusal(HubOrigin(REPO))
    assert sum("/refs" in request for request in tiny.requests) == 7
    tiny.failures.clear()
    tiny.fail("/refs", 429, times=99, headers={"Retry-After": "3600"})
    assert "the Hub wants fewer requests; run again in some minutes" in refusal(HubOrigin(REPO))
    assert sum("/refs" in request for request in tiny.requests) == 8


def test_waits_grow_and_follow_what_the_hub_asks_for(monkeypatch):
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    from headreuse.sources.series import hub_errors

    monkeypatch.setattr(hub_errors, "WAITS", (1, 2, 4, 8, 16, 32))

    def busy(status: int, **headers: str) -> HfHubHTTPError:
        request = httpx2.Request("GET", "http://hub")
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return HfHubHTTPError("busy", response=httpx2.Response(status, headers=names, request=request))

    def waits(error: Exception) -> list[float | None]:
        return [hub_errors.seconds_to_wait(error, attempt) for attempt in range(7)]

    assert waits(busy(503)) == [1, 2, 4, 8, 16, 32, None]
    assert waits(busy(429, Retry_After="5"))[:4] == [5, 5, 5, 8]
    assert waits(busy(429, RateLimit='"api";r=0;t=55'))[0] == 56
    assert waits(busy(429, RateLimit='"api";r=7;t=55'))[0] == 1
    assert waits(busy(404)) == [None] * 7
    assert waits(httpx2.ConnectError("refused")) == [1, 2, *[None] * 5]
    assert waits(OSError(28, "No space left on device")) == [None] * 7
    assert waits(RuntimeError("IO error: No space left on device (os error 28)")) == [None] * 7


@pytest.mark.parametrize("after", [500, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 1, 999))])
def test_a_connection_that_is_cut_inside_a_file_leaves_no_part_of_it(after, tiny, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _s: None)
    tiny.fail("GET /large/", times=2, cut_after=after)
    assert content(HubOrigin(REPO)) == revision(0)
    assert not [name for name in left() if name.endswith(".incomplete")]
    tiny.fail("GET /large/", times=999, cut_after=after)
    assert "the connection to the Hub broke" in refusal(HubOrigin(REPO), 1)
    assert not [name for name in left() if name.endswith(".incomplete")]


def test_a_file_that_comes_damaged_is_never_taken_for_whole(tiny):
    tiny.fail("GET /large/", damaged=True)
    assert content(HubOrigin(REPO)) == revision(0)
    tiny.fail("GET /large/", times=3, damaged=True)
    assert "lab/tiny@step10: model.safetensors comes damaged" in refusal(HubOrigin(REPO), 1)
    assert len(left()) == 3
    assert content(HubOrigin(REPO), 1) == revision(10)


@pytest.mark.parametrize("file", ["tokenizer.json", pytest.param("model.safetensors", marks=pytest.mark.slow)])
def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(file, tiny, monkeypatch):
    origin = HubOrigin(REPO)
    (entry, *_) = origin.entries()
    with origin.ready(entry) as folder:
        blob = (folder / file).resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert f"{file} is not whole in the cache" in refusal(origin)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert content(origin) == revision(0)


@pytest.mark.slow
def test_progress_is_told_in_shares_of_a_revision(tiny, capfd, monkeypatch):
    # Without it bars are shown on terminals alone.
    monkeypatch.setenv("TQDM_POSITION", "-1")
    told: list[tuple[float, str]] = []
    tiny.add(REPO, "step7", revision(7, size=25_000_000))
    assert len(content(HubOrigin(REPO, on_progress=lambda *now: told.append(now)), 1)) == 3
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 3
    assert told[-1][1] == "lab/tiny@step7: 25 MB of 25 MB"
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_mirror_that_does_not_speak_xet_gives_its_files_by_http(tiny, monkeypatch):
    tiny.claims_xet = True
    assert content(HubOrigin(REPO)) == revision(0)
    # Of Hugging Face itself this is tried first.
    monkeypatch.setattr("headreuse.sources.series.hub_client.HUGGING_FACE", tiny.url)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _s: None)
    tiny.fail("xet-read-token", 503, times=99)
    assert content(HubOrigin(REPO), 1) == revision(10)
    assert any("xet-read-token" in request for request in tiny.requests)


@pytest.mark.slow
def test_a_glance_at_a_revision_brings_its_configuration_alone(tiny, monkeypatch):
    origin = HubOrigin(REPO, keep=0)
    (entry, *_) = origin.entries()
    path, files = origin.glance(entry)
    assert path is not None
    assert path.read_bytes() == revision(0)["config.json"]
    assert {file.name: file.size for file in files} == {name: len(found) for name, found in revision(0).items()}
    assert len(left()) == 1
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert origin.glance(entry) == (path, files)
    assert origin.glance(origin.entries()[1]) == (None, ())
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert content(origin) == revision(0)
    assert left() == []


def test_something_else_than_a_hub_is_told(tiny, monkeypatch):
    tiny.repositories[REPO].refs["step0"] = "../../etc"
    assert f"{tiny.url} does not answer as a Hub does; see to HF_ENDPOINT and proxies" in refusal(HubOrigin(REPO))
    monkeypatch.setenv("HF_ENDPOINT", f"{tiny.url}/elsewhere")
    assert "the Hub answers 404 (Not Found); see to HF_ENDPOINT" in refusal(HubOrigin(REPO))


def test_a_hub_that_never_answers_is_given_up(tiny, monkeypatch):
    monkeypatch.setattr("headreuse.sources.series.hub_client.TIMEOUT", 0.02)
    tiny.fail("/refs", times=99, seconds=0.1)
    assert "the Hub does not answer; see to the network" in refusal(HubOrigin(REPO))


@pytest.mark.slow
def test_each_revision_of_a_tiny_model_is_the_model_that_was_put_there(hub_server, tmp_path):
    import torch
    from decoders import random_model

    from headreuse.models.checkpoints import load_model

    saved = {}
    for step in STEPS:
        saved[step] = random_model("gpt2", seed=step)
        saved[step].save_pretrained(tmp_path / "saved" / str(step))
        hub_server.add(REPO, f"step-{step}", tmp_path / "saved" / str(step))
    origin = HubOrigin(REPO, keep=0)
    tokens = torch.arange(3, 20)[None]
    for entry in origin.entries():
        with origin.ready(entry) as folder, torch.no_grad():
            logits = load_model(folder)(tokens).logits
        assert torch.equal(logits, saved[entry.step](tokens).logits)
    assert left() == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB, where the tests may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("not allowed to mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_while_downloading_loses_nothing(tiny, small_disk, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(small_disk))
    tiny.add(REPO, "step7", revision(7, size=1_000_000))
    tiny.add(REPO, "step8", revision(8, size=2_500_000))
    assert len(content(HubOrigin(REPO), 1)) == 3
    assert "2.5 MB are needed and " in refusal(HubOrigin(REPO), 2)
    with monkeypatch.context() as others:
        # They fill the disk after there was room.
        others.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=10**9))
        assert "could not be written: the disk is full; free some space and run again" in refusal(HubOrigin(REPO), 2)
    assert not list(small_disk.rglob("*.incomplete"))
    assert len(content(HubOrigin(REPO), 1)) == 3
    assert len(content(HubOrigin(REPO, keep="1 MB"), 2)) == 3
