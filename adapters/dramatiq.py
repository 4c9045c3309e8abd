"""The Dramatiq adapter: a middleware of the broker, by which each actor runs under the tenant that
its message was enqueued under.

The tenant's id travels in the message's options.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final, NoReturn

from dramatiq import Broker, Middleware
from dramatiq.middleware import MiddlewareError, SkipMessage

from tenantshield_mw.context import Binding, current_bound, unbind
from tenantshield_mw.directory import Lookup, TenantDirectory
from tenantshield_mw.errors import (
    ConfigurationError,
    MissingTenantContextError,
    TenantShieldError,
)
from tenantshield_mw.jobs import HEADER, JobScope, JobTenants, OnRefused
from tenantshield_mw.jobs.scope import ONE_TENANT, OPTIONS, enter
from tenantshield_mw.tenant import TenantId

__all__ = ["RefusedError", "TenantMiddleware", "install"]

_logger: Final = logging.getLogger(__name__)

_entered: Final[ContextVar[Binding | None]] = ContextVar("tenantshield_mw_dramatiq", default=None)


class RefusedError(MiddlewareError):
    """A message is not processed, and is tried again; its cause says why.

    Dramatiq raises errors of middleware only if they are of its own class.
    """


class _MissingTenantError(MiddlewareError, MissingTenantContextError):
    """A message cannot be enqueued, since no tenant is in scope."""


class _MisconfiguredError(MiddlewareError, ConfigurationError):
    """An actor or the broker is set up wrongly."""


def install(
    broker: Broker,
    *,
    directory: TenantDirectory | Lookup | None,
    keys: Sequence[bytes] = (),
    on_refused: OnRefused = "reject",
) -> None:
    """Let the actors of a broker run under the tenant that their messages are enqueued under.

    ::

        broker = RedisBroker()
        install(broker, directory=directory)
        dramatiq.set_broker(broker)

        @dramatiq.actor
        def remind(number: int) -> None: ...

        @dramatiq.actor(tenant=None)
        def heartbeat() -> None: ...

        @dramatiq.actor(system="nightly statistics")
        def statistics() -> None: ...

    Call it before the first actor is declared, where messages are enqueued and where they are
    processed. The middleware becomes the first one, so that what others enqueue after a message,
    such as retries and the next part of a pipeline, is the same tenant's.

    Args:
        broker: the broker.
        directory: a :class:`~tenantshield_mw.TenantDirectory` or a sync lookup, asked by a worker
            for the tenant of each message; see :class:`~tenantshield_mw.jobs.JobTenants`.
        keys: to sign what messages carry: the first one signs, each of them verifies.
        on_refused: what happens to a message whose tenant is suspended or unknown. ``"reject"``
            and ``"dead_letter"``: it is moved to the dead letter queue, as Dramatiq does with every
            message that has failed. ``"retry"``: it is retried as the actor's options say.

    Raises:
        ConfigurationError: an argument is invalid, actors were declared before, or
            ``install()`` was called for this broker before.
    """
    if broker.actors:
        raise ConfigurationError("install() must be called before the first actor is declared")
    if any(isinstance(each, TenantMiddleware) for each in broker.middleware):
        raise ConfigurationError("install() was called for this broker before")
    middleware = TenantMiddleware(JobTenants(directory=directory, keys=keys, on_refused=on_refused))
    first = type(broker.middleware[0]) if broker.middleware else None
    broker.add_middleware(middleware, before=first)


class TenantMiddleware(Middleware):
    """The middleware that :func:`install` adds.

    Args:
        tenants: how messages find their tenants.
    """

    def __init__(self, tenants: JobTenants) -> None:
        self._tenants = tenants
        # What the messages carry that this process got and Dramatiq may send again, by their ids.
        self._received: dict[str, object] = {}

    @property
    def actor_options(self) -> set[str]:
        """The options by which an actor says that it works for no single tenant."""
        return set(OPTIONS)

    def before_declare_actor(self, broker: Broker, actor: Any) -> None:
        """Check the actor's options."""
        try:
            JobScope.declared(actor.options, actor.actor_name)
        except ConfigurationError as error:
            raise _MisconfiguredError(*error.args) from None

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        """Check that no other middleware acts before the tenant is bound or after it has ended."""
        if broker.middleware[0] is not self:
            raise _MisconfiguredError(
                "another middleware was added to the broker before the tenants': what it enqueues "
                "after a message would have no tenant. Add it without before="
            )

    def before_enqueue(self, broker: Broker, message: Any, delay: int) -> None:
        """Let a message name the tenant in scope."""
        carried = message.options.get(HEADER)
        again = None
        try:
            scope = _scope_of(broker, message)
            if current_bound() is None and self._is_sent_again(message, carried):
                again = self._named(scope, carried, message)
            carried = self._tenants.carried(
                scope, message.actor_name, message.message_id, unless_bound=again
            )
        except MissingTenantContextError as error:
            raise _MissingTenantError(*error.args) from None
        except TenantShieldError as error:
            raise RefusedError(*error.args) from error
        if carried is None:
            message.options.pop(HEADER, None)
        else:
            message.options[HEADER] = carried

    def _is_sent_again(self, message: Any, carried: object) -> bool:
        """Return whether a message comes from Dramatiq, as a retry or when its delay is over.

        The options of a new message are the caller's, who may not name a tenant in them. A
        signature proves that the message was sent in the tenant's scope before.
        """
        if carried is None:
            return False
        received = self._received.pop(message.message_id, None)
        return self._tenants.signs or received == carried

    def before_delay_message(self, broker: Broker, message: Any) -> None:
        """Note what a message carries that is enqueued again when its delay is over."""
        self._note(message)

    def after_worker_shutdown(self, broker: Broker, worker: Any) -> None:
        """Forget the messages that go back to the queue."""
        self._received.clear()

    def _note(self, message: Any) -> None:
        carried = message.options.get(HEADER)
        if carried is not None:
            self._received[message.message_id] = carried

    def before_process_message(self, broker: Broker, message: Any) -> None:
        """Bind the tenant, or refuse the message."""
        # A time limit may have interrupted the end of the message before, in this thread.
        _leave()
        try:
            scope = _scope_of(broker, message)
            named = self._named(scope, message.options.get(HEADER), message)
            bound = self._tenants.bound(scope, named)
        except Exception as error:  # noqa: BLE001
            self._refuse(message, error)
        _entered.set(enter(bound))

    def after_process_message(self, broker: Broker, message: Any, **_: Any) -> None:
        """Unbind the tenant."""
        self._received.pop(message.message_id, None)
        _leave()

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        """Unbind the tenant."""
        _leave()

    def _named(self, scope: JobScope, carried: object, message: Any) -> TenantId | None:
        return self._tenants.named(scope, carried, message.actor_name, message.message_id)

    def _refuse(self, message: Any, error: Exception) -> NoReturn:
        disposal = self._tenants.disposal(error)
        reason = f"{type(error).__name__}: {error}"
        if disposal == "retry":
            # It is tried again when this is over, without a tenant in scope.
            self._note(message)
            raise RefusedError(reason) from error
        _logger.warning("message %s was refused: %s", message.message_id, reason)
        # Acknowledged without failing, its result would be None, as if it had run.
        message.fail()
        raise SkipMessage(reason) from error


def _scope_of(broker: Broker, message: Any) -> JobScope:
    actor = broker.actors.get(message.actor_name)
    if actor is None:
        return ONE_TENANT
    return JobScope.declared(actor.options, actor.actor_name)


def _leave() -> None:
    binding = _entered.get()
    if binding is not None:
        _entered.set(None)
        unbind(binding)
