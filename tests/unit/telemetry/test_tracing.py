"""Trace context travels in message headers; nothing is exported unless an endpoint is set."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from candlewave.bus.messages import traced
from candlewave.bus.protocol import Message
from candlewave.core.settings import Settings
from candlewave.telemetry import tracing


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider of real spans for the test only."""
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer", lambda name, version=None: provider.get_tracer(name, version))


@pytest.mark.usefixtures("spans")
def test_a_message_continues_the_trace_of_its_publisher() -> None:
    with tracing.tracer("publisher").start_as_current_span("publish") as publishing:
        headers = tracing.inject({"schema": "1"})
    assert headers["schema"] == "1"
    with tracing.consuming("consume", [None, headers]) as consumed:
        assert consumed.get_span_context().trace_id == publishing.get_span_context().trace_id
        assert consumed.parent.span_id == publishing.get_span_context().span_id  # type: ignore[attr-defined]


@pytest.mark.usefixtures("spans")
def test_a_batch_continues_its_first_trace_and_links_the_others() -> None:
    published = []
    for name in ("first", "second"):
        with tracing.tracer("publisher").start_as_current_span(name) as span:
            published += [(span.get_span_context(), message) for message in traced([Message(b"x"), Message(b"y")])]
    with tracing.consuming("consume", [message.headers for _, message in published]) as consumed:
        assert consumed.parent.span_id == published[0][0].span_id  # type: ignore[attr-defined]
        assert [link.context.span_id for link in consumed.links] == [published[-1][0].span_id]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("spans")
def test_a_message_keeps_the_headers_it_has() -> None:
    with tracing.tracer("publisher").start_as_current_span("publish"):
        (message,) = traced([Message(b"x", headers={"traceparent": "other"})])
    assert message.headers == {"traceparent": "other"}


@pytest.mark.usefixtures("spans")
def test_a_message_without_context_begins_its_own_trace() -> None:
    with tracing.tracer("other").start_as_current_span("unrelated"), tracing.consuming("consume", [None, {}]) as span:
        assert span.parent is None  # type: ignore[attr-defined]


def test_without_an_endpoint_nothing_is_recorded_or_added() -> None:
    tracing.configure(Settings(otlp_endpoint=None), "x")()
    with tracing.tracer("a").start_as_current_span("b") as span:
        assert not span.is_recording()
        assert tracing.inject({}) == {}
    message = Message(b"x")
    assert list(traced([message])) == [message]
    assert tracing.minute_headers(("kraken", "BTC/USD", datetime(2026, 5, 4, tzinfo=UTC))) is None


@pytest.fixture
def collector() -> Iterator[tuple[str, list[str]]]:
    """An OTLP endpoint that notes the paths it is posted to."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", paths
    server.shutdown()
    server.server_close()
    thread.join()


def test_with_an_endpoint_spans_are_sent_at_the_latest_at_the_end(
    collector: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, paths = collector
    providers: list[TracerProvider] = []
    monkeypatch.setattr(trace, "set_tracer_provider", providers.append)
    finish = tracing.configure(Settings(otlp_endpoint=endpoint + "/"), "x")
    providers[0].get_tracer("a").start_span("b").end()
    finish()
    assert paths == ["/v1/traces"]
