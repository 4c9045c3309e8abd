"""The tenant in OpenTelemetry's spans.

As an attribute, which goes where the spans are exported to. Nothing is put into the baggage: that
is sent along with each request to another service, also one of somebody else.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.trace import get_current_span

from tenantshield_mw.context import try_current_tenant

__all__ = ["TENANT_ATTRIBUTE", "TenantSpanProcessor", "mark_current_span"]

TENANT_ATTRIBUTE: Final = "tenant.id"
"""The attribute. OpenTelemetry's conventions have none for it."""


class TenantSpanProcessor(SpanProcessor):
    """Set the attribute ``tenant.id`` of each span that begins in a tenant's scope::

        provider.add_span_processor(TenantSpanProcessor())

    A server's span begins before the tenant is known; see :func:`mark_current_span`.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """Set the attribute, as text."""
        tenant = try_current_tenant()
        if tenant is not None:
            span.set_attribute(TENANT_ATTRIBUTE, str(tenant.tenant_id))


def mark_current_span() -> None:
    """Set the attribute ``tenant.id`` of the current span, if a tenant is in scope.

    For a server's span, which begins outside of the tenant middleware. Call it in a dependency,
    a ``before_request`` function or a middleware inside.
    """
    tenant = try_current_tenant()
    if tenant is not None:
        get_current_span().set_attribute(TENANT_ATTRIBUTE, str(tenant.tenant_id))
