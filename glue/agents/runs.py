"""Durable workflows: one for each stretch of a run between two stops. The only place that knows the engine (dbos).

A run that waits for a person has no workflow; carrying it on starts the next round's. What a round did is in our own
tables, so a workflow that is replayed after a crash, or started twice, finds its work done.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from dbos import DBOS, DBOSConfig, EnqueueOptions, StepOptions
from dbos._serialization import Serializer
from sqlalchemy.engine import make_url

from glue.agents.carrying import Carrier
from glue.rules.names import TenantId

QUEUE = "agent-runs"
VERSION = "1"  # of the workflow's shape: a change makes processes of the old one finish their own runs
_AT_ONCE = 8
# For a meter or database that is away for a moment; what a step's work raises never comes this far.
_PATIENT: StepOptions = {"retries_allowed": True, "max_attempts": 5, "interval_seconds": 0.5}
_GONE = frozenset({"ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


class _Json(Serializer):
    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=str)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "glue_json"


class Engine:
    """Runs workflows in this process. One at a time: the engine behind it is the process's."""

    current: ClassVar["Engine | None"] = None

    def __init__(self, database_url: str, carrier: Carrier, *, executor_id: str, admit: Callable[[TenantId], None]) -> None:
        self._url, self.carrier, self.executor_id, self.admit = _engine_url(database_url), carrier, executor_id, admit

    def start(self) -> None:
        """Open the engine's own store and begin to work; runs that this executor left are taken up again."""
        config: DBOSConfig = {
            "name": "glue",
            "system_database_url": self._url,
            "application_version": VERSION,
            "executor_id": self.executor_id,
            "serializer": _Json(),
            "sys_db_pool_size": _AT_ONCE + 12,
            "max_executor_threads": _AT_ONCE + 8,
            "log_level": "ERROR",
            "console_log_level": "ERROR",
            "notification_listener_polling_interval_sec": 0.5,
        }
        Engine.current = self
        logging.getLogger("dbos").setLevel(logging.ERROR)
        DBOS(config=config)
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=_AT_ONCE, polling_interval_sec=0.1, on_conflict="always_update")

    def stop(self) -> None:
        """Stop beginning new work; what runs is taken up again at the next start."""
        DBOS.destroy(workflow_completion_timeout_sec=0)
        Engine.current = None

    def enqueue(self, tenant: TenantId, run_id: str, number: int) -> None:
        """Have this round of a run carried out; again is fine."""
        options: EnqueueOptions = {
            "queue_name": QUEUE,
            "workflow_name": "carry_out_run",
            "workflow_id": workflow_id(run_id, number),
            "app_version": VERSION,
        }
        DBOS.enqueue_workflow_with_options(options, tenant, run_id)

    def is_gone(self, run_id: str, number: int) -> str:
        """Why a round's workflow will never end by itself; empty while it may."""
        status = DBOS.get_workflow_status(workflow_id(run_id, number))
        return f"The engine gave up: {status.error or status.status}" if status is not None and status.status in _GONE else ""

    def take_over(self, dead: list[str]) -> int:
        """Carry on what executors that are gone had begun; how many runs. The engine's own interface for this is private."""
        return len(DBOS._recover_pending_workflows(dead))  # noqa: SLF001


def workflow_id(run_id: str, number: int) -> str:
    return f"{run_id}:{number}"


@DBOS.workflow(name="carry_out_run", max_recovery_attempts=50)
def _carry_out_run(tenant: TenantId, run_id: str) -> None:
    engine = Engine.current
    assert engine is not None
    carrier = engine.carrier
    while names := DBOS.run_step({"name": "choose", **_PATIENT}, carrier.choose, tenant, run_id):
        DBOS.run_step({"name": "+".join(names), **_PATIENT}, carrier.perform_all, tenant, run_id, names)
    DBOS.run_step({"name": "close", **_PATIENT}, carrier.close, tenant, run_id)
    DBOS.run_step({"name": "admit", **_PATIENT}, engine.admit, tenant)


def _engine_url(database_url: str) -> str:
    """The engine's store: a file beside the main one, or its own schema in the same PostgreSQL."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{Path(url.database or 'glue.db').with_name('runs.db')}"
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
