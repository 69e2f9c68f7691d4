"""Builds the parts of a process and joins them. The only place that knows everything; nothing below knows the environment."""

import fcntl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import IO, Any

from glue.actions.asking import Actions
from glue.actions.signins import Signins
from glue.adapters import Adapters, adapters
from glue.agents.dispatcher import Dispatcher
from glue.agents.erasing import scrub_agents
from glue.agents.executors.models import model_executors
from glue.agents.registry import load_registry
from glue.catalog.files import Declaration, load, load_answers, load_cohorts
from glue.converge.effects import Effects
from glue.converge.kinds import known_kinds
from glue.converge.mails import composer
from glue.converge.policies import PolicyBook
from glue.converge.rolling import Rolling
from glue.converge.run import Converge
from glue.converge.sweep import Sweep
from glue.converge.systems import Ports, Systems
from glue.converge.tenants import Tenant, tenants_by, tenants_on_plan
from glue.converge.worker import Chore, Worker
from glue.db import Database, System
from glue.dirty import forget_leases, mark
from glue.doors.deliveries import Deliveries, IdentityMap, scrub_deliveries
from glue.doors.keycloak import KeycloakDoor
from glue.doors.keygen import KeygenDoor
from glue.doors.lago import LagoDoor
from glue.errors import ConfigInvalid
from glue.meter.callers import Callers
from glue.meter.metering import Meter
from glue.meter.meters import read_meters
from glue.meter.tokens import Tokens
from glue.ops import schema
from glue.rules.names import TenantId
from glue.rules.prices import free_units, highest_unit_prices
from glue.rules.snapshot import Snapshot
from glue.rules.standing import Standing
from glue.rules.terms import Terms
from glue.settings import Settings
from glue.support.alerts import Alerts
from glue.support.answers import ReplyAddresses
from glue.support.cohorts import Rollout, scrub_cohorts
from glue.support.feedback import FeedbackBox, scrub_feedback
from glue.support.invitations import Invitations
from glue.support.issue_links import IssueLinks, scrub_links
from glue.support.mail_in import MailIn, scrub_mails
from glue.support.tickets import Tickets, scrub_tickets
from glue.support.waiting import NOBODY, Letters, WaitingList
from glue.switches import Switches
from glue.upstream.issues import IssueTracker


