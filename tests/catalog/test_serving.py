"""The site on loopback: what is served, to whom, and when it is built again."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from lossplug_core.catalog.serving.builds import Outcome, Rebuilding, _warnings
from lossplug_core.catalog.serving.live import Live
from lossplug_core.catalog.serving.server import HOST, Server, serving
from lossplug_core.catalog.serving.watching import Watched, differences, look, snapshot, watched
from lossplug_core.errors import LossplugError

PAGE = b"<html><head></head><body>one</body></html>"
SITE = {
    ".lossplug-catalogue": b"ours",
    "index.html": PAGE,
    "assets/site.css": b"p{}",
    "assets/site.js": b"1",
    "losses/acme/one.html": PAGE,
    "odd.xyz": b"?",
}


@contextmanager
def served():
    live = Live()
    live.publish(SITE)
    with serving(live, 0) as server:
        yield server


@pytest.fixture(scope="module")
def server():
    """One that tests only read from."""
    with served() as server:
        yield server


def ask(server: Server, path: str, method: str = "GET", **headers: str):
    """The answer to a request whose path is sent as it is."""
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        for one in value.split("|"):
            connection.putheader(name, one)
    connection.endheaders()
    answer = connection.getresponse()
    answer.body = answer.read()
    connection.close()
    return answer


def news(server: Server, query: str = "") -> dict:
    return json.loads(ask(server, f"/-/build{query}").body)


class TestServer:
    @pytest.mark.parametrize(
        ("path", "type"),
        [
            ("/", "text/html; charset=utf-8"),
            ("/index.html", "text/html; charset=utf-8"),
            ("/losses/acme/one.html?a=b", "text/html; charset=utf-8"),
            ("/losses/%61cme/one.html", "text/html; charset=utf-8"),
            ("/assets/site.css", "text/css; charset=utf-8"),
            ("/assets/site.js", "text/javascript; charset=utf-8"),
            ("/-/live.js?build=1", "text/javascript; charset=utf-8"),
            ("/-/live.css", "text/css; charset=utf-8"),
            ("/odd.xyz", "application/octet-stream"),
        ],
    )
    def test_files_of_the_site(self, server, path, type) -> None:
        answer = ask(server, path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, type)
        assert answer.body

    @pytest.mark.parametrize("path", ["/", "/nothing", "/-/build"])
    def test_every_answer_has_the_headers_that_keep_it_in(self, server, path) -> None:
        headers = ask(server, path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "script-src 'self';" in headers["Content-Security-Policy"]
        assert "Python" not in headers["Server"]

    @pytest.mark.parametrize(
        "path",
        [
            "/../../../../../../../../etc/passwd",
            "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
            "/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
            "/%252e%252e/etc/passwd",
            "/..\\..\\..\\windows\\win.ini",
            "/%5c..%5c..%5cwindows%5cwin.ini",
            "//etc/passwd",
            "/etc/passwd",
            "/C:/windows/win.ini",
            "/index.html%00.css",
            "/%00",
            "/%ff%fe",
            "/./index.html",
            "/assets/../index.html",
            "/assets//site.css",
            "/assets",
            "/index.html/",
            "/.lossplug-catalogue",
            "/-/server.py",
            "/-/waiting.html",
            "/-/../live.py",
            "/" + "a" * 20_000,
            "etc/passwd",
            "http://elsewhere.example/index.html",
            "*",
        ],
    )
    def test_nothing_else(self, server, path) -> None:
        answer = ask(server, path, Host="localhost")
        assert answer.status in (400, 404)
        assert b"root:" not in answer.body

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "127.0.0.1:65535"])
    def test_who_may_ask(self, server, host) -> None:
        assert ask(server, "/", Host=host).status == 200

    @pytest.mark.parametrize("path", ["/", "/-/build", "/-/live.js"])
    @pytest.mark.parametrize(
        "host",
        [
            "elsewhere.example",
            "127.0.0.1.elsewhere.example",
            "localhost.elsewhere.example:8000",
            "elsewhere.example:127.0.0.1",
            "user@127.0.0.1",
            "127.0.0.1:x",
            "0.0.0.0",
            "127.0.0.2",
            "[::1]",
            "",
            "127.0.0.1|elsewhere.example",
        ],
    )
    def test_a_name_that_leads_here_is_refused(self, server, host, path) -> None:
        answer = ask(server, path, Host=host)
        assert (answer.status, answer.body[:8]) == (421, b"Ask for ")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "ODD"])
    def test_it_is_only_to_be_read(self, server, method) -> None:
        assert ask(server, "/", method).status == 501

    def test_head_has_no_body(self, server) -> None:
        with socket.create_connection((HOST, server.server_port), timeout=10) as connection:
            connection.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with connection.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
        assert b"200 OK" in head
        assert b"Content-Length: " in head
        assert body == b""

    @pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /\r\n\r\n", b"\x16\x03\x01\xff\r\n\r\n"])
    def test_what_is_no_request_costs_nobody_else(self, server, sent) -> None:
        with socket.create_connection((HOST, server.server_port)) as connection:
            connection.sendall(sent)
        assert ask(server, "/").status == 200

    def test_only_this_machine_reaches_it(self, server) -> None:
        assert server.socket.getsockname()[0] == "127.0.0.1"

    def test_a_port_that_is_taken(self, server) -> None:
        with (
            pytest.raises(LossplugError, match="not to be had") as caught,
            serving(Live(), server.server_port),
        ):
            pass
        assert "--port 0" in str(caught.value)

    def test_a_page_gets_one_script_and_the_site_stays_as_it_is(self, server) -> None:
        script = b'<script defer src="/-/live.js?build=1"></script>\n'
        assert ask(server, "/").body == PAGE.replace(b"</head>", script + b"</head>")
        assert server.live.state.site["index.html"] == PAGE


class TestNews:
    @pytest.fixture
    def server(self):
        with served() as server:
            yield server

    def test_until_there_is_a_site_each_page_waits_for_it(self) -> None:
        with serving(Live(), 0) as server:
            assert ask(server, "/assets/site.css").status == 404
            for path in ("/", "/losses/acme/one.html"):
                answer = ask(server, path)
                assert answer.status == 200
                assert b"as soon as it is built" in answer.body
                assert b"live.js?build=0" in answer.body

    def test_a_page_that_is_gone_waits_to_come_back(self, server) -> None:
        answer = ask(server, "/losses/acme/gone.html")
        assert answer.status == 404
        assert b"live.js?build=1" in answer.body

    def test_a_page_is_told_when_there_are_news(self, server) -> None:
        told: list[dict] = []
        query = f"?change={news(server)['change']}"
        waiting = threading.Thread(target=lambda: told.append(news(server, query)))
        waiting.start()
        waiting.join(0.2)
        assert told == []
        server.live.publish({"index.html": b""})
        waiting.join(10)
        assert told[0]["build"] == 2

    def test_all_who_wait_are_told_of_the_end(self) -> None:
        told: list[dict] = []
        with serving(Live(), 0) as server:
            pages = [
                threading.Thread(target=lambda: told.append(news(server, "?change=0")))
                for _ in range(3)
            ]
            for page in pages:
                page.start()
            while server._telling < len(pages):
                pass
        for page in pages:
            page.join(10)
        assert [answer["ended"] for answer in told] == [True] * 3

    def test_without_news_a_page_is_told_so_after_a_while(self) -> None:
        with serving(Live(), 0) as server:
            server.patience = 0.05
            assert news(server, "?change=0")["change"] == 0

    @pytest.mark.parametrize("query", ["", "?change=", "?change=-1", "?change=x", "?change=1e9"])
    def test_who_knows_nothing_is_told_at_once(self, server, query) -> None:
        assert news(server, query)["build"] == 1

    def test_the_same_site_again_is_no_new_one(self, server) -> None:
        server.live.publish(dict(SITE))
        assert news(server)["build"] == 1

    def test_a_failure_keeps_the_site(self, server) -> None:
        server.live.fail("<b>why</b>")
        assert ask(server, "/").status == 200
        state = news(server)
        assert (state["build"], state["failed"], state["remarks"]) == (1, True, "<b>why</b>")
        server.live.publish(SITE)
        assert (news(server)["failed"], news(server)["remarks"]) == (False, "")


@pytest.fixture
def folder(site, tmp_path, monkeypatch) -> Path:
    """A project with a catalogue, a plugin that is a package, and a namespace with another."""
    site.install(
        "lossplug-fake",
        modules={"fake_flat": "x = 1"},
        entry_points="""
            [lossplug.losses]
            flat = fake_flat:flat
            deep = fake_package.inner:deep
            later = fake_later.module:later
        """,
    )
    (site.folder / "fake_package" / "data").mkdir(parents=True)
    for name in ("__init__.py", "inner.py", "data/table.csv"):
        (site.folder / "fake_package" / name).write_text("")
    site.install("lossplug-other", "plain")
    other = site.folder / "unrelated-1.0.dist-info"
    other.mkdir()
    (other / "entry_points.txt").write_text("[console_scripts]\nx = y:z\n")
    folder = tmp_path / "project" / "below"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LOSSPLUG_CATALOG", raising=False)
    (folder.parent / "lossplug.toml").write_text("")
    (tmp_path / "given.toml").write_text("")
    return folder


def write(path: Path, text: str = "changed") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


# What changes, below the folder of the test.
CHANGES = {
    "a module": "site/fake_flat.py",
    "a package": "site/fake_package/__init__.py",
    "a module of a package": "site/fake_package/inner.py",
    "a new module of a package": "site/fake_package/new.py",
    "another file of a package": "site/fake_package/data/table.csv",
    "a module that was missing": "site/fake_later/module.py",
    "entry points": "site/lossplug_fake-1.0.dist-info/entry_points.txt",
    "a version": "site/lossplug_fake-1.0.dist-info/METADATA",
    "an editable installation": "site/__editable__.fake.pth",
    "the catalogue above": "project/lossplug.toml",
    "a nearer catalogue": "project/below/lossplug.toml",
    "a pyproject": "project/pyproject.toml",
    "a named catalogue": "given.toml",
    "a named catalogue that was missing": "missing.toml",
}
NO_CHANGES = [
    "site/fake_package/__pycache__/inner.cpython-311.pyc",
    "site/fake_package/.#inner.py",
    "site/fake_package/.cache/inner.py",
    "site/fake_package/inner.py~",
    "site/unrelated.py",
    "site/unrelated-1.0.dist-info/METADATA",
    "project/below/notes.txt",
]


class TestWatching:
    @pytest.fixture(autouse=True)
    def named(self, folder, tmp_path, monkeypatch) -> None:
        names = [tmp_path / "given.toml", tmp_path / "missing.toml"]
        monkeypatch.setenv("LOSSPLUG_CATALOG", os.pathsep.join(map(str, names)))

    @pytest.mark.parametrize("path", CHANGES.values(), ids=CHANGES)
    def test_a_change_is_seen(self, tmp_path, path) -> None:
        where = watched()
        before = snapshot(where)
        assert differences(before, snapshot(where)) == []
        write(tmp_path / path, "[lossplug.losses]")
        assert differences(before, snapshot(where)) == [str(tmp_path / path)]

    @pytest.mark.parametrize("path", NO_CHANGES)
    def test_what_makes_no_difference_is_not(self, tmp_path, path) -> None:
        where = watched()
        before = snapshot(where)
        write(tmp_path / path)
        assert differences(before, snapshot(where)) == []

    def test_a_distribution_that_comes_or_goes_is_seen(self, site) -> None:
        where = watched()
        before = snapshot(where)
        info = site.install("lossplug-new", "fresh")
        found = differences(before, snapshot(where))
        assert found == [str(info / "METADATA"), str(info / "entry_points.txt")]
        (info / "entry_points.txt").unlink()
        assert differences(before, snapshot(where)) == []

    def test_a_file_that_is_gone_is_seen(self, site) -> None:
        where = watched()
        before = snapshot(where)
        (site.folder / "fake_package" / "inner.py").unlink()
        assert differences(before, snapshot(where)) == [str(site.folder / "fake_package/inner.py")]

    def test_no_plugin_is_imported(self) -> None:
        watched()
        assert not {"fake_flat", "fake_package", "lossplug_other_losses"} & {*sys.modules}

    def test_links_in_a_circle_end(self, site) -> None:
        (site.folder / "fake_package" / "again").symlink_to(site.folder / "fake_package")
        assert not [path for path in snapshot(watched()) if "again" in path]


def test_a_new_process_also_finds_the_catalogues_of_hook_plugins(site, folder, monkeypatch) -> None:
    given = folder.parent.parent / "given.toml"
    site.install(
        "lossplug-acme",
        modules={
            "acme_hooks": f"""
            import pluggy
            print("noise")
            @pluggy.HookimplMarker("lossplug")
            def lossplug_catalog():
                return {str(given)!r}
            """
        },
        entry_points="[lossplug.hooks]\nacme = acme_hooks\n",
    )
    monkeypatch.setenv("PYTHONPATH", str(site.folder), prepend=os.pathsep)
    found = look()
    assert found is not None
    assert str(given) in found.files
    assert str(folder.parent / "lossplug.toml") in found.files
    assert str(site.folder / "fake_package") in found.code
    (folder.parent / "lossplug.toml").write_text("not TOML")
    assert str(site.folder / "fake_package") in look().code


class Builds:
    """Builds that are as long and as good as a test wants."""

    def __init__(self, *outcomes: Outcome, ends: bool = True) -> None:
        self.outcomes = iter(outcomes)
        self.ends = ends
        self.started = self.stopped = 0

    @contextmanager
    def __call__(self):
        self.started += 1
        yield self
        self.stopped += 1

    def wait(self, timeout: float) -> Outcome | None:
        return next(self.outcomes) if self.ends else None


GOOD, BETTER = Outcome({"index.html": b"1"}, ""), Outcome({"index.html": b"2"}, "Warning: x")
BAD = Outcome(None, "Error: \x1b[31mhostile")


class TestRebuilding:
    @pytest.fixture
    def file(self, tmp_path) -> Path:
        return tmp_path / "lossplug.toml"

    @pytest.fixture
    def rebuilding(self, file):
        self.live, self.said = Live(), []

        def rebuilding(builds: Builds) -> Rebuilding:
            return Rebuilding(
                self.live,
                self.said.append,
                start=builds,
                search=lambda: Watched((), (), (str(file),)),
                interval=0.01,
                settling=0.01,
            )

        return rebuilding

    def test_each_change_is_one_build_of_which_one_line_is_said(self, rebuilding, file) -> None:
        site = rebuilding(builds := Builds(GOOD, BETTER))
        assert site.build() == []
        assert self.live.state.site == GOOD.site
        threading.Timer(0.1, write, [file]).start()
        changed = site.wait()
        assert changed == [str(file)]
        assert site.build(changed) == []
        assert self.live.state.site == BETTER.site
        assert builds.started == builds.stopped == 2
        assert [line.partition(" in ")[0] for line in self.said] == ["Built", "Built"]
        assert self.said[1].endswith(f", as {file} changed.\nWarning: x")

    def test_reports_that_a_site_is_given_are_watched_too(self, tmp_path) -> None:
        report = tmp_path / "report.json"
        site = Rebuilding(
            Live(),
            print,
            start=Builds(GOOD),
            search=lambda: Watched((), (), ()),
            more=[str(report)],
            interval=0.01,
        )
        site.build()
        threading.Timer(0.1, write, [report]).start()
        assert site.wait() == [str(report)]

    def test_a_build_that_fails_keeps_the_site(self, rebuilding) -> None:
        site = rebuilding(Builds(GOOD, BAD, BETTER))
        site.build()
        site.build()
        state = self.live.state
        assert (state.site, state.failed, state.remarks) == (GOOD.site, True, BAD.remarks)
        assert BAD.remarks in self.said[1]
        site.build()
        assert not self.live.state.failed

    def test_a_build_that_is_out_of_date_is_stopped(self, rebuilding, file) -> None:
        site = rebuilding(builds := Builds(ends=False))
        threading.Timer(0.1, write, [file]).start()
        assert site.build() == [str(file)]
        assert builds.stopped == 1
        assert self.live.state.building

    def test_what_is_written_in_pieces_is_waited_for(self, rebuilding, file) -> None:
        site = rebuilding(Builds(GOOD))
        site._settling = 0.1
        site.build()
        threads = [threading.Timer(0.05 * n, write, [file, "x" * n]) for n in range(1, 6)]
        for thread in threads:
            thread.start()
        site.wait()
        assert file.read_text() == "xxxxx"

    def test_an_interruption_stops_the_build(self, rebuilding, file) -> None:
        class Interrupted(Builds):
            def wait(self, timeout: float) -> None:
                raise KeyboardInterrupt

            @contextmanager
            def __call__(self):
                try:
                    yield self
                finally:
                    self.stopped += 1

        builds = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            rebuilding(builds).run()
        assert builds.stopped == 1


def test_of_what_a_build_says_warnings_are_kept() -> None:
    said = "I0000 noise\nWarning: one\n  more of it\nnoise\n  of it\nWarning: two"
    assert _warnings(said) == "Warning: one\n  more of it\nWarning: two"


def test_to_serve_imports_no_keras() -> None:
    code = (
        "import sys, lossplug_core.cli.catalog.serve, lossplug_core.catalog.serving.builds, "
        "lossplug_core.catalog.serving.server\n"
        "print(*{'keras', 'numpy', 'plotly'} & {*sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
