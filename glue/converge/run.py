"""One tenant, converged: observe, decide, write the difference, look again until nothing is left to write."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import TypeAdapter
from sqlmodel import Session

from glue.clock import Clock
from glue.converge import act
from glue.converge.applied import announce_writes, forget, load_applied, note_refusal, settle
from glue.converge.breaker import may_lose
from glue.converge.digests import digests_of
from glue.converge.drift import keep_findings, note_mended, scrub_drift
from glue.converge.effects import Effects, plan_effect, scrub_effects
from glue.converge.invitations import keep_promises, promised_roles, scrub_promises
from glue.converge.observe import observe
from glue.converge.systems import Ports, Systems
from glue.converge.tenants import Tenant, record_of
from glue.converge.timeline import scrub_timeline, tell
from glue.db import Database, System
from glue.errors import GlueError, Unavailable, UpstreamError, UpstreamUnavailable
from glue.rules.changes import Applied, Change, Finding, sentence_of
from glue.rules.decide import SECOND_LOOK, Decision, decide
from glue.rules.facts import Observed
from glue.rules.names import TenantId
from glue.rules.snapshot import Snapshot
from glue.rules.standing import Standing
from glue.rules.tenant import Intent, TenantRecord
from glue.rules.terms import Terms

log = structlog.get_logger()

MOST_ROUNDS = 8
REFRESH = timedelta(seconds=5)
_SYSTEM = System("one tenant is converged; the breaker counts all of them")
_SNAPSHOT = TypeAdapter(Snapshot)


@dataclass
class Outcome:
    """What a pass did. ``retry_after_seconds`` is None when everything went well; ``next_look`` when to come back anyway."""

    tenant: TenantId
    written: list[Change] = field(default_factory=list)
    findings: Sequence[Finding] = ()
    next_look: datetime | None = None
    retry_after_seconds: float | None = None
    errors: list[GlueError] = field(default_factory=list)
    has_news: bool = False  # a mail was planned

    def must_retry(self, error: GlueError) -> None:
        wait = error.retry_after_seconds if isinstance(error, (UpstreamUnavailable, Unavailable)) else 0
        self.retry_after_seconds = max(self.retry_after_seconds or 0, wait)
        self.errors.append(error)


@dataclass(frozen=True)
class _Known:
    """What our database says about a tenant before a look."""

    record: TenantRecord
    applied: dict[str, Applied]
    previous: Snapshot | None
    absent_since: dict[str, str]


class Converge:
    """Built once per process; safe to call from several threads for different tenants (the work list's lease sees to that)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        systems: Systems,
        *,
        terms: Terms,
        policies: Callable[[], dict[str, str]],
        effects: Effects,
        ports: Ports,
        executor: Executor | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._systems = systems
        self._terms = terms
        self._policies = policies
        self._effects = effects
        self._ports = ports
        self._executor = executor

    def __call__(self, tenant: TenantId, *, hint: str = "") -> Outcome:
        """Make the three systems say what they should about the tenant. Upstream trouble is in the outcome, not raised."""
        outcome = Outcome(tenant)
        if not self._is_kept(tenant):
            return outcome
        self._run_effects(tenant, outcome, hint)
        tried: set[tuple[str, str]] = set()
        for _ in range(MOST_ROUNDS):
            wish, decision, observed = self._look(tenant, outcome, hint)
            if decision.erased:
                self._scrub(tenant, decision)
                return outcome
            todo = [change for change in decision.changes if _mark_of(change) not in tried]
            tried |= {_mark_of(change) for change in todo}
            if not todo:
                break
            self._write(tenant, todo, observed, wish, outcome, hint)
            if outcome.retry_after_seconds is not None and not observed.failed:
                # Somebody does not answer: what was written is still to be read back, nothing else is tried.
                _, decision, observed = self._look(tenant, outcome, hint)
                break
        if outcome.has_news:
            self._run_effects(tenant, outcome, hint)
        self._close(tenant, decision, observed, outcome)
        return outcome

    def preview(self, tenant: TenantId) -> tuple[Decision, Observed]:
        """The same look without writing anything anywhere: the proof that nothing is left to do, or the list of what is."""
        known = self._load(tenant)
        observed, _ = self._observe(known.record)
        return self._decide(known, observed), observed

    # --- looking ------------------------------------------------------------------------------------------------------

    def _look(self, tenant: TenantId, outcome: Outcome, hint: str) -> tuple[Intent | None, Decision, Observed]:
        known = self._load(tenant)
        observed, errors = self._observe(known.record)
        for error in errors:
            outcome.must_retry(error)
        decision = self._decide(known, observed)
        if decision.loses and not self._may_lose(tenant):
            decision = decision.without_restrictions(known.record, known.previous)
        self._remember(known, decision, observed, hint)
        outcome.has_news = outcome.has_news or decision.notice is not None
        outcome.findings, outcome.next_look = decision.findings, decision.next_look
        return known.record.intent, decision, observed

    def _observe(self, record: TenantRecord) -> tuple[Observed, list[UpstreamError]]:
        return observe(record, self._systems, product=self._terms.product, now=self._clock.now(), executor=self._executor)

    def _decide(self, known: _Known, observed: Observed) -> Decision:
        terms = replace(self._terms, policies=self._policies())
        wall = self._clock.wall()
        gone = frozenset(part for part, since in known.absent_since.items() if wall - datetime.fromisoformat(since) >= SECOND_LOOK)
        return decide(known.record, observed, terms, now=self._clock.now(), applied=known.applied, previous=known.previous, gone=gone)

    def _load(self, tenant: TenantId) -> _Known:
        with self._database.read(tenant) as session:
            row = session.get_one(Tenant, tenant)
            record = replace(record_of(row), promised_roles=promised_roles(session, tenant))
            previous = _SNAPSHOT.validate_json(row.snapshot) if row.snapshot else None
            return _Known(record, load_applied(session, tenant), previous, row.absent_since)

    def _may_lose(self, tenant: TenantId) -> bool:
        with self._database.write(_SYSTEM) as session:
            return may_lose(session, tenant, now=self._clock.now())

    def _is_kept(self, tenant: TenantId) -> bool:
        with self._database.read(_SYSTEM) as session:
            row = session.get(Tenant, tenant)
            return row is not None and row.erased_at is None

    # --- remembering --------------------------------------------------------------------------------------------------

    def _remember(self, known: _Known, decision: Decision, observed: Observed, hint: str) -> None:
        """Everything concluded, in one transaction; the mail of a changed standing is planned in the same one."""
        now, record, tenant = self._clock.now(), known.record, known.record.id
        snapshot = decision.snapshot if _is_news(decision.snapshot, known.previous) else None
        with self._database.write(tenant) as session:
            row = session.get_one(Tenant, tenant)
            identities = decision.identities
            row.organization_id, row.customer_id = identities.organization_id, identities.customer_id
            row.subscription_id, row.license_id = identities.subscription_id, identities.license_id
            row.owner_joined = row.owner_joined or decision.owner_joined
            wall = self._clock.wall().astimezone(UTC).isoformat()
            row.absent_since = {part: row.absent_since.get(part, wall) for part in sorted(decision.absent)}
            if decision.lago_known:
                row.tier = decision.tier
                row.plan_code = observed.active_subscription.plan_code if observed.active_subscription else ""
                if row.standing != decision.facts.standing:
                    text = f"Standing changed from {row.standing} to {decision.facts.standing}."
                    tell(session, tenant, at=now, kind="standing", text=text, cause=decision.facts.reason, hint=hint)
                row.standing, row.reason = decision.facts.standing, decision.facts.reason
            if decision.intent_fulfilled and record.intent is not None and row.intent_number == record.intent.number:
                row.intent, row.intent_tier = "", ""
            self._plan_notice(session, row, decision, now)
            settle(session, tenant, decision.settled, known.applied)
            keep_promises(session, tenant, observed)
            for item in keep_findings(session, tenant, decision.findings, now=now, hint=hint):
                tell(session, tenant, at=now, kind="finding", text=sentence_of(item), cause=item.cause, hint=hint)
            if snapshot is not None:
                row.snapshot = _SNAPSHOT.dump_json(snapshot).decode()
            session.add(row)
        if snapshot is not None:
            self._ports.publish(snapshot)

    def _plan_notice(self, session: Session, row: Tenant, decision: Decision, now: datetime) -> None:
        if row.told == decision.told:
            return
        if decision.notice is not None:
            notice = decision.notice
            key = f"standing/{row.tenant_id}/{row.told}-{decision.told}/{int(now.timestamp())}"
            payload = {"template": notice.template, "to": notice.to, "values": notice.values}
            plan_effect(session, TenantId(row.tenant_id), key=key, kind="mail", payload=payload, now=now)
        row.told = decision.told

    def _close(self, tenant: TenantId, decision: Decision, observed: Observed, outcome: Outcome) -> None:
        """The end of a pass: what remains, the fresh confirmation of the snapshot, and what lists should show from now on."""
        if decision.changes and outcome.retry_after_seconds is None:
            outcome.retry_after_seconds = 0  # written, and not (yet) so: look again soon
        now = self._clock.now()
        clean = not observed.failed and not decision.changes and not decision.waiting
        with self._database.write(tenant) as session:
            row = session.get_one(Tenant, tenant)
            if clean:
                row.converged_at = now
            row.seen = digests_of(observed) if clean else {}
            session.add(row)
        if not observed.failed & {"members", "organization"} and observed.organization is not None:
            people = sum(not member.service_account for member in observed.members)
            self._ports.record_seats(tenant, people, now)
        log.info("converged", tenant=tenant, written=len(outcome.written), findings=len(outcome.findings), failed=sorted(observed.failed))

    # --- writing ------------------------------------------------------------------------------------------------------

    def _write(self, tenant: TenantId, changes: list[Change], observed: Observed, wish: Intent | None, outcome: Outcome, hint: str) -> None:
        with self._database.write(tenant) as session:
            record = record_of(session.get_one(Tenant, tenant))
            # Taken back while we looked: the newer wish has a look of its own.
            if wish and record.intent and record.intent.number != wish.number:
                changes = [change for change in changes if not change.asked]
            announce_writes(session, tenant, changes, now=self._clock.now())
        situation = act.Situation(record, observed, self._systems, self._ports.fence, self._terms.product)
        for part in act.ORDER:
            own = [change for change in changes if change.part is part]
            if not own:
                continue
            try:
                act.write(part, own, situation)
            except (UpstreamUnavailable, Unavailable) as error:
                outcome.must_retry(error)
                return
            except GlueError as error:
                outcome.errors.append(error)
                with self._database.write(tenant) as session:
                    note_refusal(session, tenant, own, str(error))
                    text = f"{part} could not be written: {error}"
                    tell(session, tenant, at=self._clock.now(), kind="refused", text=text, cause=own[0].cause, hint=hint)
                continue
            outcome.written += own
            self._note_written(tenant, own, hint)

    def _note_written(self, tenant: TenantId, changes: list[Change], hint: str) -> None:
        now = self._clock.now()
        with self._database.write(tenant) as session:
            for change in changes:
                data = {"field": change.name, "before": change.before, "after": change.after, "asked": change.asked}
                tell(session, tenant, at=now, kind="change", text=sentence_of(change), cause=change.cause, hint=hint, **data)
            note_mended(session, tenant, [change for change in changes if change.foreign], now=now, hint=hint)

    def _run_effects(self, tenant: TenantId, outcome: Outcome, hint: str) -> None:
        for effect, error in self._effects.run_for(tenant):
            if isinstance(error, UpstreamUnavailable):
                outcome.must_retry(error)
            elif error is not None:
                outcome.errors.append(error)
            text = f"{effect.kind.replace('_', ' ').capitalize()}: {error or 'done'}"
            with self._database.write(tenant) as session:
                tell(session, tenant, at=self._clock.now(), kind="effect", text=text, hint=hint, key=effect.key)

    def _scrub(self, tenant: TenantId, decision: Decision) -> None:
        """The tombstone: ids stay (invoices point to them), everything about people goes, here and in the other rooms."""
        now = self._clock.now()
        with self._database.write(tenant) as session:
            for scrub in (scrub_timeline, scrub_effects, scrub_drift, scrub_promises, forget, *self._ports.scrub):
                scrub(session, tenant)
            row = session.get_one(Tenant, tenant)
            row.display_name = row.email = row.legal_name = row.tax_id = row.owner_user_id = row.blocked = row.intent = row.intent_by = ""
            row.address, row.overrides, row.registration_key, row.seen = {}, {}, None, {}
            row.standing = row.told = Standing.ERASED
            row.reason, row.erased_at = "Everything about this customer was erased.", now
            last = decision.snapshot
            if last is not None:
                last = replace(last, standing=Standing.ERASED, reason=row.reason, members={}, licenses=(), period=None, confirmed_at=now)
                row.snapshot = _SNAPSHOT.dump_json(last).decode()
            session.add(row)
            tell(session, tenant, at=now, kind="asked", text="Erased.")
        if last is not None:
            self._ports.publish(last)


def _mark_of(change: Change) -> tuple[str, str]:
    return change.name, repr(change.after)


def _is_news(snapshot: Snapshot | None, previous: Snapshot | None) -> bool:
    """Something else in it, or seen true noticeably later."""
    if snapshot is None or previous is None:
        return snapshot is not None
    same = replace(snapshot, version=previous.version, confirmed_at=previous.confirmed_at) == previous
    return not same or snapshot.confirmed_at - previous.confirmed_at > REFRESH