class Services(Adapters):
    """Everything a serving process is made of. ``start`` begins its background work, ``stop`` ends it in order."""

    @cached_property
    def declaration(self) -> Declaration:
        """What the files declare."""
        return load(self.settings.config_dir)

    @cached_property
    def database(self) -> Database:
        return Database(self.settings.database_url)

    @cached_property
    def meter_database(self) -> Database:
        return Database(self.settings.database_url, meter=True)

    @cached_property
    def meter(self) -> Meter:
        meters = read_meters(self.declaration.lago["billable_metrics"].values())
        return Meter(self.meter_database, clock=self.clock, lago=self.lago, meters=meters, switches=self.switches)

    @cached_property
    def tokens(self) -> Tokens:
        identity = self.settings.keycloak
        return Tokens(self.keycloak, issuer=identity.issuer_url, audience=identity.api_client_id, clock=self.clock)

    @cached_property
    def callers(self) -> Callers:
        return Callers(self.meter.snapshots, self.tokens, clock=self.clock, on_stranger=self.look_at)

    @cached_property
    def upstreams(self) -> Systems:
        return Systems(self.keycloak, self.lago, self.keygen, self.mail)

    @cached_property
    def effects(self) -> Effects:
        return Effects(self.database, self.clock, known_kinds(self.upstreams, compose=self.letters.compose))

    @cached_property
    def letters(self) -> Letters:
        settings = self.settings
        return Letters(
            [key.get_secret_value() for key in settings.secret_keys],
            product=settings.product_name,
            portal_url=settings.public_url,
            otherwise=composer(product=settings.product_name, portal_url=settings.public_url, support_address=settings.support_address),
        )

    @property
    def features(self) -> frozenset[str]:
        """Every feature that some tier knows."""
        return frozenset(code for tier in self.tiers for code in tier.features)

    @cached_property
    def switches(self) -> Switches:
        return Switches(self.database, self.clock)

    @cached_property
    def alerts(self) -> Alerts:
        return Alerts(self.database, self.clock, self.meter, portal_url=self.settings.public_url)

    @cached_property
    def invitations(self) -> Invitations:
        return Invitations(self.database, self.clock)

    @cached_property
    def waiting_list(self) -> WaitingList:
        return WaitingList(self.database, self.clock, self.letters, self.invitations)

    @cached_property
    def rollout(self) -> Rollout:
        return Rollout(
            self.database,
            self.clock,
            cohorts=load_cohorts(self.settings.config_dir, self.tiers),
            registration=self.settings.registration,
            invitations=self.invitations,
            switches=self.switches,
            portal_url=self.settings.public_url,
        )

    @cached_property
    def ready_answers(self) -> Mapping[str, str]:
        return load_answers(self.settings.config_dir)

    @cached_property
    def terms(self) -> Terms:
        lago = self.settings.lago
        return Terms(
            tiers=self.tiers,
            product=self.settings.keygen.product_code,
            redirect_url=f"{self.settings.public_url}/",
            payment_provider=lago.payment_provider,
            payment_provider_code=lago.payment_provider_code,
            unit_prices={code: highest_unit_prices(plan) for code, plan in self.declaration.lago["plans"].items()},
            free_units={code: free_units(plan) for code, plan in self.declaration.lago["plans"].items()},
        )

    @cached_property
    def signins(self) -> Signins:
        return Signins(self.database, self.clock)

    @cached_property
    def actions(self) -> Actions:
        return Actions(
            database=self.database,
            clock=self.clock,
            systems=self.upstreams,
            effects=self.effects,
            tiers=self.tiers,
            product=self.settings.keygen.product_code,
        )

    @cached_property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self.database,
            self.clock,
            self.meter,
            load_registry(self.settings.config_dir),
            database_url=self.settings.database_url,
            data_dir=self.settings.data_dir,
            executors=model_executors(self.settings.models),
            second_opinion=self.settings.models.second_opinion,
            demand_runs=self.switches.demand_runs,
        )

    @cached_property
    def tickets(self) -> Tickets:
        return Tickets(self.database, self.clock, support_hours={tier.code: tier.support_hours for tier in self.tiers})

    @cached_property
    def reply_addresses(self) -> ReplyAddresses:
        return ReplyAddresses([key.get_secret_value() for key in self.settings.secret_keys], self.settings.support_address)

    @cached_property
    def mail_in(self) -> MailIn:
        return MailIn(self.database, self.clock, self.tickets, self.reply_addresses, sender=self.settings.mail.sender)

    @cached_property
    def issue_tracker(self) -> IssueTracker:
        """Raises ConfigInvalid when the settings name no repository."""
        if not self.settings.issues.repository:
            raise ConfigInvalid("No repository of issues is set.", remedy="Set GLUE_ISSUES__URL, …__REPOSITORY and …__TOKEN.")
        return IssueTracker(self.settings.issues)

    @cached_property
    def issue_links(self) -> IssueLinks:
        """Raises ConfigInvalid when the settings name no repository."""
        return IssueLinks(
            self.database, self.clock, self.tickets, self.issue_tracker, keys=self.reply_addresses.keys, people=self._people_of
        )

    def _people_of(self, tenant: Tenant) -> list[str]:
        members = self.keycloak.list_members(tenant.organization_id) if tenant.organization_id else ()
        return [name for one in members for name in (one.first_name, one.last_name, one.username)]

    @cached_property
    def feedback(self) -> FeedbackBox:
        return FeedbackBox(self.database, self.clock)

    def unit_prices(self, plan_code: str) -> Mapping[str, Decimal]:
        """Meter → the highest price of a unit on a plan; empty for a plan that the files do not know."""
        return self.terms.unit_prices.get(plan_code, {})

    def plan_prices(self) -> Mapping[str, Mapping[str, Any]]:
        """Declared plans by code."""
        return self.declaration.lago["plans"]

    @cached_property
    def converge(self) -> Converge:
        policies = PolicyBook(
            self.keygen, product=self.settings.keygen.product_code, expected=frozenset(tier.license.policy for tier in self.tiers)
        )
        return Converge(
            self.database,
            self.clock,
            self.upstreams,
            terms=self.terms,
            policies=policies.ids,
            effects=self.effects,
            ports=self.ports,
            executor=ThreadPoolExecutor(8, thread_name_prefix="observe"),
        )

    @cached_property
    def ports(self) -> Ports:
        return Ports(
            publish=self._publish,
            confirm=lambda tenants, at: self.meter.confirm(tenants, at=at),
            record_seats=self._record_seats,
            scrub=(scrub_agents, scrub_deliveries, scrub_tickets, scrub_mails, scrub_links, scrub_feedback, scrub_cohorts),
            fence=self.meter,
        )

    @cached_property
    def sweep(self) -> Sweep:
        return Sweep(self.database, self.clock, self.upstreams, pins=self.pins(), ports=self.ports)

    @cached_property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.database, self.clock, IdentityMap(tenants_by, tenants_on_plan))

    @cached_property
    def lago_door(self) -> LagoDoor:
        return LagoDoor(self.deliveries, keys=self.settings.lago.webhook_hmac_keys, public_key=self.lago.webhook_public_key)

    @cached_property
    def keygen_door(self) -> KeygenDoor:
        return KeygenDoor(
            self.deliveries,
            self.clock,
            url=self.settings.webhooks.keygen_url,
            account_id=self.settings.keygen.account_id,
            public_key=self.keygen.public_key,
        )

    @cached_property
    def worker(self) -> Worker:
        door = KeycloakDoor(self.deliveries, self.keycloak, self.clock)
        chores = (
            Chore("poll of Keycloak", 2, door.poll),
            Chore("sweep", 60, self.sweep),
            Chore("rolling pass", 10, Rolling(self.database, self.clock, every_seconds=10)),
            Chore("cohorts", 60, self._look_after_cohorts),
            Chore("usage alerts", 30, self.alerts.write_due),
            Chore("letters to the waiting list", 5, lambda: self.effects.run_for(NOBODY)),
            Chore("issues of tickets", 30, self._poll_issues),
            Chore("webhook endpoints", 300, self.register_webhooks),
            Chore("old deliveries and sign-ins", 3600, self._forget_old),
        )
        return Worker(self.database, self.clock, self.converge, chores=chores, paused=lambda: self.sweep.paused, threads=2)

    def register_webhooks(self) -> None:
        """Have Lago and Keygen call us, where the settings say at which address."""
        if self.settings.webhooks.lago_url:
            self.lago.ensure_webhook_endpoint(self.settings.webhooks.lago_url)
        if self.settings.webhooks.keygen_url:
            self.keygen.ensure_webhook_endpoint(self.settings.webhooks.keygen_url)

    def _publish(self, snapshot: Snapshot) -> None:
        if snapshot.standing == Standing.ERASED:
            self.meter.erase(snapshot.tenant)
        self.meter.publish(snapshot)
        if snapshot.standing == Standing.ERASED:
            self.dispatcher.forget(snapshot.tenant)
            self.database.forget_deleted()
            self.meter_database.forget_deleted()

    def _look_after_cohorts(self) -> None:
        self.rollout.advance()
        if not self.rollout.is_closed():
            self.waiting_list.tell_opened(self.rollout.cohorts)

    def _poll_issues(self) -> None:
        if self.settings.issues.repository:
            self.issue_links.poll()

    def _forget_old(self) -> None:
        self.waiting_list.forget_old()
        self.deliveries.forget_old()
        self.mail_in.forget_old()
        self.signins.forget_expired()

    def _record_seats(self, tenant: TenantId, seats: int, at: datetime) -> None:
        # The most of a period is billed: once a day and number is enough to say.
        key = f"seats/{tenant}/{at:%Y-%m-%d}/{seats}"
        self.meter.record_usage(tenant, "seats", seats, key=key, occurred_at=at)

    @cached_property
    def lock(self) -> IO[str] | None:
        """Held while this process lives."""
        return _lock(self.settings.database_url)

    def look_at(self, tenant: str, *, why: str = "somebody asked who is not known yet") -> None:
        """Have a tenant converged soon."""
        with self.database.write(System("a stranger's token names a tenant before we know the stranger")) as session:
            mark(session, TenantId(tenant), why=why, now=self.clock.now())

    def prepare(self) -> None:
        """Lock the database (SQLite is one process's) and bring both stores to the newest version. Raises ConfigInvalid."""
        _ = self.lock
        schema.upgrade(self.database)
        schema.upgrade(self.meter_database, meter=True)
        if self.database.is_sqlite:
            forget_leases(self.database)

    def start(self, *, worker: bool) -> None:
        """Begin to serve; with ``worker`` also converge, poll, sweep and flush."""
        self.prepare()
        self.switches.refresh()
        self.meter.start(flush=worker)
        if worker:
            self.worker.start()
            self.dispatcher.start()
            # What happened while nobody looked: found at once, not a minute later.
            Thread(target=self.worker.run_chores, name="first-chores", daemon=True).start()

    def close(self) -> None:
        super().close()
        if "issue_tracker" in vars(self):
            self.issue_tracker.close()

    def stop(self) -> None:
        """End what was started, in reverse order."""
        self.dispatcher.stop()
        self.worker.stop()
        self.meter.stop()
        self.close()
        self.meter_database.close()
        self.database.close()


def services(settings: Settings | None = None) -> Services:
    """Everything for a serving process. Nothing is opened before it is used."""
    return Services(**vars(adapters(settings)))


def _lock(database_url: str) -> IO[str] | None:
    if not database_url.startswith("sqlite:///"):
        return None
    file = Path(database_url.removeprefix("sqlite:///")).with_suffix(".lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = file.open("w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ConfigInvalid(f"Another process serves {database_url}.", remedy="SQLite has one; use PostgreSQL for several.") from error
    return stream
