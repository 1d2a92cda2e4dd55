"""OpenTelemetry traces from trade to forecast; off, and nearly free, unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set.

The context travels in message headers as the W3C ``traceparent``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from candlewave import __version__
from candlewave.core.settings import Settings

_PROPAGATOR = TraceContextTextMapPropagator()


def configure(settings: Settings, service: str) -> Callable[[], None]:
    """Export this process's spans to the configured endpoint by OTLP over HTTP.

    Returns:
        What to call at the end: it sends what is left. It does nothing when tracing is off.
    """
    if not settings.otlp_endpoint:
        return lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create(
            {
                "service.name": service,
                "service.namespace": "candlewave",
                "service.version": __version__,
                "deployment.environment.name": settings.environment.value,
            }
        )
    )
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def tracer(name: str) -> Tracer:
    """Return the tracer of a module; its spans are no-ops while tracing is off."""
    return trace.get_tracer(name, __version__)


def inject(headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return message headers with the current span's context added; unchanged outside a span."""
    carrier = dict(headers or {})
    _PROPAGATOR.inject(carrier)
    return carrier


def extract(headers: Mapping[str, str] | None) -> Context:
    """Return the context that a message's headers carry; an empty one when they carry none."""
    return _PROPAGATOR.extract(headers or {}, context=Context())


@contextmanager
def consuming(name: str, headers: Mapping[str, str] | None) -> Iterator[Span]:
    """Run the block in a span that continues the trace of a received message."""
    with tracer(__name__).start_as_current_span(name, extract(headers), SpanKind.CONSUMER) as span:
        yield span
