"""The site on this machine: a server that has nothing but the files of the newest build.

They are in memory, by name. No path of a request ever reaches the file system.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socketserver
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

from lossplug_core.catalog.serving.live import Live, State
from lossplug_core.errors import LossplugError

__all__ = ["HOST", "Server", "serving"]

HOST = "127.0.0.1"
"""Other machines cannot reach it."""

_NEWS = "-/build"
_OURS = {"-/live.js": "live.js", "-/live.css": "live.css"}
_WAITING = "waiting.html"
_NOT_YET = HTTPStatus.OK, b"One moment", b"The site appears here as soon as it is built."
_MISSING = HTTPStatus.NOT_FOUND, b"Not here", b'This page is not there. <a href="/">All losses</a>'
_PATIENCE = 25.0
"""Seconds after which a page that waits for news is told that there are none."""

# A site elsewhere may have a name that leads here: it must not read what is served.
_NAMES = re.compile(r"(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?", re.IGNORECASE)

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Cache-Control": "no-store",
    # Plotly writes its styles into the page, and its pictures are data and blobs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Handler(BaseHTTPRequestHandler):
    """One request. Each has a connection of its own, so that none is held by an idle page."""

    server: Server
    timeout = 30

    def do_GET(self) -> None:
        """Answer with a file, or with news."""
        name = self._asked_for()
        if name == _NEWS:
            self._tell_news()
        elif name is not None:
            self._send(*_answer(name, self.server.live.state))

    def do_HEAD(self) -> None:
        """The same without the file. For other methods the base class has an error."""
        self.do_GET()

    def _asked_for(self) -> str | None:
        """The name of a file; None if the request was refused."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not _NAMES.fullmatch(hosts[0].strip()):
            self._send(HTTPStatus.MISDIRECTED_REQUEST, _plain(f"Ask for {self.server.url}"))
            return None
        path = re.split("[?#]", self.path, maxsplit=1)[0]
        try:
            name = unquote_to_bytes(path).decode()
        except UnicodeError:
            name = ""
        if not name.startswith("/"):
            self._send(HTTPStatus.BAD_REQUEST, _plain("This is not a path."))
            return None
        return f"{name[1:]}index.html" if name.endswith("/") else name[1:]

    def _tell_news(self) -> None:
        query = parse_qs(self.path.partition("?")[2])
        known = query.get("change", [""])[0]
        with self.server.telling():
            live = self.server.live
            waits = re.fullmatch("[0-9]{1,9}", known, re.ASCII) and self.command == "GET"
            state = live.wait(int(known), self.server.patience) if waits else live.state
            data = json.dumps(state.news(), ensure_ascii=True).encode()
            self._send(HTTPStatus.OK, ("application/json", data))

    def _send(self, status: HTTPStatus, content: tuple[str, bytes]) -> None:
        kind, data = content
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def end_headers(self) -> None:
        """Also where the server refuses a request that it cannot read."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        """Not which Python this is."""
        return "lossplug"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""
        del format, args


def _answer(name: str, state: State) -> tuple[HTTPStatus, tuple[str, bytes]]:
    if name in _OURS:
        return HTTPStatus.OK, (_type_of(name), _own(_OURS[name]))
    data = state.site.get(name)
    if data is not None and not name.startswith("."):
        if name.endswith(".html"):
            data = _with_script(data, state)
        return HTTPStatus.OK, (_type_of(name), data)
    if name.endswith(".html"):
        # Until there is a site, each page is one that waits for it.
        status, title, text = _MISSING if state.build else _NOT_YET
        page = _own(_WAITING).replace(b"TITLE", title).replace(b"TEXT", text)
        return status, (_type_of(name), _with_script(page, state))
    return HTTPStatus.NOT_FOUND, _plain("There is no such file.")


def _with_script(page: bytes, state: State) -> bytes:
    """A page that waits for the next build. On the disk, and in what is built, it does not."""
    script = f'<script defer src="/-/live.js?build={state.build}"></script>\n'
    return page.replace(b"</head>", script.encode() + b"</head>", 1)


def _plain(text: str) -> tuple[str, bytes]:
    return "text/plain; charset=utf-8", f"{text}\n".encode()


def _type_of(name: str) -> str:
    # Not the system's table, which any program may have changed.
    return _TYPES.get(os.path.splitext(name)[1], "application/octet-stream")  # noqa: PTH122


@lru_cache
def _own(name: str) -> bytes:
    """A file of this package."""
    return files(__package__).joinpath(name).read_bytes()


class Server(ThreadingHTTPServer):
    """The server of what is live.

    Args:
        live: What it serves.
        port: Its port; 0 takes a free one.
        patience: How many seconds a page waits for news before it asks again.

    Raises:
        OSError: The port is not to be had.
    """

    daemon_threads = True
    # On Windows this would let two servers have one port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, live: Live, port: int, *, patience: float = _PATIENCE) -> None:
        self.live = live
        self.patience = patience
        self._telling = 0
        self._told = threading.Condition()
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.server_port}/"

    def server_bind(self) -> None:
        """Take the port, and ask no name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """While a page is told news, or waits for them."""
        with self._told:
            self._telling += 1
        try:
            yield
        finally:
            with self._told:
                self._telling -= 1
                self._told.notify_all()

    def end(self, timeout: float = 2.0) -> None:
        """Tell all pages that wait that this is the end, so that none looks for it in vain."""
        self.live.end()
        with self._told:
            self._told.wait_for(lambda: not self._telling, timeout)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a page that was closed too early."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(live: Live, port: int) -> Iterator[Server]:
    """A server in a thread, and its end.

    Raises:
        LossplugError: The port is not to be had.
    """
    try:
        server = Server(live, port)
    except OSError as error:
        raise LossplugError(
            f"Port {port} of {HOST} is not to be had: {error.strerror or error}.",
            fix="`lossplug catalog serve --port 0` takes a free one.",
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.end()
        server.shutdown()
        server.server_close()
