"""Stand-ins for Go and for upstream's releases, so that the ways to the programs can be walked in a second."""

import http.server
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from farthing.local import binaries
from farthing.local.pins import CONTROL_PLANE, PROGRAMS, Program

GO = """#!/bin/sh
case "$1" in
version) echo "go version go{version} linux/amd64" ;;
build)
    while [ "$1" != -o ]; do shift; done
    echo "$3" >> "{log}"
    {build}
    ;;
esac
"""

Go = Callable[..., Path]


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    """Puts a Go on PATH; what it builds is written down in the file that comes back."""

    def put(build: str = 'echo built > "$2"', version: str = "1.26.8") -> Path:
        folder, log = tmp_path / "go-on-path", tmp_path / "built.txt"
        folder.mkdir(exist_ok=True)
        log.touch()
        (folder / "go").write_text(GO.format(version=version, log=log, build=build))
        (folder / "go").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return log

    return put


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nobody who names a folder."""
    monkeypatch.setenv("FARTHING_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FARTHING_BIN", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def unreleased(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upstream offers none of the programs."""
    bare = tuple(Program(one.name, one.module, one.package, one.seconds) for one in PROGRAMS)
    monkeypatch.setattr(binaries, "CONTROL_PLANE", replace(CONTROL_PLANE, programs=bare))


@dataclass
class Upstream:
    """A web server on this machine that plays upstream's releases: path to content."""

    address: str
    content: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append(self.path)
            found = here.content.get(self.path)
            self.send_response(200 if found is not None else 404)
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Upstream(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield here
        server.shutdown()
        thread.join()


@pytest.fixture
def program(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The only program that is needed here; upstream releases it as it is."""
    one = Program("tool", "kwok", "example.com/tool", 1, f"{upstream.address}/tool", f"{upstream.address}/tool.sha256")
    monkeypatch.setattr(binaries, "CONTROL_PLANE", replace(CONTROL_PLANE, programs=(one,)))
    return one
