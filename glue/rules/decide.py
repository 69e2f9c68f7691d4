"""From what is known and what was seen to what should be written, said, shown and looked at next. Pure.

Wanted values of each part are in ``wants``, their comparison in ``merge``, the subscription's way in ``plan_change``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from glue.rules.changes import Applied, Change, Finding, FindingState, Part, Plain
from glue.rules.entitlements import Grants, decide_grants
from glue.rules.erasure import erase_changes
from glue.rules.facts import Member, Observed, Role
from glue.rules.merge import STUCK_RETRY, merge, without_stuck
from glue.rules.names import license_id
from glue.rules.notices import Notice, decide_notice
from glue.rules.plan_change import decide_plan_change
from glue.rules.publish import make_snapshot
from glue.rules.seats import count_seats
from glue.rules.snapshot import Snapshot
from glue.rules.standing import Standing, StandingFacts, decide_standing
from glue.rules.tenant import Identities, IntentKind, TenantRecord
from glue.rules.terms import Terms
from glue.rules.tiers import Tier
from glue.rules.wants import Pair, Wants, want_parts

SECOND_LOOK = timedelta(seconds=30)
LAGO_SETTLES = timedelta(minutes=15)  # Lago makes a period's invoice ten minutes after it has ended
LAGO_PARTS = frozenset({"customer", "subscriptions", "invoices"})


@dataclass(frozen=True)
class Decision:
    """``changes`` to write now; ``settled`` fields are as they should be; ``absent`` parts look gone, ``waiting`` ones for the first time."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    settled: Mapping[str, Plain]
    facts: StandingFacts
    tier: str
    snapshot: Snapshot | None
    identities: Identities
    told: Standing
    notice: Notice | None = None
    intent_fulfilled: bool = False
    owner_joined: bool = False
    erased: bool = False
    waiting: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    lago_known: bool = True
    next_look: datetime | None = None
    loses: bool = False

    def without_restrictions(self, record: TenantRecord, previous: Snapshot | None) -> "Decision":
        """The same without what takes something away that nobody asked for: held until an operator confirms."""
        held = [change for change in self.changes if change.restrictive and not change.asked]
        shown = [Finding(item.name, item.after, item.before, item.cause, FindingState.HELD) for item in held]
        snapshot = self.snapshot
        if snapshot is not None and previous is not None and previous.standing.may_use and not snapshot.standing.may_use:
            snapshot = replace(previous, confirmed_at=snapshot.confirmed_at)
        return replace(
            self,
            changes=tuple(change for change in self.changes if change not in held),
            findings=(*self.findings, *shown),
            facts=replace(self.facts, standing=record.standing) if self.loses else self.facts,
            snapshot=snapshot,
            told=record.told,
            notice=None,
        )


def decide(
    record: TenantRecord,
    observed: Observed,
    terms: Terms,
    *,
    now: datetime,
    applied: Mapping[str, Applied],
    previous: Snapshot | None = None,
    gone: frozenset[str] = frozenset(),
) -> Decision:
    """Everything that follows from one look. ``gone`` are the parts whose absence was seen twice."""
    absent = _absent(record, observed, terms)
    waiting, lost = absent - gone, absent & gone
    lago_known = not observed.failed & LAGO_PARTS and not waiting & {"customer", "subscription"}
    tier, findings = _tier(record, observed, terms, lago_known=lago_known)
    facts = _standing(record, observed, tier, lost=lost, lago_known=lago_known, now=now)
    grants = decide_grants(tier, record.overrides)
    findings += [_gone(part) for part in sorted(lost)]

    changes: list[Change] = []
    settled: dict[str, Plain] = {}
    fulfilled, ranks = False, terms.ranks
    asked = bool(record.blocked) or _asked_for_end(record, observed)
    left_to_erase = erase_changes(record, observed) if record.is_erasing else []
    if record.is_erasing:
        changes += left_to_erase
    else:
        plan = decide_plan_change(record, observed, terms.tiers) if lago_known else None
        if plan is not None:
            changes += plan.changes
            fulfilled = plan.fulfilled
        wants = want_parts(
            record, observed, terms, tier=tier, facts=facts, grants=grants, lago_known=lago_known, asked=asked, applied=applied
        )
        for part, (wanted, found) in _known_parts(wants, observed, absent).items():
            more, shown, right = merge(part, wanted, found, applied, ranks=ranks)
            changes += more
            findings += shown
            settled |= right
        changes += [change for change in wants.creations if change.part not in _parts_of(absent)]
        changes += _promised_roles(record, observed)
        findings += _overshoot(record, observed, grants, facts)
        findings += _missing_policy(observed, terms, tier, facts)
    if not observed.failed:
        settled |= _finished(applied, settled, changes)
    changes, stuck = without_stuck(_allowed(changes, observed), applied, now=now)
    findings += stuck
    joined = record.owner_joined or _is_admin(observed.members, record.owner_user_id)
    loses = any(change.restrictive and not change.asked for change in changes) or (
        record.standing.may_use and not facts.standing.may_use and not asked
    )
    identities = _identities(record, observed, terms)
    return Decision(
        changes=tuple(changes),
        findings=tuple(findings),
        settled=settled,
        facts=facts,
        tier=tier.code if tier else "",
        snapshot=make_snapshot(
            record,
            observed,
            terms,
            tier=tier,
            facts=facts,
            grants=grants,
            previous=previous,
            lago_known=lago_known,
            waiting=waiting,
        ),
        identities=identities,
        notice=decide_notice(record, facts, tier) if lago_known else None,
        told=facts.standing if lago_known else record.told,
        intent_fulfilled=fulfilled,
        owner_joined=joined,
        erased=record.is_erasing and not observed.failed and not waiting and not left_to_erase,
        waiting=waiting,
        absent=absent,
        lago_known=lago_known,
        next_look=_next_look(observed, facts, findings, waiting=bool(waiting), now=now),
        loses=loses,
    )


