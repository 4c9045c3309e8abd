"""The Celery adapter, with brokers in memory and in eager mode; tests/jobs has real ones."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery import Celery, Task, chain, chord, group
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from celery.contrib.testing.worker import start_worker
from celery.schedules import schedule
from celery.worker import state as worker_state
from kombu.message import Message

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantContext,
    TenantDirectory,
    TenantId,
    TenantNotFoundError,
    TenantState,
    TenantSuspendedError,
    TenantUnauthenticatedError,
    current_tenant,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.celery import TenantRequest, TenantTask, install
from tenantshield_mw.context import current_bound, describe
from tenantshield_mw.jobs import HEADER, OnRefused, for_each_tenant

KEY = b"a key for the tests, 32 bytes or more"
TIMEOUT = 30


class Bench:
    """An application with a broker in memory, and what its tasks have seen."""

    def __init__(self, **options: Any) -> None:
        self.states: dict[TenantId, TenantState] = {}
        self.seen: list[Any] = []
        self.queue = f"test-{uuid.uuid4()}"
        self.app = self.make_app()
        options.setdefault("keys", [KEY])
        self.directory = TenantDirectory(self._look_up, negative_ttl=0)
        install(self.app, directory=self.directory, **options)

    def make_app(self) -> Celery:
        app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        app.conf.update(
            task_default_queue=self.queue,
            broker_transport_options={"polling_interval": 0.01},
            result_chord_retry_interval=0.01,
            worker_hijack_root_logger=False,
            worker_enable_remote_control=False,
            task_store_eager_result=True,
        )
        return app

    def _look_up(self, tenant_id: TenantId) -> TenantContext | TenantState:
        state = self.states.get(tenant_id, TenantState.ACTIVE)
        return TenantContext(tenant_id, {"of": tenant_id}) if state is TenantState.ACTIVE else state

    def task(self, *function: Any, **options: Any) -> Any:
        """Declare a task of this application alone."""
        return self.app.task(*function, shared=False, **options)

    def see(self, *what: Any) -> None:
        """Note what is bound."""
        tenant = try_current_tenant()
        of = describe(current_bound()) if tenant is None else tenant.tenant_id
        self.seen.append((*what, of) if what else of)

    @contextmanager
    def worker(self, *queues: str) -> Generator[None]:
        """Run a worker in a thread."""
        options: dict[str, Any] = {"queues": queues} if queues else {}
        worker: Any = start_worker
        with worker(
            self.app, pool="solo", perform_ping_check=False, loglevel=logging.CRITICAL, **options
        ):
            try:
                yield
            finally:
                # It would look only every two seconds, and waits once more when it has looked.
                worker_state.should_terminate = 0
                for _ in range(2):
                    self.app.tasks["celery.backend_cleanup"].delay()


@pytest.fixture(autouse=True)
def the_logger_of_tasks_as_it_was() -> Generator[None]:
    # The worker of Celery's tests sets up logging, even if it is told not to.
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def in_worker(bench: Bench) -> AbstractContextManager[None]:
    return bench.worker()


@contextmanager
def eager(bench: Bench) -> Generator[None]:
    bench.app.conf.task_always_eager = True
    yield


def got(tasks: Any) -> Any:
    """Send tasks, and return what they return."""
    return tasks.apply_async().get(interval=0.01, timeout=TIMEOUT)


both = pytest.mark.parametrize("running", [in_worker, eager])
Running = Callable[[Bench], AbstractContextManager[None]]


@both
def test_a_task_runs_under_the_tenant_that_enqueued_it(running: Running) -> None:
    bench = Bench()

    @bench.task
    def look(number: int) -> Any:
        return number, dict(current_tenant().attributes)

    with running(bench):
        for tenant in ("acme", 7, uuid.uuid4(), "acme"):
            with tenant_scope(tenant):
                result = look.delay(1)
            assert result.get(interval=0.01, timeout=TIMEOUT)[1] in (
                {"of": tenant},
                {"of": str(tenant)},
            )


@both
def test_chains_groups_and_chords_stay_with_their_tenant(running: Running) -> None:
    bench = Bench()

    @bench.task
    def add(*numbers: int) -> int:
        bench.see()
        return sum(numbers)

    @bench.task
    def total(numbers: list[int]) -> int:
        bench.see()
        return sum(numbers)

    with running(bench):
        for tenant in ("acme", "globex"):
            with tenant_scope(tenant):
                assert got(chain(add.s(1, 1), add.s(2), add.s(3))) == 7
                assert got(group(add.s(i) for i in range(3))) == [0, 1, 2]
                assert got(chord([add.s(i) for i in range(3)], total.s())) == 3
                assert got(add.s(1).set(link=add.s(1))) == 1
                assert got(add.chunks([(1,), (2,)], 1)) == [[1], [2]]
            if running is in_worker:
                _until(lambda: len(bench.seen) == 14)
            assert bench.seen == [tenant] * 14
            bench.seen.clear()


def _until(happened: Callable[[], object]) -> None:
    from tests.jobs.brokers import until

    until(happened)


@both
def test_retries_stay_with_their_tenant(running: Running) -> None:
    bench = Bench()

    @bench.task(bind=True, default_retry_delay=0, max_retries=5)
    def flaky(self: Any) -> str:
        bench.see(self.request.retries)
        if self.request.retries < 2:
            raise self.retry(countdown=0)
        return "done"

    @bench.task(bind=True, autoretry_for=(ValueError,), retry_backoff=False, max_retries=5)
    def autoretried(self: Any) -> None:
        bench.see(self.request.retries)
        if not self.request.retries:
            self.default_retry_delay = 0
            raise ValueError

    with running(bench), tenant_scope("acme"):
        assert flaky.delay().get(interval=0.01, timeout=TIMEOUT) == "done"
        autoretried.delay().get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == [(0, "acme"), (1, "acme"), (2, "acme"), (0, "acme"), (1, "acme")]


@both
def test_a_nested_task_gets_the_scope_in_which_it_is_enqueued(running: Running) -> None:
    bench = Bench()
    results: list[Any] = []

    @bench.task
    def inner() -> None:
        bench.see()

    @bench.task(tenant=None)
    def without() -> None:
        bench.see()

    @bench.task(bind=True)
    def outer(self: Any) -> None:
        results.append(inner.delay())
        # Not that of headers that are passed on.
        with tenant_scope("globex"):
            results.append(inner.apply_async(headers=self.request.headers))
            results.append(without.apply_async(headers=self.request.headers))
        bench.see()

    with running(bench):
        with tenant_scope("acme"):
            outer.delay().get(interval=0.01, timeout=TIMEOUT)
        for result in results:
            result.get(interval=0.01, timeout=TIMEOUT, disable_sync_subtasks=False)
    assert sorted(bench.seen) == ["acme", "acme", "globex", "no scope"]


@both
def test_headers_are_copied(running: Running) -> None:
    bench = Bench()
    headers = {"trace": "1"}

    @bench.task(bind=True)
    def look(self: Any) -> Any:
        return self.request.headers["trace"]

    with running(bench), tenant_scope("acme"):
        assert look.apply_async(headers=headers).get(interval=0.01, timeout=TIMEOUT) == "1"
    assert headers == {"trace": "1"}


@both
def test_the_tenant_ends_with_its_task_whatever_happens(running: Running) -> None:
    bench = Bench()

    @bench.task
    def fail() -> None:
        raise ValueError

    @bench.task(tenant=None)
    def look() -> None:
        bench.see()

    with running(bench):
        with tenant_scope("acme"):
            failed = fail.delay()
        with pytest.raises(ValueError, match=r"^$"):
            failed.get(interval=0.01, timeout=TIMEOUT)
        look.delay().get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == ["no scope"]
    assert try_current_tenant() is None


@both
def test_hooks_and_errbacks_run_under_the_tenant(running: Running) -> None:
    bench = Bench()

    class Hooked(TenantTask):
        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            bench.see("before_start")

        def on_success(self, *args: Any, **kwargs: Any) -> None:
            bench.see("on_success")

        def on_failure(self, *args: Any, **kwargs: Any) -> None:
            bench.see("on_failure")

        def after_return(self, *args: Any, **kwargs: Any) -> None:
            bench.see("after_return")

    @bench.task(base=Hooked)
    def work(fails: bool) -> None:
        if fails:
            raise ValueError

    @bench.task
    def inline(request: Any, error: Any, traceback: Any) -> None:
        bench.see("inline")

    @bench.task
    def enqueued(task_id: str) -> None:
        bench.see("enqueued")

    with running(bench), tenant_scope("acme"):
        work.delay(False).get(interval=0.01, timeout=TIMEOUT)
        failed = work.apply_async((True,), link_error=[inline.s(), enqueued.s()])
        with pytest.raises(ValueError, match=r"^$"):
            failed.get(interval=0.01, timeout=TIMEOUT)
        _until(lambda: ("enqueued", "acme") in bench.seen and len(bench.seen) == 8)
    assert {what for what, _ in bench.seen} == {
        *("before_start", "on_success", "on_failure", "after_return", "inline", "enqueued")
    }
    assert {tenant for _, tenant in bench.seen} == {"acme"}


@both
def test_a_task_without_a_tenant_is_refused_where_it_is_enqueued(running: Running) -> None:
    bench = Bench()

    @bench.task
    def look() -> None:
        bench.see()

    with running(bench):
        for enqueue in (look.delay, look.apply, look.s().apply_async, group(look.s()).apply_async):
            with pytest.raises(MissingTenantContextError, match="none is in scope"):
                enqueue()
        with system_scope("a test"), pytest.raises(MissingTenantContextError):
            look.delay()
    assert bench.seen == []


@both
def test_a_task_may_work_for_no_tenant_or_in_a_system_scope(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()

    @bench.task(tenant=None)
    def without() -> None:
        bench.see()

    @bench.task(system="statistics")
    def statistics() -> None:
        bench.see()

    with running(bench), caplog.at_level(logging.INFO, "tenantshield_mw.audit"):
        for scope in (tenant_scope("acme"), system_scope("a test")):
            with scope:
                without.delay().get(interval=0.01, timeout=TIMEOUT)
                statistics.delay().get(interval=0.01, timeout=TIMEOUT)
        assert got(chain(without.s(), statistics.si())) is None
    assert bench.seen == ["no scope", "a system scope"] * 3
    audited = [record.message for record in caplog.records if record.name.endswith("audit")]
    assert audited.count("system scope: statistics") == 3


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, MissingTenantContextError),
        ({HEADER: {"str": "acme"}}, TenantUnauthenticatedError),
        ({HEADER: {"str": "acme", "signature": "0" * 64}}, TenantUnauthenticatedError),
    ],
)
def test_a_message_that_somebody_else_sent_is_refused(
    headers: dict[str, Any], error: type[Exception]
) -> None:
    bench = Bench()

    @bench.task(name="look")
    def look() -> None:
        bench.see()

    @bench.task(name="without", tenant=None)
    def without() -> None:
        bench.see()

    bare = bench.make_app()
    with bench.worker():
        with pytest.raises(error):
            bare.send_task("look", headers=headers).get(interval=0.01, timeout=TIMEOUT)
        bare.send_task("without").get(interval=0.01, timeout=TIMEOUT)
        if headers:
            needless = bare.send_task("without", headers=headers)
            with pytest.raises(ScopeMismatchError):
                needless.get(interval=0.01, timeout=TIMEOUT)
    assert set(bench.seen) == {"no scope"}


def test_a_signature_holds_for_no_other_message() -> None:
    bench = Bench()
    caught: list[Any] = []

    @bench.task(bind=True, name="look")
    def look(self: Any) -> None:
        bench.see()
        caught.append(self.request.headers)

    with bench.worker():
        with tenant_scope("acme"):
            result = look.delay()
        result.get(interval=0.01, timeout=TIMEOUT)
        with pytest.raises(TenantUnauthenticatedError):
            bench.make_app().send_task("look", headers=caught[0]).get(
                interval=0.01, timeout=TIMEOUT
            )
    assert bench.seen == ["acme"]


@both
@pytest.mark.parametrize(
    ("state", "error"),
    [(TenantState.SUSPENDED, TenantSuspendedError), (TenantState.UNKNOWN, TenantNotFoundError)],
)
def test_a_tenant_that_is_not_active_any_more_is_rejected(
    running: Running, state: TenantState, error: type[Exception]
) -> None:
    bench = Bench()

    class Hooked(TenantTask):
        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            raise AssertionError("the task began")

        def on_failure(self, *args: Any, **kwargs: Any) -> None:
            bench.see("on_failure")

    @bench.task(base=Hooked, autoretry_for=(Exception,), default_retry_delay=0)
    def work() -> None:
        raise AssertionError("the task ran")

    @bench.task
    def told(task_id: str) -> None:
        raise AssertionError("the errback ran")

    bench.states["acme"] = state
    with running(bench):
        with tenant_scope("acme"):
            result = work.apply_async(link_error=told.s())
        with pytest.raises(error):
            result.get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == [("on_failure", "no scope")]


@both
def test_a_refused_task_can_be_retried(running: Running) -> None:
    bench = Bench(on_refused="retry")

    @bench.task(default_retry_delay=0, max_retries=2)
    def work() -> None:
        bench.see()

    class Later(TenantTask):
        def on_retry(self, *args: Any, **kwargs: Any) -> None:
            bench.see("on_retry")
            bench.states.clear()

    @bench.task(base=Later, default_retry_delay=0)
    def later() -> None:
        bench.see()

    bench.states["acme"] = TenantState.SUSPENDED
    with running(bench), tenant_scope("acme"):
        result = work.delay()
        with pytest.raises(TenantSuspendedError):
            result.get(interval=0.01, timeout=TIMEOUT)
        assert bench.seen == []
        later.delay().get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == [("on_retry", "no scope"), "acme"]


def test_a_refused_task_can_be_put_aside() -> None:
    bench = Bench(on_refused="dead_letter", dead_letter_queue=f"aside-{uuid.uuid4()}")

    @bench.task
    def add(left: int, right: int) -> int:
        bench.see()
        return left + right

    bench.states["acme"] = TenantState.SUSPENDED
    with tenant_scope("acme"):
        result: Any = chain(add.s(1, 2), add.s(3)).apply_async()
    with bench.worker():
        with tenant_scope("globex"):
            later = add.delay(1, 1)
        assert later.get(interval=0.01, timeout=TIMEOUT) == 2
    assert bench.seen == ["globex"]
    assert not result.ready()
    bench.states.clear()
    queue = [name for name in bench.app.amqp.queues if name.startswith("aside")]
    with bench.worker(*queue, bench.queue):
        assert result.get(interval=0.01, timeout=TIMEOUT) == 6
    assert bench.seen == ["globex", "acme", "acme"]


def test_what_is_sent_for_a_task_that_ran_before_is_its_tenants() -> None:
    bench = Bench()
    carried: list[Any] = []

    @bench.task(bind=True, name="look")
    def look(self: Any) -> None:
        bench.see("look")
        carried.append((self.request.id, self.request.headers))

    @bench.task
    def then() -> None:
        bench.see("then")

    # A worker that finds the result of a message that is delivered again sends the rest of a chain.
    def trace(task_id: str, args: Any, kwargs: Any, request: Any) -> Any:
        bench.see("trace")
        return then.delay()

    with bench.worker():
        with tenant_scope("acme"):
            look.delay().get(interval=0.01, timeout=TIMEOUT)
        ((task_id, headers),) = carried
        task = bench.app.tasks["look"]
        task.__trace__ = trace
        task.__trace__(task_id, (), {}, {"headers": headers}).get(interval=0.01, timeout=TIMEOUT)
        with pytest.raises(MissingTenantContextError):
            task.__trace__("another", (), {}, {"headers": headers})
    assert bench.seen == [
        *[("look", "acme"), ("trace", "no scope"), ("then", "acme"), ("trace", "no scope")]
    ]


def test_a_directory_that_fails_is_asked_again() -> None:
    bench = Bench()
    failures = [OSError("no database")]
    look_up = bench._look_up

    def fail_once(tenant_id: TenantId) -> Any:
        if failures:
            raise failures.pop()
        return look_up(tenant_id)

    bench.app = bench.make_app()
    install(bench.app, directory=fail_once)

    @bench.task(default_retry_delay=0)
    def work() -> None:
        bench.see()

    with bench.worker(), tenant_scope("acme"):
        work.delay().get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == ["acme"]


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


def test_a_periodic_task_enqueues_one_for_each_active_tenant() -> None:
    bench = Bench()
    bench.states["suspended"] = TenantState.SUSPENDED
    results: list[Any] = []

    @bench.task
    def remind() -> None:
        bench.see()

    @bench.task(system="enqueue the reminders")
    def nightly() -> None:
        tenants: list[TenantId] = ["acme", "globex", "suspended", 7]
        enqueued = for_each_tenant(tenants, remind.delay, directory=bench.directory, parallel=2)
        results.extend(enqueued.values())

    with bench.worker():
        nightly.delay().get(interval=0.01, timeout=TIMEOUT)
        for result in results:
            result.get(interval=0.01, timeout=TIMEOUT)
    assert sorted(bench.seen, key=str) == [7, "acme", "globex"]


def test_beat_enqueues_what_needs_no_tenant() -> None:
    bench = Bench()

    @bench.task(name="statistics", system="statistics")
    def statistics() -> None:
        bench.see()

    @bench.task(name="remind")
    def remind() -> None:
        bench.see()

    # As beat's process does, where no tenant is ever in scope.
    scheduler: Any = Scheduler(app=bench.app, lazy=True)
    every = schedule(1, app=bench.app)

    def entry(name: str) -> ScheduleEntry:
        return ScheduleEntry(name=name, task=name, schedule=every, app=bench.app)

    with bench.worker():
        result = scheduler.apply_async(entry("statistics"), advance=False)
        result.get(interval=0.01, timeout=TIMEOUT)
        with pytest.raises(SchedulingError, match="none is in scope"):
            scheduler.apply_async(entry("remind"), advance=False)
    assert bench.seen == ["a system scope"]


@both
def test_a_task_that_replaces_itself_stays_with_its_tenant(running: Running) -> None:
    bench = Bench()

    @bench.task
    def add(left: int, right: int) -> int:
        bench.see()
        return left + right

    @bench.task(bind=True)
    def begin(self: Any) -> Any:
        return self.replace(chain(add.s(1, 1), add.s(2)))

    with running(bench), tenant_scope("acme"):
        assert got(chain(begin.s(), add.s(3))) == 7
    assert bench.seen == ["acme"] * 3


def test_celerys_own_tasks_run() -> None:
    bench = Bench()
    with bench.worker():
        bench.app.tasks["celery.backend_cleanup"].delay().get(interval=0.01, timeout=TIMEOUT)


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


def test_on_refused_lists_its_values() -> None:
    from typing import get_args

    assert get_args(OnRefused) == ("reject", "retry", "dead_letter")
