"""Serves the simulated systems over real HTTP on loopback: one port, one path prefix a system."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.control import control
from integrations.sandbox.events import Business
from integrations.sandbox.faults import answer
from integrations.sandbox.memory import recall, remember
from integrations.sandbox.web import Request, Response, State, System, json_response

HOST = "127.0.0.1"
BODY_LIMIT = 5_000_000


class SandboxServer(ThreadingHTTPServer):
    """A server of one business; `state` may be looked at and changed by tests in the same process. In the
    folder `memory` stands what systems were sent, for the next start."""

    daemon_threads = True

    def __init__(
        self, business: Business, *, port: int = 0, state: State | None = None, memory: Path | None = None
    ) -> None:
        self.business = business
        self.state = state or State(clock=business.clock)
        self.memory = memory
        if memory is not None:
            recall(memory, self.state)
        super().__init__((HOST, port), _Handler)
        self.state.address = self.address

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def answer(self, request: Request) -> Response:
        """Route by the first part of the path; systems see the rest."""
        if request.path.startswith("/_control"):
            answered = control(self.business, self.state, request, address=self.address)
            self._remember(request, *SYSTEMS.values())
            return answered
        for system in SYSTEMS.values():
            if request.path.startswith(f"{system.base}/"):
                below = Request(
                    request.method,
                    request.path[len(system.base) :],
                    request.query,
                    request.headers,
                    request.body,
                )
                with self.state.lock:
                    answered = answer(system, self.business, self.state, below)
                    self._remember(request, system)
                    return answered
        known = ", ".join(system.base for system in SYSTEMS.values())
        return json_response({"error": f"Nothing here; the sandbox serves {known} and /_control"}, 404)

    def _remember(self, request: Request, *systems: System) -> None:
        if self.memory is not None and request.method != "GET":
            for system in systems:
                remember(self.memory, system, self.state)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Sandbox"
    server: SandboxServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_LIMIT:
            self._send(json_response({"error": "Request body too large"}, 413))
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        self._send(self.server.answer(request))

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _serve  # noqa: N815 (names the base class looks for)

    def _send(self, response: Response) -> None:
        """Head and body in one write; a cut body declares its full length and then hangs up."""
        if response.delay:
            time.sleep(response.delay)
        if response.cut == 0:
            self.close_connection = True
            return
        reason = self.responses.get(response.status, ("",))[0]
        fields = [
            ("Server", self.server_version),
            ("Date", self.date_time_string()),
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *response.headers,
        ]
        lines = [
            f"{self.protocol_version} {int(response.status)} {reason}",
            *(f"{k}: {v}" for k, v in fields),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        body = response.body if response.cut is None else response.body[: response.cut]
        self.close_connection = self.close_connection or response.cut is not None
        try:
            self.wfile.write(head + body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the product records its own calls."""


@contextmanager
def running(business: Business, *, port: int = 0, state: State | None = None) -> Iterator[SandboxServer]:
    """A server in a thread of its own, stopped at the end of the block."""
    server = SandboxServer(business, port=port, state=state)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
