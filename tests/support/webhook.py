"""A receiver of the notifications that Alertmanager sends to a webhook."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Webhook:
    """Remembers the labels of every alert that was reported as firing."""

    def __init__(self) -> None:
        self._fired: list[dict[str, str]] = []

    def record(self, message: bytes) -> None:
        self._fired += [alert["labels"] for alert in json.loads(message)["alerts"] if alert["status"] == "firing"]

    def has_heard_of(self, alert: str, **labels: str) -> bool:
        """Whether an alert with these labels has fired."""
        expected = {"alertname": alert, **labels}
        return any(expected.items() <= fired.items() for fired in self._fired)


@contextlib.contextmanager
def receiving(webhook: Webhook, address: str, port: int) -> Iterator[None]:
    """Receive notifications at an address, in a thread, so that Alertmanager never waits for the tests."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            webhook.record(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class has this name
            pass

    with ThreadingHTTPServer((address, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
