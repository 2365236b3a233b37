"""A small Hugging Face hub: the answers that `hf_hub_download` needs, and its ways to fail.

Like the hub it sends large files from a second host with the sha256 in a header, and small ones
itself under git's object id; it knows tokens, gates, commits and ranges. Nothing of the client is
replaced: it is pointed here by HF_ENDPOINT.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "1234567890abcdef1234567890abcdef12345678"
NEXT_COMMIT = "fedcba0987654321fedcba0987654321fedcba09"


@dataclass
class Repository:
    """One model repository.

    Attributes
    ----------
    commits
        Files of every commit; the last is the newest.
    gated
        Whether the licence has to be accepted.
    private
        Whether only `members` see it.
    members
        Tokens with access.
    small
        Files kept by git itself: they are sent directly, with git's object id as ETag.
    """

    commits: dict[str, dict[str, bytes]]
    gated: bool = False
    private: bool = False
    members: set[str] = field(default_factory=set)
    small: set[str] = field(default_factory=set)

    @property
    def newest(self) -> str:
        return list(self.commits)[-1]


@dataclass
class Hub:
    """What the server holds, how it misbehaves, and what it was asked.

    Attributes
    ----------
    repositories
        By name, owner/name.
    tokens
        Tokens that are valid.
    requests
        Method, path and Authorization header of every request, in order.
    status
        Answer everything with this status.
    no_size
        Do not state sizes.
    stated_size
        State this size for every file.
    cut_after
        Break the connection after this many bytes, for each of the next `cuts` downloads.
    altered
        Flip a bit in this many downloads.
    etag
        State this in place of a checksum.
    no_commit
        Answer like some other web server, without the hub's headers.
    refuse_ranges
        Send whole files whatever part was asked for.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    status: int | None = None
    no_size: bool = False
    stated_size: int | None = None
    cut_after: int | None = None
    cuts: int = 0
    altered: int = 0
    etag: str | None = None
    no_commit: bool = False
    refuse_ranges: bool = False
    url: str = ""

    def downloads(self) -> int:
        """Number of files that were asked for with their content."""
        asked = [path for method, path, _ in self.requests if method == "GET"]
        return sum(path.startswith("/storage/") or "/resolve/" in path for path in asked)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _token(self) -> str | None:
        header = self.headers.get("Authorization")
        return header.removeprefix("Bearer ") if header else None

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str | None, message: str) -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._send(status, headers)

    def _answer(self) -> None:
        hub = self.hub
        path = unquote(self.path)
        hub.requests.append((self.command, path, self.headers.get("Authorization")))
        if hub.status is not None:
            return self._refuse(hub.status, None, "the hub is being repaired")
        stored = re.fullmatch(r"/storage/([^/]+/[^/]+)/([0-9a-f]{40})/(.+)", path)
        if stored:
            name, commit, file = stored.groups()
            return self._send_file(hub.repositories[name].commits[commit][file])
        asked = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if not asked:
            return self._refuse(404, None, "not part of this hub")
        return self._resolve(*asked.groups())

    def _resolve(self, name: str, revision: str, file: str) -> None:
        hub, token = self.hub, self._token()
        repository = hub.repositories.get(name)
        if token is not None and token not in hub.tokens:
            return self._refuse(401, None, "Invalid credentials in Authorization header")
        member = repository is not None and token in repository.members
        if repository is None or (repository.private and not member):
            status = 401 if token is None else 404
            return self._refuse(status, "RepoNotFound", "Repository not found")
        if repository.gated and not member:
            if token is None:
                return self._refuse(
                    401, "GatedRepo", f"Access to model {name} is restricted. Please log in."
                )
            return self._refuse(
                403, "GatedRepo", f"Access to model {name} is restricted: awaiting a review."
            )
        commit = repository.newest if revision == "main" else revision
        if commit not in repository.commits:
            return self._refuse(404, "RevisionNotFound", "Invalid rev id")
        if file not in repository.commits[commit]:
            return self._refuse(404, "EntryNotFound", "Entry not found")
        return self._show(repository, name, commit, file)

    def _show(self, repository: Repository, name: str, commit: str, file: str) -> None:
        hub = self.hub
        content = repository.commits[commit][file]
        if hub.no_commit:
            return self._send(200, {}, b"welcome to the guest network")
        if file in repository.small:
            etag = hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()
            headers = {"ETag": f'"{hub.etag or etag}"', "X-Repo-Commit": commit}
            return self._send(200, headers, content)
        sha256 = hashlib.sha256(content).hexdigest()
        headers = {
            "X-Repo-Commit": commit,
            "X-Linked-Etag": f'"{hub.etag or sha256}"',
            "X-Linked-Size": str(hub.stated_size or len(content)),
            # Another host name, as the hub's storage is another host.
            "Location": hub.url.replace("127.0.0.1", "localhost")
            + f"/storage/{name}/{commit}/{file}",
        }
        if hub.no_size:
            del headers["X-Linked-Size"]
        return self._send(302, headers)

    def _send_file(self, content: bytes) -> None:
        hub = self.hub
        if hub.altered > 0:
            hub.altered -= 1
            content = bytes([content[0] ^ 1]) + content[1:]
        part = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(part.group(1)) if part and not hub.refuse_ranges else 0
        status = 206 if start else 200
        headers = {"Content-Length": str(len(content) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if hub.cut_after is not None and hub.cuts > 0:
            hub.cuts -= 1
            body = body[: hub.cut_after]
            self.close_connection = True
        self._send(status, headers, body)


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Run an empty hub on a free port of this machine."""
    hub = Hub()
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
