"""The tenant in spans, and not in what leaves the house."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from opentelemetry import baggage, propagate
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.opentelemetry import TenantSpanProcessor, mark_current_span


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Iterator[Tracer]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(TenantSpanProcessor())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("shop")
    provider.shutdown()


def attributes(exporter: InMemorySpanExporter) -> dict[str, dict[str, object]]:
    return {span.name: dict(span.attributes or {}) for span in exporter.get_finished_spans()}


def test_spans_that_begin_in_a_scope_have_the_tenant(
    tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    with tracer.start_as_current_span("request"):
        with tenant_scope(UUID(int=7)), tracer.start_as_current_span("query"):
            pass
        with system_scope("a report"), tracer.start_as_current_span("report"):
            pass
    assert attributes(exporter) == {
        "query": {"tenant.id": str(UUID(int=7))},
        "report": {},
        "request": {},
    }


def test_a_span_that_began_before_can_be_marked(
    tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    with tracer.start_as_current_span("request"), tenant_scope("acme"):
        mark_current_span()
    with tracer.start_as_current_span("other"):
        mark_current_span()
    assert attributes(exporter) == {"request": {"tenant.id": "acme"}, "other": {}}


def test_nothing_of_it_is_sent_to_other_services(tracer: Tracer) -> None:
    sent: dict[str, str] = {}
    with tenant_scope("acme"), tracer.start_as_current_span("request"):
        mark_current_span()
        propagate.inject(sent)
        assert baggage.get_all() == {}
    assert list(sent) == ["traceparent"]
    assert "acme" not in sent["traceparent"]
