"""Codes, the waiting list, cohorts from joining to their end, and the switch that stops everything."""

from dataclasses import replace
from datetime import date

import pytest
from sqlmodel import select

from glue.actions.register import Registration, register
from glue.converge.effects import Effect
from glue.converge.tenants import Tenant
from glue.errors import BadInput, ConfigInvalid, Conflict, NotAllowed, NotFound
from glue.rules.cohorts import Cohort, Cohorts, parse_cohort, without
from glue.rules.names import TenantId
from glue.rules.tenant import Overrides
from glue.support.cohorts import CohortMember, Rollout
from glue.support.invitations import InvitationCode, Invitations, digest_code
from glue.support.waiting import NOBODY, Letters, WaitingList, WaitingPerson
from glue.switches import Switches
from tests.fakes.world import SYSTEM

PILOT = Cohort(
    code="pilot", title="Pilot", plan="free", then="pro", opens=date(2026, 3, 1), ends=date(2026, 5, 1),
    limits={"api_calls": 9000}, flags={"exports": True}, seats=3,
)  # fmt: skip
FEATURES = frozenset({"exports"})


class Pilot:
    """The parts of a roll-out around a world."""

    def __init__(self, world, cohort=PILOT, registration="invited"):
        self.world = world
        database, clock = world.database, world.clock
        self.invitations, self.switches = Invitations(database, clock), Switches(database, clock)
        self.letters = Letters(
            ["k" * 40], product="Glue", portal_url="https://glue.test", otherwise=lambda payload: {"subject": payload["subject"]}
        )
        self.waiting = WaitingList(database, clock, self.letters, self.invitations)
        self.rollout = Rollout(
            database, clock, cohorts=Cohorts([cohort]), registration=registration, invitations=self.invitations, switches=self.switches,
            portal_url="https://glue.test",
        )  # fmt: skip

    def register(self, email, admission, *, nonce="n"):
        form = Registration(subject=email, nonce=nonce, display_name="Kestrel", tier="free", currency="USD", email=email)
        return register(self.world.actions, form, joining=self.rollout.join(admission, email=email))

    def rows(self, table):
        with self.world.database.read(SYSTEM) as session:
            return list(session.exec(select(table)))

    def tenant(self, tenant):
        with self.world.database.read(TenantId(tenant)) as session:
            return session.get_one(Tenant, tenant)

    def mails(self):
        return [effect.payload for effect in self.rows(Effect) if effect.kind == "mail"]


@pytest.fixture
def pilot(world):
    return Pilot(world)


# --- codes ------------------------------------------------------------------------------------------------------------


def test_code_is_kept_as_a_digest_only(pilot):
    issued = pilot.invitations.issue("pilot", by="op")[0]
    row = pilot.rows(InvitationCode)[0]
    assert row.digest == digest_code(issued.code.lower().replace("-", " "))
    assert issued.code not in str(row.model_dump())
    assert len(set(pilot.invitations.issue("pilot", number=50, by="op"))) == 50


def test_code_opens_the_door_and_grants_what_the_cohort_grants(pilot):
    issued = pilot.invitations.issue("pilot", by="op")[0]
    assert pilot.rollout.admit("a@x.test") is None
    admission = pilot.rollout.admit("a@x.test", issued.digest)
    row = pilot.tenant(pilot.register("a@x.test", admission))
    assert row.overrides == {"features": {"exports": True}, "limits": {"api_calls": 9000}, "seats": 3}
    assert pilot.rollout.member(TenantId(row.tenant_id))[0] is PILOT
    assert pilot.rollout.counts() == {"pilot": (1, 1)}


def test_used_up_code_lets_nobody_in_and_undoes_the_registration(pilot):
    issued = pilot.invitations.issue("pilot", by="op")[0]
    both = [pilot.rollout.admit(email, issued.digest) for email in ("a@x.test", "b@x.test")]
    pilot.register("a@x.test", both[0])
    with pytest.raises(Conflict):
        pilot.register("b@x.test", both[1])
    assert len(pilot.rows(Tenant)) == len(pilot.rows(CohortMember)) == 1
    assert pilot.rollout.admit("c@x.test", issued.digest) is None


def test_same_form_again_uses_a_code_once(pilot):
    issued = pilot.invitations.issue("pilot", uses=2, by="op")[0]
    admission = pilot.rollout.admit("a@x.test", issued.digest)
    assert pilot.register("a@x.test", admission) == pilot.register("a@x.test", admission)
    assert pilot.rows(InvitationCode)[0].uses == 1


