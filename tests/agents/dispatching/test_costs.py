from datetime import UTC, datetime

from glue.meter.metering import Meter
from tests.meter.lago import StatefulLago

from .conftest import ALICE, BOB, METERS, accept, ended, snapshot_of
from .test_library_and_api import client_of
from .workers import ScriptedWorker, scripted_registry

NOVEMBER = {"from_at": datetime(2026, 11, 1, tzinfo=UTC), "to_at": datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)}


def test_an_invoice_line_leads_back_to_the_steps_of_runs(light_world):
    lago = StatefulLago(light_world.clock)
    light_world.meter.stop()
    light_world.meter = Meter(light_world.store, clock=light_world.clock, meters=METERS, lago=lago)
    light_world.meter.publish(snapshot_of(ALICE))
    light_world.meter.publish(snapshot_of(BOB))
    dispatcher = light_world.make(executors=[ScriptedWorker()], registry=scripted_registry(light_world.registry))
    dispatcher.start()
    runs = [ended(dispatcher, accept(dispatcher, f"Write lesson {number} with a quiz", key=f"k{number}").id) for number in range(2)]
    light_world.meter.record_usage(ALICE, "agent_credits", 1)
    assert light_world.meter.flush_now(ALICE)
    found = dispatcher.explain_line(ALICE, **NOVEMBER)
    assert {run.run_id: run.units for run in found} == {**{run.id: run.cost for run in runs}, "": 1}
    by_id = {run.run_id: run for run in found}
    for run in runs:
        assert [(step.step, step.units, step.model) for step in by_id[run.id].steps] == [(s.name, s.cost, "scripted-1") for s in run.steps]
        assert by_id[run.id].text == run.text
    events = {event for run in found for step in run.steps for event in step.transaction_ids}
    assert events == {name for name, event in lago.events.items() if event.code == "agent_credits"}
    query = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-30T23:59:59Z"}
    told = client_of(light_world, dispatcher).get("/v1/runs/costs", params=query).json()
    assert {run["run_id"] for run in told} == {run.run_id for run in found}
    assert client_of(light_world, dispatcher, BOB).get("/v1/runs/costs", params=query).json() == []
