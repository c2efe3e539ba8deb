"""A server on loopback that speaks the Hub's protocol: refs, files of a revision, downloads by range, and its failures.

`conftest.py` has the fixture `hub_server`. Large files are redirected to another host, as the Hub does.
"""

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin", ".model")
"""What the Hub keeps in LFS."""
API = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(/(?P<what>refs|revision|tree)(/(?P<revision>[^/]+))?)?")
RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@dataclass
class Failure:
    """What goes wrong with the next requests whose `METHOD /path` contains some text."""

    where: str
    times: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    """Bytes of the body that are sent before the connection is reset."""
    seconds: float = 0.0
    """Before the answer."""
    damaged: bool = False
    """The last byte of the body is another one."""


@dataclass
class Repository:
    """The revisions of a repository, and what each commit holds."""

    refs: dict[str, str] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    token: str | None = None
    """With which alone its files are given; a gated repository."""
    waits_for_licence: bool = False
    """No token is enough."""


class HubServer:
    """Repositories, and how they are served."""

    def __init__(self) -> None:
        self.claims_xet = False
        """Whether it says, as a mirror does, that large files are in a store of another protocol."""
        self.repositories: dict[str, Repository] = {}
        self.failures: list[Failure] = []
        self.requests: list[str] = []
        """Those answered so far, as `METHOD /path`."""
        self.ranges: list[str] = []
        """The ranges that were asked for."""
        self.tokens_elsewhere: list[str] = []
        """Tokens that came to the host of large files, where none belongs."""
        self.connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, repo: str, revision: str, files: Path | dict[str, bytes], *, tag: bool = False) -> str:
        """Serve the files of a folder as a revision; the hash of its commit, the same for the same files."""
        if isinstance(files, Path):
            files = {
                path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()
            }
        listed = "".join(f"{name} {sha256(content)}\n" for name, content in sorted(files.items()))
        commit = hashlib.sha1(f"{repo}\n{listed}".encode()).hexdigest()
        repository = self.repositories.setdefault(repo, Repository())
        repository.refs[revision] = commit
        repository.commits[commit] = files
        if tag:
            repository.tags.add(revision)
        return commit

    def gate(self, repo: str, token: str, *, waits_for_licence: bool = False) -> None:
        """Give the files of a repository only to this token, or to none before its licence is accepted."""
        self.repositories[repo].token = token
        self.repositories[repo].waits_for_licence = waits_for_licence

    def remove(self, repo: str, revision: str) -> None:
        """As after a branch was deleted and its commit is gone."""
        repository = self.repositories[repo]
        repository.commits.pop(repository.refs.pop(revision))

    def fail(self, where: str, status: int = 0, *, times: int = 1, **how: object) -> None:
        """Let the next `times` requests whose `METHOD /path` contains `where` fail, as the fields of `Failure` say."""
        self.failures.append(Failure(where, times, status, **how))  # type: ignore[arg-type]

    def failure_of(self, request: str) -> Failure | None:
        for failure in self.failures:
            if failure.where in request and failure.times > 0:
                failure.times -= 1
                return failure
        return None

    def start(self) -> None:
        hub = self

        class OfThisHub(Answer):
            pass

        OfThisHub.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), OfThisHub)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """As if it were gone: nobody answers at its address."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Answer(BaseHTTPRequestHandler):
    """The answer to one request."""

    hub: HubServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.hub.connections.add(self.connection)

    def finish(self) -> None:
        self.hub.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def handle(self) -> None:
        # A client that hangs up is no error of the server.
        with suppress(ConnectionError, ValueError):
            super().handle()

    def log_message(self, *_arguments: object) -> None:
        """Nothing is printed."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append(f"{self.command} {unquote(path)}")
        self.failure = self.hub.failure_of(f"{self.command} {unquote(path)}")
        if self.failure:
            time.sleep(self.failure.seconds)
            if self.failure.status:
                self._send(self.failure.status, b"", self.failure.headers)
                return
        if path.startswith("/large/"):
            self._large(path.removeprefix("/large/"))
        elif match := API.fullmatch(path):
            self._api(unquote(match["repo"]), match["what"], unquote(match["revision"] or "main"))
        elif match := RESOLVE.fullmatch(path):
            self._resolve(unquote(match["repo"]), unquote(match["revision"]), unquote(match["file"]))
        else:
            self._send(404)

    def _api(self, repo: str, what: str | None, revision: str) -> None:
        repository = self._repository(repo)
        if repository is None:
            return
        if what == "refs":
            self._json(
                {
                    "branches": _refs(repository, "heads"),
                    "converts": [],
                    "tags": _refs(repository, "tags"),
                }
            )
            return
        commit = self._commit(repository, revision)
        if commit is None:
            return
        files = repository.commits[commit]
        if what == "tree":
            self._json([_in_tree(name, content) for name, content in sorted(files.items())])
        else:
            siblings = [_sibling(name, content) for name, content in sorted(files.items())]
            self._json({"id": repo, "sha": commit, "private": False, "siblings": siblings})

    def _resolve(self, repo: str, revision: str, file: str) -> None:
        repository = self._repository(repo)
        if repository is None or not self._allowed(repo, repository):
            return
        commit = self._commit(repository, revision)
        if commit is None:
            return
        content = repository.commits[commit].get(file)
        if content is None:
            self._send(404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            return
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_etag(file, content)}"'}
        if not file.endswith(LARGE):
            self._content(content, headers)
            return
        headers["X-Linked-Etag"], headers["X-Linked-Size"] = headers.pop("ETag"), str(len(content))
        if self.hub.claims_xet:
            headers["X-Xet-Hash"] = sha256(content)
            headers["X-Xet-Refresh-Route"] = f"{self.hub.url}/api/models/{repo}/xet-read-token/{commit}"
        # Another name of the same machine: for a client, another host.
        headers["Location"] = f"http://localhost:{self.hub.port}/large/{repo}/{commit}/{file}"
        self._send(302, headers=headers)

    def _large(self, place: str) -> None:
        if token := self.headers.get("Authorization"):
            self.hub.tokens_elsewhere.append(token)
        owner, name, commit, file = unquote(place).split("/", 3)
        content = self.hub.repositories[f"{owner}/{name}"].commits[commit][file]
        self._content(content, {"ETag": f'"{sha256(content)}"'})

    def _repository(self, repo: str) -> Repository | None:
        if repo not in self.hub.repositories:
            # As the Hub, which does not tell strangers whether a private repository exists.
            status = 404 if self.headers.get("Authorization") else 401
            self._send(status, headers={"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        return self.hub.repositories.get(repo)

    def _commit(self, repository: Repository, revision: str) -> str | None:
        commit = repository.refs.get(revision, revision)
        if commit in repository.commits:
            return commit
        message = f"Invalid rev id: {revision}"
        self._send(404, headers={"X-Error-Code": "RevisionNotFound", "X-Error-Message": message})
        return None

    def _allowed(self, repo: str, repository: Repository) -> bool:
        if repository.token is None:
            return True
        known = self.headers.get("Authorization") == f"Bearer {repository.token}"
        if known and not repository.waits_for_licence:
            return True
        message = f"Access to model {repo} is restricted."
        self._send(403 if known else 401, headers={"X-Error-Code": "GatedRepo", "X-Error-Message": message})
        return False

    def _content(self, content: bytes, headers: dict[str, str]) -> None:
        headers["Accept-Ranges"] = "bytes"
        if self.failure and self.failure.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None:
            self._send(200, content, headers)
            return
        self.hub.ranges.append(asked[0])
        start = int(asked[1])
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206, content[start:], headers)

    def _json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.failure and self.failure.cut_after is not None:
            self._cut(body[: self.failure.cut_after])
        else:
            self.wfile.write(body)

    def _cut(self, body: bytes) -> None:
        self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = True
        # Without lingering the connection is reset, as when a cable is pulled.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _etag(name: str, content: bytes) -> str:
    return sha256(content) if name.endswith(LARGE) else git_sha1(content)


def _refs(repository: Repository, kind: str) -> list[dict[str, str]]:
    names = [name for name in repository.refs if (name in repository.tags) == (kind == "tags")]
    return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": repository.refs[name]} for name in names]


def _sibling(name: str, content: bytes) -> dict[str, object]:
    listed: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_sha1(content)}
    if name.endswith(LARGE):
        listed["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
    return listed


def _in_tree(name: str, content: bytes) -> dict[str, object]:
    listed: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": git_sha1(content)}
    if name.endswith(LARGE):
        listed["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
    return listed


@contextmanager
def serving() -> Iterator[HubServer]:
    """A server that is gone after the block."""
    from huggingface_hub.utils import close_session

    server = HubServer()
    try:
        yield server
    finally:
        close_session()
        server.stop()
