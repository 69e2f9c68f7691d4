"""Who may register, which cohort they join, and what happens to a cohort's members at its end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlmodel import Field, Session, col, select

from glue.clock import Clock
from glue.converge.effects import plan_effect
from glue.converge.tenants import Tenant, overrides_document, set_intent
from glue.converge.timeline import tell
from glue.db import Database, System, TenantScoped, Utc
from glue.dirty import Priority, mark
from glue.errors import NotFound
from glue.rules.cohorts import Cohort, Cohorts, without
from glue.rules.names import TenantId
from glue.rules.standing import Standing
from glue.rules.tenant import IntentKind, Overrides
from glue.support.invitations import Invitations
from glue.support.waiting import forget_waiting
from glue.switches import REGISTRATION, Switches

_AT_ONCE = 500  # members that one pass looks after
_SCOPE = System("cohorts are looked after by operators and by time")
_OVERRIDES = TypeAdapter(Overrides)
_BY = "the cohort's declaration"


class CohortMember(TenantScoped, table=True):
    """A customer in a cohort. ``noticed_days`` is the last notice given, ``left_at`` when the cohort ended for it."""

    __tablename__ = "cohort_members"

    tenant_id: str = Field(primary_key=True)
    cohort: str = Field(index=True)
    code_digest: str = ""
    joined_at: datetime = Field(sa_type=Utc)
    noticed_days: int | None = None
    left_at: datetime | None = Field(default=None, sa_type=Utc, index=True)


@dataclass(frozen=True)
class Admission:
    """A person may register; ``cohort`` is the one they join, None for none.

    ``decides_plan``: they come by invitation, so the cohort's plan is theirs; else it concerns those who choose that plan.
    """

    cohort: Cohort | None = None
    code_digest: str = ""
    decides_plan: bool = False


class Rollout:
    """Decides who is let in and looks after members. ``registration``: open to everybody, or to the invited only."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        cohorts: Cohorts,
        registration: Literal["open", "invited"],
        invitations: Invitations,
        switches: Switches,
        portal_url: str,
    ) -> None:
        self._database, self._clock, self._registration = database, clock, registration
        self.cohorts, self._invitations, self._switches, self._portal_url = cohorts, invitations, switches, portal_url

    @property
    def by_invitation(self) -> bool:
        return self._registration == "invited"

    def get(self, code: str) -> Cohort:
        """Raises NotFound."""
        cohort = self.cohorts.find(code)
        if cohort is None:
            raise NotFound("There is no such cohort.", remedy="Declare it in config/cohorts.")
        return cohort

    def is_closed(self) -> bool:
        """Whether registration was turned off by hand, for everybody."""
        return REGISTRATION in self._switches.off()

    def admit(self, email: str, code_digest: str = "") -> Admission | None:
        """Whether this person may register now: by a code, by a cohort's share, or because registration is open; None: not yet."""
        if self.is_closed():
            return None
        if code_digest and (row := self._invitations.find_usable(code_digest)) is not None:
            cohort = self.cohorts.find(row.cohort)
            if cohort is not None and self._has_room(cohort):
                return Admission(cohort, code_digest, decides_plan=True)
        for cohort in self.cohorts:
            if cohort.lets_in(email) and self._has_room(cohort):
                return Admission(cohort, decides_plan=self.by_invitation)
        return Admission() if self._registration == "open" else None

    def join(self, admission: Admission, *, email: str) -> Callable[[Session, Tenant], None]:
        """What registration does in its own transaction: use the code, grant what the cohort grants. It may raise Conflict.

        ``email`` is the address the person signed in with.
        """

        def joining(session: Session, row: Tenant) -> None:
            forget_waiting(session, email.strip().lower())
            cohort, now = admission.cohort, self._clock.now()
            if cohort is None:
                return
            if admission.code_digest:
                self._invitations.use(session, admission.code_digest)
            row.overrides = overrides_document(cohort.overrides)
            session.add(CohortMember(tenant_id=row.tenant_id, cohort=cohort.code, code_digest=admission.code_digest, joined_at=now))
            tell(session, TenantId(row.tenant_id), at=now, kind="note", text=f"Joined the cohort {cohort.title}.", cause="It was let in.")

        return joining

    def member(self, tenant: TenantId) -> tuple[Cohort, CohortMember] | None:
        """The running cohort of a customer."""
        with self._database.read(tenant) as session:
            row = session.get(CohortMember, tenant)
        cohort = self.cohorts.find(row.cohort) if row is not None and row.left_at is None else None
        return (cohort, row) if cohort is not None and row is not None else None

    def counts(self) -> dict[str, tuple[int, int]]:
        """Cohort → members in it now, and ever."""
        ever, now = sa.func.count(), sa.func.count().filter(col(CohortMember.left_at).is_(None))
        with self._database.read(_SCOPE) as session:
            rows = session.execute(sa.select(col(CohortMember.cohort), now, ever).group_by(col(CohortMember.cohort)))
            return {cohort: (inside, all_) for cohort, inside, all_ in rows}

    def advance(self) -> int:
        """Give notice before a cohort's end, and end it for its members; answers how many were written to. Again is harmless."""
        done = 0
        for cohort in self.cohorts:
            now, ended = self._clock.now(), self._clock.now() >= cohort.ends_at
            days = None if ended else cohort.notice_due(now)
            if ended or days is not None:
                for tenant in self._to_look_after(cohort, days):
                    done += self._end(cohort, tenant) if days is None else self._give_notice(cohort, tenant, days)
        return done

    def _has_room(self, cohort: Cohort) -> bool:
        if not cohort.is_open(self._clock.now()):
            return False
        return cohort.most_members is None or self.counts().get(cohort.code, (0, 0))[1] < cohort.most_members

    def _to_look_after(self, cohort: Cohort, days: int | None) -> list[TenantId]:
        wanted = [col(CohortMember.cohort) == cohort.code, col(CohortMember.left_at).is_(None)]
        if days is not None:
            wanted.append(sa.or_(col(CohortMember.noticed_days).is_(None), col(CohortMember.noticed_days) > days))
        with self._database.read(_SCOPE) as session:
            found = session.scalars(sa.select(col(CohortMember.tenant_id)).where(*wanted).order_by(col(CohortMember.tenant_id)))
            return [TenantId(tenant) for tenant in found.fetchmany(_AT_ONCE)]

    def _give_notice(self, cohort: Cohort, tenant: TenantId, days: int) -> bool:
        now = self._clock.now()
        with self._database.write(tenant) as session:
            member, row = session.get_one(CohortMember, tenant), session.get_one(Tenant, tenant)
            if member.left_at is not None or (member.noticed_days is not None and member.noticed_days <= days):
                return False
            member.noticed_days = days
            session.add(member)
            what = f"moves to the plan {cohort.then}" if cohort.then else "stays on its plan, without what the beta added"
            text = (
                f"The {cohort.title} ends on {cohort.ends:%B %-d, %Y}. {row.display_name} then {what}.\n\n"
                f"You can choose another plan, or cancel, at any time before:\n{self._portal_url}/plan\n"
            )
            self._write(session, row, f"cohort/{cohort.code}/{tenant}/notice/{days}", f"The {cohort.title} ends in {days} days", text, now)
            return True

    def _end(self, cohort: Cohort, tenant: TenantId) -> bool:
        now = self._clock.now()
        with self._database.write(tenant) as session:
            left = sa.update(CohortMember).where(col(CohortMember.tenant_id) == tenant, col(CohortMember.left_at).is_(None))
            if session.execute(left.values(left_at=now)).rowcount != 1:  # type: ignore[attr-defined]
                return False  # another process did it
            row = session.get_one(Tenant, tenant)
            row.overrides = overrides_document(without(cohort.overrides, _OVERRIDES.validate_python(row.overrides)))
            session.add(row)
            # Who chose a plan or canceled in the meantime has decided for themselves.
            moves = bool(cohort.then) and row.tier == cohort.plan != cohort.then and not row.intent
            moves = moves and row.standing not in {Standing.CANCELED, Standing.ERASED}
            if moves:
                set_intent(row, IntentKind.CHANGE, tier=cohort.then, now=now, by=_BY)
            what = f"Its plan is {cohort.then} from now on." if moves else "Its plan stays."
            tell(
                session,
                tenant,
                at=now,
                kind="note",
                text=f"The cohort {cohort.title} ended. {what}",
                cause=f"Declared until {cohort.ends}.",
            )
            text = f"The {cohort.title} has ended. Thank you for being part of it!\n\n"
            text += f"The plan of {row.display_name} is {cohort.then} from now on:\n{self._portal_url}/plan\n" if moves else f"{what}\n"
            self._write(session, row, f"cohort/{cohort.code}/{tenant}/end", f"The {cohort.title} has ended", text, now)
            return True

    @staticmethod
    def _write(session: Session, row: Tenant, key: str, subject: str, text: str, now: datetime) -> None:
        tenant = TenantId(row.tenant_id)
        if row.email and row.erased_at is None:
            subject = " ".join(subject.split())
            plan_effect(session, tenant, key=key, kind="mail", payload={"to": row.email, "subject": subject, "text": text}, now=now)
        mark(session, tenant, why=subject, now=now, priority=Priority.TIME)


def scrub_cohorts(session: Session, tenant: TenantId) -> None:
    """Forget which code an erased customer came by; that somebody was in the cohort stays for its numbers."""
    update = sa.update(CohortMember).where(col(CohortMember.tenant_id) == tenant)
    session.execute(update.values(code_digest="", left_at=sa.func.coalesce(col(CohortMember.left_at), col(CohortMember.joined_at))))


def members_of(session: Session, cohort: str) -> dict[str, datetime]:
    """Everybody who ever joined, and when."""
    rows = session.exec(select(CohortMember.tenant_id, CohortMember.joined_at).where(CohortMember.cohort == cohort))
    return {tenant: at for tenant, at in rows}  # noqa: C416
