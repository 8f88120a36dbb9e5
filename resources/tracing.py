"""OpenTelemetry traces, from the HTTP request over the queue to the op.

They are made where ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``…_TRACES_ENDPOINT``) names a collector,
which gets them as OTLP over HTTP; the SDK reads the other ``OTEL_*`` variables itself. Elsewhere
nothing is imported and every function here does nothing. Spans are sent in the background every few
seconds: a process that is killed takes the last ones with it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from resources.run_tags import TRACEPARENT_TAG

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

SERVICE_NAME = "studio"
TRACER_NAME = "studio"

Attributes = Mapping[str, str | bool | int | float]


def enabled() -> bool:
    """Return whether this process is to make traces."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return not disabled and any(os.environ.get(name) for name in names)


@cache
def tracer_provider() -> "TracerProvider | None":
    """Return what makes and sends this process's spans, or None where nobody collects them.

    It starts a thread: a process that forks calls this only in its children.
    """
    if not enabled():
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource({"service.name": SERVICE_NAME}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


@contextmanager
def start_span(
    name: str, attributes: Attributes, *, parent: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Make a span of the block; one that the block raises out of is marked as failed.

    Args:
        name: What is done, without ids.
        attributes: Ids and figures.
        parent: What :func:`inject` gave elsewhere; by default the span that is current here.
    """
    provider = tracer_provider()
    if provider is None:
        yield
        return
    tracer = provider.get_tracer(TRACER_NAME)
    context = None if parent is None else extract(parent)
    with tracer.start_as_current_span(name, context=context, attributes=attributes):
        yield


def record_span(name: str, since_s: float, until_s: float, parent: Mapping[str, str]) -> None:
    """Make a span of what has happened already, in seconds since the epoch."""
    provider = tracer_provider()
    if provider is not None:
        span = provider.get_tracer(TRACER_NAME).start_span(
            name, context=extract(parent), start_time=_nanoseconds(since_s)
        )
        span.end(_nanoseconds(max(since_s, until_s)))


def inject() -> dict[str, str]:
    """Return the run tag that carries the current span to another process, or no tag."""
    if tracer_provider() is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return {TRACEPARENT_TAG: carrier["traceparent"]} if carrier else {}


def extract(tags: Mapping[str, str]) -> "Context":
    """Read the span that a run's tags carry; without one, spans begin a trace of their own."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, Any] = {"traceparent": tags.get(TRACEPARENT_TAG, "")}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _nanoseconds(time_s: float) -> int:
    return round(time_s * 1e9)