def test_code_ends_by_time_and_by_hand(pilot):
    old, revoked = pilot.invitations.issue("pilot", number=2, days=5, by="op")
    pilot.invitations.revoke(revoked.digest)
    assert pilot.invitations.find_usable(old.digest) and not pilot.invitations.find_usable(revoked.digest)
    pilot.world.clock.advance(days=5)
    assert pilot.invitations.find_usable(old.digest) is None
    with pytest.raises(NotFound):
        pilot.invitations.revoke("0" * 64)


@pytest.mark.parametrize("wrong", [{"number": 0}, {"uses": 0}, {"days": 400}])
def test_codes_have_bounds(pilot, wrong):
    with pytest.raises(BadInput):
        pilot.invitations.issue("pilot", by="op", **wrong)


# --- share, switch ----------------------------------------------------------------------------------------------------


def test_larger_share_keeps_everybody_of_a_smaller_one():
    addresses = [f"p{number}@x.test" for number in range(2000)]
    inside = [{a for a in addresses if PILOT.model_copy(update={"share": share}).lets_in(a)} for share in (0, 10, 40, 100)]
    assert inside[0] == set() and inside[3] == set(addresses)
    assert inside[1] < inside[2]
    assert 140 < len(inside[1]) < 260
    assert PILOT.model_copy(update={"share": 40}).lets_in(" P1@X.test ") == ("p1@x.test" in inside[2])


def test_full_or_ended_cohort_takes_nobody(world):
    pilot = Pilot(world, PILOT.model_copy(update={"share": 100, "most_members": 1}))
    pilot.register("a@x.test", pilot.rollout.admit("a@x.test"))
    assert pilot.rollout.admit("b@x.test") is None
    assert Pilot(world, PILOT.model_copy(update={"share": 100, "ends": date(2026, 3, 2)})).rollout.admit("b@x.test") is None


def test_open_registration_needs_no_cohort(world):
    assert Pilot(world, registration="open").rollout.admit("a@x.test").cohort is None


def test_kill_switch_closes_registration_for_codes_too_and_is_written_down(pilot):
    issued = pilot.invitations.issue("pilot", by="op")[0]
    pilot.switches.turn("registration", off=True, reason="overload", by="op@x.test")
    assert pilot.rollout.admit("a@x.test", issued.digest) is None
    pilot.switches.turn("registration", off=False, reason="", by="op@x.test")
    assert pilot.rollout.admit("a@x.test", issued.digest)
    assert [(turn.off, turn.reason, turn.by) for turn in pilot.switches.history()] == [
        (False, "", "op@x.test"),
        (True, "overload", "op@x.test"),
    ]


def test_switch_of_runs_and_flags_is_seen_by_another_process(pilot):
    other = Switches(pilot.world.database, pilot.world.clock)
    other.demand_runs()
    pilot.switches.turn("runs", off=True, reason="costs", by="op")
    pilot.switches.turn("flag:exports", off=True, reason="leak", by="op", features=FEATURES)
    with pytest.raises(NotAllowed):
        other.demand_runs()
    other.refresh()
    assert other.paused_features == FEATURES


@pytest.mark.parametrize(("name", "reason"), [("flag:unknown", "why"), ("everything", "why"), ("runs", " ")])
def test_switch_must_be_known_and_have_a_reason(pilot, name, reason):
    with pytest.raises(BadInput):
        pilot.switches.turn(name, off=True, reason=reason, by="op", features=FEATURES)


# --- waiting list -----------------------------------------------------------------------------------------------------


def test_waiting_person_confirms_is_invited_and_comes_in(pilot):
    pilot.waiting.join(" Ann@X.test ")
    letter = pilot.letters.compose(pilot.mails()[0])
    token = letter["text"].partition("/waiting-list/")[2].split()[0]
    assert pilot.waiting.invite_next(PILOT, 5, by="op") == 0, "not confirmed yet"
    assert pilot.waiting.confirm(token) == pilot.waiting.confirm(token) == "ann@x.test"
    assert pilot.waiting.invite_next(PILOT, 5, by="op") == 1
    invited = pilot.letters.compose(pilot.mails()[1])
    code = invited["text"].partition("/invitation/")[2].split()[0]
    assert code not in str([effect.model_dump() for effect in pilot.rows(Effect)])
    pilot.register("ann@x.test", pilot.rollout.admit("ann@x.test", digest_code(code)))
    assert pilot.rows(WaitingPerson) == []
    assert [effect for effect in pilot.rows(Effect) if effect.tenant_id == NOBODY] == []


