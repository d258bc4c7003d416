"""A receiver of what Alertmanager tells."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Webhook:
    """The alerts that were told of as firing, with their labels."""

    def __init__(self) -> None:
        self._fired: list[dict[str, str]] = []

    def take(self, message: bytes) -> None:
        self._fired += [alert["labels"] for alert in json.loads(message)["alerts"] if alert["status"] == "firing"]

    def has_heard_of(self, alert: str, **labels: str) -> bool:
        wanted = {"alertname": alert, **labels}
        return any(wanted.items() <= fired.items() for fired in self._fired)


@contextlib.contextmanager
def receiving(webhook: Webhook, address: str, port: int) -> Iterator[None]:
    """Receive at an address, in a thread, so that nothing waits for the tests."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            webhook.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            pass

    with ThreadingHTTPServer((address, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