def _absent(record: TenantRecord, observed: Observed, terms: Terms) -> frozenset[str]:
    """Parts that were there once, could be read now and are not there."""
    known, missing = record.identities, set()
    if known.organization_id and observed.organization is None and "organization" not in observed.failed:
        missing.add("organization")
    if known.customer_id and observed.customer is None and "customer" not in observed.failed:
        missing.add("customer")
    rows = {row.lago_id for row in observed.subscriptions}
    if known.subscription_id and known.subscription_id not in rows and "subscriptions" not in observed.failed:
        missing.add("subscription")
    if _license_was_seen(record, terms) and observed.license is None and "license" not in observed.failed:
        missing.add("license")
    return frozenset(missing)


def _license_was_seen(record: TenantRecord, terms: Terms) -> bool:
    return record.identities.license_id == license_id(record.id, terms.product, record.license_generation)


def _parts_of(absent: frozenset[str]) -> set[Part]:
    return {Part(name) for name in absent} | ({Part.OWNER} if "organization" in absent else set())


def _tier(record: TenantRecord, observed: Observed, terms: Terms, *, lago_known: bool) -> tuple[Tier | None, list[Finding]]:
    known = terms.tiers.find(record.tier) or (terms.tiers.find(record.intent.tier) if record.intent and record.intent.tier else None)
    subscription = observed.active_subscription
    if subscription is None or not lago_known:
        return known, []
    tier = terms.tiers.of_plan(subscription.plan_code)
    if tier is None:
        expected = [plan.code for each in terms.tiers for plan in each.plans]
        because = "No tier in config/tiers has this plan; the tier known before stays in force."
        return known, [Finding("subscription.plan", expected, subscription.plan_code, because)]
    return tier, []


def _standing(
    record: TenantRecord, observed: Observed, tier: Tier | None, *, lost: frozenset[str], lago_known: bool, now: datetime
) -> StandingFacts:
    if not lago_known:
        return StandingFacts(record.standing, "Lago could not be asked; what was known before stays in force.")
    if lost & {"customer", "subscription"} and observed.active_subscription is None:
        return StandingFacts(Standing.CANCELED, "The subscription is gone in Lago.")
    return decide_standing(observed, tier, now=now, blocked=record.blocked, erased=record.erased_at is not None)


def _gone(part: str) -> Finding:
    names = {"organization": "Keycloak", "customer": "Lago", "subscription": "Lago", "license": "Keygen"}
    because = f"It was there and is gone in {names[part]}, seen twice. It is not made again without a person's word."
    return Finding(f"{part}.exists", expected=True, found=None, cause=because)


def _known_parts(wants: Wants, observed: Observed, absent: frozenset[str]) -> dict[Part, Pair]:
    needs = {
        Part.ORGANIZATION: {"organization"},
        Part.CUSTOMER: {"customer"},
        Part.LICENSE: {"license"},
        Part.ENTITLEMENT: {"entitlements", "subscriptions"},
    }
    return {part: pair for part, pair in wants.parts.items() if not needs[part] & (observed.failed | absent)}


