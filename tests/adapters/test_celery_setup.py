"""How the Celery adapter is set up, and what it does outside a task's own process."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery import Celery, Task
from kombu.message import Message

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.celery import TenantRequest, TenantTask, install
from tenantshield_mw.jobs import HEADER

from .celery_bench import KEY, TIMEOUT, Bench


def test_a_task_can_be_sent_by_its_name() -> None:
    bench = Bench()

    @bench.task(name="look")
    def look() -> None:
        bench.see()

    @bench.task(name="without", tenant=None)
    def without() -> None:
        bench.see()

    sender = bench.make_app()
    install(sender, directory=None, keys=[KEY])
    with bench.worker():
        for app in (sender, bench.app):
            with tenant_scope("acme"):
                app.send_task("look").get(interval=0.01, timeout=TIMEOUT)
            app.send_task("without", tenant=None).get(interval=0.01, timeout=TIMEOUT)
            with pytest.raises(MissingTenantContextError):
                app.send_task("look")
    with pytest.raises(ConfigurationError, match="tenant=None"):
        bench.app.send_task("look", tenant=None)
    assert bench.seen == ["acme", "no scope"] * 2


def test_a_task_of_another_base_class_is_refused() -> None:
    bench = Bench()

    class Other(Task):
        pass

    @bench.task(base=Other)
    def look() -> None:
        bench.see()

    with tenant_scope("acme"), pytest.raises(ConfigurationError, match="derive it"):
        look.delay()
    with pytest.raises(ConfigurationError, match="derive it"), bench.worker():
        pass


def test_a_task_that_says_both_is_refused() -> None:
    bench = Bench()

    @bench.task(tenant=None, system="statistics")
    def look() -> None: ...

    with pytest.raises(ConfigurationError, match="neither"):
        bench.app.finalize()


def test_install_is_called_once_before_the_first_task() -> None:
    bench = Bench()
    with pytest.raises(ConfigurationError, match="before"):
        install(bench.app, directory=None)
    late = bench.make_app()

    task: Any = late.task

    @task(lazy=False, shared=False)
    def look() -> None: ...

    with pytest.raises(ConfigurationError, match="first task"):
        install(late, directory=None)
    bad: Any = "drop"
    with pytest.raises(ConfigurationError, match="on_refused"):
        install(bench.make_app(), directory=None, on_refused=bad)


def test_a_class_of_tasks_for_the_app_keeps_its_place() -> None:
    class Own(Task):
        pass

    app = Celery("own", task_cls=Own, broker="memory://", set_as_current=False)
    install(app, directory=None)

    task: Any = app.task

    @task(lazy=False, shared=False)
    def look() -> None: ...

    assert isinstance(look, TenantTask)
    assert isinstance(look, Own)


@pytest.mark.parametrize("how", ["on_failure", "on_timeout"])
@pytest.mark.parametrize("is_forged", [False, True])
def test_the_main_process_handles_a_lost_task_for_its_tenant(how: str, is_forged: bool) -> None:
    bench = Bench()

    @bench.task(name="look")
    def look() -> None: ...

    @bench.task
    def told(request: Any, error: Any, traceback: Any) -> None:
        bench.see()

    bench.app.finalize()
    sent: list[Any] = []
    with tenant_scope("acme"):
        signature = bench.app.tasks["look"].s()
        signature.link_error(told.s())
        sender = SimpleNamespace(send=lambda *message: sent.append(message))
        _publish(bench.app, signature, sender)
    ((headers, body),) = [message[:2] for message in sent]
    if is_forged:
        headers[HEADER]["str"] = "globex"
    message = Message(
        body=body,
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers,
        properties={"correlation_id": headers["id"], "reply_to": ""},
        delivery_info={},
    )
    request = TenantRequest(message, app=bench.app, task=bench.app.tasks["look"], decoded=False)
    if how == "on_timeout":
        request.on_timeout(soft=False, timeout=1)
    else:
        try:
            raise WorkerLostError
        except WorkerLostError:
            request.on_failure(ExceptionInfo())
    assert bench.seen == ["no scope" if is_forged else "acme"]
    assert try_current_tenant() is None


def _publish(app: Celery, signature: Any, sender: Any) -> None:
    from celery import signals
    from kombu.serialization import dumps

    def caught(*, headers: Any, body: Any, **_: Any) -> None:
        sender.send(headers, dumps(body, "json")[2])

    signals.before_task_publish.connect(caught)
    try:
        signature.apply_async()
    finally:
        signals.before_task_publish.disconnect(caught)
