"""Access tokens: verified once, then known by their digest and asked about again at Keycloak every 45 seconds.

After a logout, a disabled person or client, or a lost membership Keycloak says so, and the token is refused within a minute.
"""

import asyncio
import contextlib
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

import orjson
import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from glue.clock import Clock
from glue.errors import Unauthenticated, Unavailable, UpstreamError

ASK_AGAIN_SECONDS = 45
KNOWN_UNTIL_SECONDS = 58  # since Keycloak last vouched for it; older ones wait for its word
OUTAGE_SECONDS = 600  # how long a token known before is still good while Keycloak does not answer
KEYS_AGAIN_SECONDS = 10
MOST_TOKENS = 20_000

T = TypeVar("T")
log = structlog.get_logger()


class Vouching(Protocol):
    """What we need of Keycloak."""

    def jwks(self) -> dict[str, Any]: ...

    def introspect(self, token: str) -> dict[str, Any] | None: ...


@dataclass(slots=True)
class KnownToken:
    """A token that was good at ``vouched_at`` (monotonic seconds): whose, for which organizations, until when (Unix time)."""

    token: str = field(repr=False)
    subject: str
    name: str
    aliases: frozenset[str]
    expires_at: float
    vouched_at: float
    used_at: float
    asking: bool = False


class Tokens:
    """For one event loop. ``wall`` decides about expiry; waiting times are monotonic."""

    def __init__(
        self, keycloak: Vouching, *, issuer: str, audience: str, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._keycloak = keycloak
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._monotonic = monotonic
        self._known: OrderedDict[bytes, KnownToken] = OrderedDict()
        self._keys: KeySet | None = None
        self._keys_at = -1e9
        self._keys_lock = asyncio.Lock()
        self._silent_until = -1e9
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="meter-tokens")
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None

    def recognize(self, token: str) -> KnownToken | None:
        """A token that needs no asking now: known, not expired, vouched for within the minute."""
        known = self._known.get(hashlib.sha256(token.encode()).digest())
        now = self._monotonic()
        if known is None or now - known.vouched_at > KNOWN_UNTIL_SECONDS or known.expires_at <= self._clock.wall().timestamp():
            return None
        known.used_at = now
        return known

    async def identify(self, token: str) -> KnownToken:
        """Whose token this is. Raises Unauthenticated, or Unavailable when Keycloak cannot be asked about a new one."""
        digest = hashlib.sha256(token.encode()).digest()
        now = self._monotonic()
        known = self._known.get(digest)
        if known is None:
            known = await self._admit(token, now)
            self._known[digest] = known
            if len(self._known) > MOST_TOKENS:
                self._known.popitem(last=False)
            if self._watch is None or self._watch.done():
                self._watch = self._spawn(self._ask_again())
        if known.expires_at <= self._clock.wall().timestamp():
            self._known.pop(digest, None)
            raise Unauthenticated("The access token has expired.", remedy="Get a new one from the login server.")
        known.used_at = now
        if now - known.vouched_at > KNOWN_UNTIL_SECONDS:
            await self._vouch(digest, known)
            if digest not in self._known:
                raise _refused()
        return known

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._threads.shutdown(wait=False, cancel_futures=True)

    # --- a token seen for the first time ----------------------------------------------------------------------------

    async def _admit(self, token: str, now: float) -> KnownToken:
        claims = await self._verify(token)
        answer = await self._in_thread(lambda: self._keycloak.introspect(token))
        if answer is None:
            raise _refused()
        return KnownToken(
            token=token,
            subject=str(claims["sub"]),
            name=str(claims.get("preferred_username") or claims["sub"]),
            aliases=aliases_of(claims) & aliases_of(answer),
            expires_at=float(claims["exp"]),
            vouched_at=now,
            used_at=now,
        )

    async def _verify(self, token: str) -> dict[str, Any]:
        wrong = Unauthenticated("The access token cannot be used.", remedy="Send an access token of this service as Authorization: Bearer.")
        try:
            kid = jws.extract_compact(token.encode()).headers().get("kid")
            keys = await self._keys_with(kid)
            claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
            registry = jwt.JWTClaimsRegistry(
                now=int(self._clock.wall().timestamp()),
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": self._audience},
                exp={"essential": True},
                sub={"essential": True},
                typ={"essential": True, "value": "Bearer"},
            )
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise wrong from error
        return dict(claims)

    async def _keys_with(self, kid: Any) -> KeySet:
        """Our copy of the signing keys; read anew when it lacks ``kid``, but not more often than every ten seconds."""
        async with self._keys_lock:
            lacks = self._keys is None or all(key.kid != kid for key in self._keys.keys)
            if lacks and self._monotonic() - self._keys_at > KEYS_AGAIN_SECONDS:
                document = await self._in_thread(self._keycloak.jwks)
                self._keys, self._keys_at = KeySet.import_key_set(cast("Any", document)), self._monotonic()
        if self._keys is None:
            raise Unavailable("The login server cannot be asked right now.", retry_after_seconds=5)
        return self._keys

    # --- asking again -----------------------------------------------------------------------------------------------

    async def _ask_again(self) -> None:
        # Tokens in use are vouched for in time, so that no request of theirs has to wait for Keycloak.
        while self._known:
            await asyncio.sleep(1)
            now = self._monotonic()
            for digest, known in list(self._known.items()):
                if now - known.used_at > OUTAGE_SECONDS:
                    self._known.pop(digest, None)
                elif now - known.vouched_at > ASK_AGAIN_SECONDS and now - known.used_at < KNOWN_UNTIL_SECONDS and not known.asking:
                    self._spawn(self._vouch(digest, known))

    async def _vouch(self, digest: bytes, known: KnownToken) -> None:
        """Ask Keycloak about a known token: gone when it is good for nothing, else with the organizations of now."""
        now = self._monotonic()
        if now < self._silent_until:
            if now - known.vouched_at > OUTAGE_SECONDS:
                self._known.pop(digest, None)
            return
        known.asking = True
        try:
            answer = await self._in_thread(lambda: self._keycloak.introspect(known.token))
        except Unavailable as error:
            self._silent_until = self._monotonic() + 5
            log.warning("token_not_vouched", error=str(error))
            return
        finally:
            known.asking = False
        if answer is None:
            self._known.pop(digest, None)
            return
        known.aliases = aliases_of(answer)
        known.vouched_at = now

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except UpstreamError as error:
            raise Unavailable("The login server cannot be asked right now.", retry_after_seconds=5) from error

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def aliases_of(claims: dict[str, Any]) -> frozenset[str]:
    """Organizations a token is for: the claim is a map by alias, or a list of aliases."""
    claim = claims.get("organization")
    if isinstance(claim, str):
        claim = orjson.loads(claim) if claim.startswith(("{", "[")) else [claim]
    return frozenset(str(alias) for alias in claim) if isinstance(claim, dict | list) else frozenset()


def _refused() -> Unauthenticated:
    return Unauthenticated("The access token is no longer good.", remedy="Log in again.")