def _allowed(changes: list[Change], observed: Observed) -> list[Change]:
    """With a failed read only what adds, and nothing that is part of what was not read."""
    if not observed.failed:
        return changes
    unread = {"members": Part.OWNER, "organization": Part.OWNER, "subscriptions": Part.SUBSCRIPTION, "customer": Part.SUBSCRIPTION}
    barred = {unread[name] for name in observed.failed if name in unread} | {part for part in Part if part in observed.failed}
    return [change for change in changes if change.adds and change.part not in barred]


def _overshoot(record: TenantRecord, observed: Observed, grants: Grants, facts: StandingFacts) -> list[Finding]:
    findings = []
    if observed.organization is not None and not observed.failed & {"members", "invitations"} and facts.standing.may_use:
        seats = count_seats(observed.members, observed.invitations, limit=grants.seats)
        if seats.over:
            findings.append(Finding("organization.seats", grants.seats, seats.used, "More people than seats. Nobody is removed by itself."))
        if record.owner_joined and not any(Role.ADMIN in member.roles for member in observed.members):
            findings.append(Finding("organization.admin", "at least one", 0, "Nobody may administer this organization."))
    if (
        observed.license is not None
        and "machines" not in observed.failed
        and len(observed.machines) > grants.machines
        and facts.standing.may_use
    ):
        because = "More machines than the license allows. None is deactivated by itself."
        findings.append(Finding("license.machines", grants.machines, len(observed.machines), because))
    return findings


def _missing_policy(observed: Observed, terms: Terms, tier: Tier | None, facts: StandingFacts) -> list[Finding]:
    if tier is None or not facts.standing.may_use or tier.license.policy in terms.policies or "license" in observed.failed:
        return []
    because = "Keygen has no such policy yet, so the license waits; `glue apply` makes it."
    return [Finding("license.policy", tier.license.policy, None, because)]


def _promised_roles(record: TenantRecord, observed: Observed) -> list[Change]:
    """Who accepted an invitation joins without a role; it named one."""
    changes = []
    for member in observed.members:
        promised = record.promised_roles.get(member.email.lower())
        if promised and not member.roles:
            because = "The invitation named these roles."
            changes.append(Change(Part.MEMBER, f"roles.{member.user_id}", [], sorted(promised), because, adds=True))
    return changes


def _is_admin(members: tuple[Member, ...], user_id: str) -> bool:
    return any(member.user_id == user_id and Role.ADMIN in member.roles for member in members)


def _asked_for_end(record: TenantRecord, observed: Observed) -> bool:
    """An intent of ours, or an end that was announced beforehand."""
    if record.intent is not None and record.intent.kind in {IntentKind.CANCEL_NOW, IntentKind.CANCEL_AT_END, IntentKind.ERASE}:
        return True
    return any(row.lago_id == record.identities.subscription_id and row.ending_at for row in observed.subscriptions)


def _identities(record: TenantRecord, observed: Observed, terms: Terms) -> Identities:
    """What was seen now, over what was seen before; a subscription is remembered while it is active."""
    known, active = record.identities, observed.active_subscription
    ended = {row.lago_id for row in observed.subscriptions if row.status in {"terminated", "canceled"}}
    subscription = active.lago_id if active else "" if known.subscription_id in ended else known.subscription_id
    expected = license_id(record.id, terms.product, record.license_generation)
    return Identities(
        organization_id=observed.organization.id if observed.organization else known.organization_id,
        customer_id=observed.customer.lago_id if observed.customer else known.customer_id,
        subscription_id=subscription,
        license_id=expected if observed.license else known.license_id,
    )


def _finished(applied: Mapping[str, Applied], settled: Mapping[str, Plain], changes: list[Change]) -> dict[str, Plain]:
    """Steps that were written and are not wanted any more: they have had their effect."""
    open_steps = {change.name for change in changes}
    steps = {name: base.writing for name, base in applied.items() if base.is_writing and name not in settled and name not in open_steps}
    compared = ("organization.", "customer.", "entitlement.", "license.")
    return {name: value for name, value in steps.items() if name.endswith(".exists") or not name.startswith(compared)}


def _next_look(observed: Observed, facts: StandingFacts, findings: list[Finding], *, waiting: bool, now: datetime) -> datetime | None:
    active = observed.active_subscription
    times = [facts.changes_at, facts.trial_ends_at, facts.grace_ends_at]
    if any(item.name == "license.policy" for item in findings):
        times.append(now + timedelta(minutes=1))
    if any(item.state is FindingState.STUCK for item in findings):
        times.append(now + STUCK_RETRY)
    if waiting:
        times.append(now + SECOND_LOOK)
    if active is not None:
        times.append(active.period_ends_at)
        times += [time + LAGO_SETTLES for time in (active.period_started_at, active.ending_at, facts.trial_ends_at) if time]
    return min((time for time in times if time is not None and time > now), default=None)
