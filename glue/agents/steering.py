"""Steering a run that was accepted: pause, carry on, cancel."""

from collections.abc import Callable

from glue.agents.books import Books
from glue.agents.carrying import OVER, Carrier
from glue.agents.reading import RunReader
from glue.agents.tables import AgentRun
from glue.agents.views import RunView
from glue.errors import Conflict
from glue.rules.names import TenantId


class Steering:
    """``admit`` begins what may begin now, after a run made room or asks for it."""

    def __init__(self, books: Books, carrier: Carrier, reader: RunReader, *, admit: Callable[[TenantId], None]) -> None:
        self._books, self._carrier, self._reader, self._admit = books, carrier, reader, admit

    def cancel(self, tenant: TenantId, run_id: str, *, asked_by: str) -> RunView:
        """Stop: what is running ends its step, what was used is paid, the rest goes back. An ended run stays as it is."""
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state == "running":
                run.wish = "cancel"
                page.session.add(run)
                page.tell(run_id, "cancel_asked", by=asked_by)
            elif run.state not in OVER:
                self._carrier.end(page, run, "canceled", by=asked_by)
        self._carrier.close(tenant, run_id)
        self._admit(tenant)
        return self._reader.run_of(tenant, run_id)

    def pause(self, tenant: TenantId, run_id: str, *, asked_by: str) -> RunView:
        """Stop before the next step. Raises Conflict when it has ended."""
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state == "queued":
                page.move(run, "paused", by=asked_by)
            elif run.state == "running":
                run.wish = run.wish or "pause"
                page.session.add(run)
                page.tell(run_id, "pause_asked", by=asked_by)
            elif run.state != "paused":
                raise moved_on(run)
        return self._reader.run_of(tenant, run_id)

    def resume(self, tenant: TenantId, run_id: str, *, asked_by: str) -> RunView:
        """Carry a paused run on. Raises Conflict in any other state."""
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state != "paused":
                raise moved_on(run)
            page.move(run, "queued", by=asked_by)
        self._admit(tenant)
        return self._reader.run_of(tenant, run_id)


def moved_on(run: AgentRun) -> Conflict:
    """What to raise when a run is no longer where the asker thought."""
    return Conflict(f"The run is {run.state.replace('_', ' ')}.", remedy="Look at it again.", run=run.id, state=run.state)
