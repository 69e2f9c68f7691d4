"""Who is asking, and for which tenant: a person or program with an access token, or a machine with a license key."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from glue.clock import Clock
from glue.errors import BadInput, NotAllowed, Unauthenticated
from glue.meter.rates import Rate
from glue.meter.snapshots import Snapshots, license_digest
from glue.meter.tokens import KnownToken, Tokens
from glue.rules.snapshot import LicenseGrant, Snapshot

_PROGRAM = "service-account-"  # how Keycloak names the user of a client


@dataclass(frozen=True, slots=True)
class Caller:
    """``kind`` (member, program or license) and ``id`` are the dimension that the caller's usage gets."""

    snapshot: Snapshot
    kind: str
    id: str
    name: str

    @property
    def who(self) -> dict[str, str]:
        return {self.kind: self.id}


class Callers:
    """Knows callers by their Authorization header. Unknown keys and bad tokens of one address are slowed down."""

    def __init__(
        self, snapshots: Snapshots, tokens: Tokens, *, clock: Clock, on_stranger: Callable[[str], None] = lambda _tenant: None
    ) -> None:
        self._snapshots = snapshots
        self._tokens = tokens
        self._clock = clock
        self._on_stranger = on_stranger
        self._failures = Rate(per_second=0.5, burst=20)
        self._strangers = Rate(per_second=0.2, burst=1)

    async def identify(self, authorization: str, *, tenant: str = "", address: str = "") -> Caller:
        """The caller and the tenant's snapshot. ``tenant`` chooses among several organizations.

        Raises Unauthenticated (nobody we know), NotAllowed (not of this tenant), BadInput (several, none chosen).
        """
        scheme, _, credential = authorization.partition(" ")
        scheme, credential = scheme.lower(), credential.strip()
        if scheme not in {"bearer", "license"} or not credential:
            raise Unauthenticated("The request says not who is asking.", remedy="Send Authorization: Bearer TOKEN or License KEY.")
        if scheme == "license" and (known := self._snapshots.tenant_in_memory(digest := license_digest(credential))) is not None:
            return await self._by_license(digest, known)
        if scheme == "bearer" and (recognized := self._tokens.recognize(credential)) is not None:
            return await self._by_token(recognized, tenant)
        if not self._failures.allows(address, time.monotonic()):
            raise Unauthenticated("Too many unknown credentials came from this address.", remedy="Wait a minute, then use a valid one.")
        try:
            if scheme == "license":
                return await self._by_license(digest, None)
            token = await self._tokens.identify(credential)
        except Unauthenticated:
            self._failures.spend(address, time.monotonic())
            raise
        return await self._by_token(token, tenant)

    async def _by_token(self, token: KnownToken, chosen: str) -> Caller:
        if chosen and chosen not in token.aliases:
            raise NotAllowed(
                "The access token is not for this organization.", remedy="Get a token with the organization's scope.", tenant=chosen
            )
        if not chosen and len(token.aliases) > 1:
            raise BadInput(
                "The access token is for several organizations.", field="Glue-Tenant", expected=f"one of {', '.join(sorted(token.aliases))}"
            )
        alias = chosen or next(iter(token.aliases), "")
        snapshot = self._snapshots.in_memory(alias) or (await self._read_snapshot(alias) if alias else None)
        if snapshot is None or token.subject not in snapshot.members:
            if alias and self._strangers.allows(alias, time.monotonic()):
                self._strangers.spend(alias, time.monotonic())
                self._on_stranger(alias)  # perhaps a member of a moment ago, whom convergence has not seen yet
            raise NotAllowed("You are not a member of this organization.", remedy="Ask its administrator for an invitation.", tenant=alias)
        if token.name.startswith(_PROGRAM):
            return Caller(snapshot, "program", token.name.removeprefix(_PROGRAM), token.name)
        return Caller(snapshot, "member", token.subject, token.name)

    async def _by_license(self, digest: str, tenant: str | None) -> Caller:
        if tenant is None:
            tenant = await asyncio.to_thread(self._snapshots.tenant_by_license, digest)
        snapshot = self._snapshots.in_memory(tenant or "") or (await self._read_snapshot(tenant) if tenant else None)
        grant = _grant(snapshot, digest)
        if snapshot is None or grant is None:
            raise Unauthenticated("There is no such license.", remedy="Check the key on the license page of the portal.")
        if not grant.usable or (grant.expires_at is not None and grant.expires_at <= self._clock.now()):
            raise NotAllowed(
                grant.reason or "The license is not valid any more.", remedy="See the license page of the portal.", reason="license"
            )
        return Caller(snapshot, "license", grant.id, "a machine with the license key")

    async def _read_snapshot(self, tenant: str) -> Snapshot | None:
        return await asyncio.to_thread(self._snapshots.get, tenant)


def _grant(snapshot: Snapshot | None, digest: str) -> LicenseGrant | None:
    return next((grant for grant in snapshot.licenses if grant.key_digest == digest), None) if snapshot is not None else None
