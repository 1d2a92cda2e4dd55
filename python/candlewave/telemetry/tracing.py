"""OpenTelemetry traces from trade to forecast; off, and nearly free, unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set.

From publisher to consumer the context travels in message headers, as the W3C ``traceparent``. The SQL between trades
and forecasts keeps no headers. What links its two sides is the minute: the trace of a market's minute has an id that is
computed from exchange, symbol and minute, so that every service that handles the minute adds its spans to one trace.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, ProxyTracerProvider, Span, SpanContext, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from candlewave import __version__
from candlewave.core.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

Headers = Mapping[str, str] | None
Minute = tuple[str, str, datetime]
"""Exchange, symbol, and a time within the minute, with time zone."""

_PROPAGATOR = TraceContextTextMapPropagator()
_SECONDS = 60
_root: ContextVar[SpanContext | None] = ContextVar("_root", default=None)
"""Ids of the root span that is being started."""


def configure(settings: Settings, service: str) -> Callable[[], None]:
    """Export this process's spans to the configured endpoint by OTLP over HTTP.

    Returns:
        What to call at the end: it sends what is left. It does nothing when tracing is off.
    """
    if not settings.otlp_endpoint:
        return lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    spans = provider(settings, service)
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(spans)
    return spans.shutdown


def provider(settings: Settings, service: str) -> "TracerProvider":
    """Return a provider of a service's spans, in which the root span of a minute has the ids that all can compute."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            root = _root.get()
            return super().generate_trace_id() if root is None else root.trace_id

        def generate_span_id(self) -> int:
            root = _root.get()
            return super().generate_span_id() if root is None else root.span_id

        def is_trace_id_random(self) -> bool:
            return _root.get() is None

    attributes = {
        "service.name": service,
        "service.namespace": "candlewave",
        "service.version": __version__,
        "deployment.environment.name": settings.environment.value,
    }
    return TracerProvider(resource=Resource.create(attributes), id_generator=Ids())


def is_on() -> bool:
    """Return whether spans of this process are recorded."""
    return not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)


def tracer(name: str) -> Tracer:
    """Return the tracer of a module; its spans are no-ops while tracing is off."""
    return trace.get_tracer(name, __version__)


def inject(headers: Headers = None) -> dict[str, str]:
    """Return message headers with the current span's context added; unchanged outside a span."""
    carrier = dict(headers or {})
    _PROPAGATOR.inject(carrier)
    return carrier


@contextmanager
def consuming(name: str, received: Iterable[Headers]) -> Iterator[Span]:
    """Run the block in a span that continues the trace of the first message with a context and links the others'."""
    contexts = [_PROPAGATOR.extract(headers, Context()) for headers in received if headers]
    found = [trace.get_current_span(context).get_span_context() for context in contexts]
    spans = list({span.span_id: span for span in found if span.is_valid}.values())
    context = _inside(spans[0]) if spans else Context()
    links = [Link(other) for other in spans[1:]]
    with tracer(__name__).start_as_current_span(name, context, SpanKind.CONSUMER, links=links) as span:
        yield span


def minute_headers(minute: Minute) -> dict[str, str] | None:
    """Return the headers of a message that belongs to a market's minute; None while tracing is off."""
    return _headers(_minute(*minute)) if is_on() else None


def minute_link(span: Span, minute: Minute) -> None:
    """Link a span, which is about more than one market's minute, with the trace of one."""
    if span.is_recording():
        span.add_link(_minute(*minute))


def record_root(name: str, minute: Minute, start: datetime, end: datetime, **attributes: str | int) -> None:
    """Record the first span of a minute's trace, of which all others are children."""
    if not is_on():
        return
    token = _root.set(_minute(*minute))
    try:
        span = tracer(__name__).start_span(name, Context(), SpanKind.PRODUCER, start_time=_ns(start))
    finally:
        _root.reset(token)
    _finish(span, minute, end, attributes)


def record(name: str, minute: Minute, start: datetime, end: datetime, **attributes: str | int) -> None:
    """Record a span of a market's minute that has ended already."""
    if is_on():
        span = tracer(__name__).start_span(name, _inside(_minute(*minute)), start_time=_ns(start))
        _finish(span, minute, end, attributes)


@contextmanager
def minutes(name: str, about: Iterable[Minute]) -> Iterator[Callable[[str, str, datetime], Headers]]:
    """Run the block in a span in the trace of each of some minutes, linked with the current span.

    Yields:
        A function that returns the headers of a message about one of them: its consumers continue that span.
    """
    if not is_on():
        yield lambda _exchange, _symbol, _time: None
        return
    current = trace.get_current_span().get_span_context()
    links = [Link(current)] if current.is_valid else []
    spans = {
        _minute(*minute).trace_id: tracer(__name__).start_span(
            name,
            _inside(_minute(*minute)),
            SpanKind.PRODUCER,
            links=links,
            attributes={"candlewave.exchange": minute[0], "candlewave.symbol": minute[1]},
        )
        for minute in about
    }
    try:
        yield lambda exchange, symbol, time: _headers(
            spans[_minute(exchange, symbol, time).trace_id].get_span_context()
        )
    finally:
        for span in spans.values():
            span.end()


def _minute(exchange: str, symbol: str, time: datetime) -> SpanContext:
    return _minute_ids(exchange, symbol, int(time.timestamp()) // _SECONDS)


@lru_cache(maxsize=4096)
def _minute_ids(exchange: str, symbol: str, number: int) -> SpanContext:
    """Return the root span of a market's minute, whichever process asks."""
    digest = blake2b(f"{exchange}|{symbol}|{number}".encode(), digest_size=24).digest()
    return SpanContext(
        int.from_bytes(digest[:16]),
        int.from_bytes(digest[16:]),
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )


def _inside(span: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(span), Context())


def _headers(span: SpanContext) -> dict[str, str]:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, _inside(span))
    return carrier


def _finish(span: Span, minute: Minute, end: datetime, attributes: Mapping[str, str | int]) -> None:
    exchange, symbol, _ = minute
    named = {f"candlewave.{name}": value for name, value in attributes.items()}
    span.set_attributes({"candlewave.exchange": exchange, "candlewave.symbol": symbol, **named})
    span.end(_ns(end))


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