def test_one_letter_an_hour_and_three_in_all(pilot):
    for hours in (0, 0, 1, 1, 1, 1):
        pilot.world.clock.advance(hours=hours, seconds=1)
        pilot.waiting.join("ann@x.test")
    assert len(pilot.mails()) == 3


@pytest.mark.parametrize("address", ["", "ann", "ann@x", "a b@x.test", "ann@x.test\nBcc: b@x.test", "<a@x.test>", "a@b@x.test"])
def test_wrong_address_is_refused(pilot, address):
    with pytest.raises(BadInput):
        pilot.waiting.join(address)


@pytest.mark.parametrize("token", ["", "x", "YW5uQHgudGVzdA.0000", "é.ü"])
def test_forged_link_is_refused(pilot, token):
    with pytest.raises(NotFound):
        pilot.waiting.confirm(token)


def test_leaving_and_time_leave_nothing_behind(pilot):
    for name in ("a", "b"):
        pilot.waiting.join(f"{name}@x.test")
    pilot.waiting.leave(pilot.letters.token("a@x.test"))
    pilot.world.clock.advance(days=8)
    pilot.waiting.forget_old()
    assert pilot.rows(WaitingPerson) == [] and pilot.mails() == []


def test_raised_share_writes_to_those_it_lets_in_once(pilot):
    pilot.waiting.join("a@x.test")
    pilot.waiting.confirm(pilot.letters.token("a@x.test"))
    assert pilot.waiting.tell_opened(Cohorts([PILOT])) == 0
    wide = Cohorts([PILOT.model_copy(update={"share": 100})])
    assert [pilot.waiting.tell_opened(wide), pilot.waiting.tell_opened(wide)] == [1, 0]
    assert pilot.waiting.counts() == {"invited": 1}


# --- the end ----------------------------------------------------------------------------------------------------------


def _member(pilot):
    issued = pilot.invitations.issue("pilot", by="op")[0]
    pilot.world.keycloak.add_user("a@x.test", "a@x.test")
    return pilot.register("a@x.test", pilot.rollout.admit("a@x.test", issued.digest))


def test_member_gets_each_notice_once_then_the_declared_plan(pilot):
    tenant = _member(pilot)
    pilot.world.drain()
    assert pilot.tenant(tenant).tier == "free"
    told = []
    for day in range(60):
        pilot.world.clock.advance(days=1)
        told += [day] * (pilot.rollout.advance() + pilot.rollout.advance())
    assert len(told) == 3
    row = pilot.tenant(tenant)
    assert (row.intent, row.intent_tier, row.overrides) == ("change", "pro", {})
    assert [mail["subject"] for mail in pilot.mails() if "Pilot" in mail.get("subject", "")] == [
        "The Pilot ends in 14 days", "The Pilot ends in 3 days", "The Pilot has ended",
    ]  # fmt: skip
    pilot.world.drain()
    assert pilot.tenant(tenant).tier == "pro"


def test_member_who_chose_a_plan_keeps_it_and_what_an_operator_granted(pilot):
    tenant = _member(pilot)
    pilot.world.drain()
    with pilot.world.database.write(TenantId(tenant)) as session:
        row = session.get_one(Tenant, tenant)
        row.tier, row.overrides = "team", {"limits": {"api_calls": 12_000}, "features": {"exports": True}, "seats": 9}
        session.add(row)
    pilot.world.clock.advance(days=60)
    assert pilot.rollout.advance() == 1
    row = pilot.tenant(tenant)
    assert row.intent == "" and row.overrides == {"limits": {"api_calls": 12_000}, "seats": 9}


def test_without_takes_only_what_is_as_granted():
    granted = Overrides(features={"exports": True}, limits={"api_calls": 5}, seats=3)
    assert without(granted, granted) == Overrides()
    assert without(granted, replace(granted, seats=4)).seats == 4


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"plan": "gold"},
        {"then": "gold"},
        {"limits": {"moons": 1}},
        {"flags": {"moons": True}},
        {"share": 101},
        {"ends": "2026-01-01"},
        {"colour": 1},
    ],
)
def test_wrong_cohort_file_is_named(world, wrong):
    document = PILOT.model_dump(mode="json") | wrong
    with pytest.raises(ConfigInvalid, match=r"config/cohorts/pilot\.yaml"):
        parse_cohort(document, world.tiers, file="config/cohorts/pilot.yaml")


def test_declared_cohorts_can_be_read():
    from pathlib import Path

    from glue.catalog.files import load_cohorts, load_tiers

    folder = Path(__file__).parents[2]
    assert load_cohorts(folder, load_tiers(folder)).find("pilot").then == "pro"
