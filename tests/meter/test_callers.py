"""Who gets in: tokens that are genuine and still good, licenses that are known and usable, members that still are."""

import asyncio
import time
from dataclasses import replace

import pytest
from joserfc.jwk import OctKey, RSAKey

from glue.clock import SystemClock
from glue.errors import BadInput, NotAllowed, Unauthenticated, Unavailable
from glue.meter.callers import Callers
from glue.meter.rates import Rate
from glue.meter.tokens import OUTAGE_SECONDS, Tokens, aliases_of

from .cast import LICENSE_KEYS, TENANTS, snapshot_of
from .identity import AUDIENCE, ISSUER, Identity

ALICE, BOB = TENANTS["alice"], TENANTS["bob"]


class Watch:
    """A stopwatch that tests move."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def identity():
    return Identity()


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def strangers():
    return []


@pytest.fixture
def callers(meter, identity, watch, clock, strangers):
    tokens = Tokens(identity, issuer=ISSUER, audience=AUDIENCE, clock=SystemClock(), monotonic=watch)
    return Callers(meter.snapshots, tokens, clock=clock, on_stranger=strangers.append)


def ask(callers, *asks):
    """Ask one after the other in one event loop; a callable between them runs. Answers the last caller."""

    async def all_of_them():
        answer = None
        for entry in asks:
            if callable(entry):
                entry()
            else:
                credential, tenant = entry if isinstance(entry, tuple) else (entry, "")
                answer = await callers.identify(credential, tenant=tenant, address="10.0.0.1")
        await callers._tokens.close()
        return answer

    return asyncio.run(all_of_them())


def test_a_member_is_known_by_an_access_token_verified_once(callers, identity):
    token = f"Bearer {identity.token()}"
    caller = ask(callers, token, token, token)
    assert (caller.snapshot.tenant, caller.who) == (ALICE, {"member": "user-alice"})
    assert (identity.asked, identity.keys_read) == (1, 1)


def test_a_program_is_known_by_its_client(callers, identity, meter):
    meter.publish(snapshot_of("alice", members={"user-robot": frozenset()}))
    token = identity.token("user-robot", preferred_username="service-account-writer")
    assert ask(callers, f"Bearer {token}").who == {"program": "writer"}


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.test"},
        {"aud": "account"},
        {"aud": None},
        {"typ": "ID"},
        {"typ": None},
        {"sub": None},
        {"exp": int(time.time()) - 1},
        {"exp": None},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(callers, identity, changes):
    with pytest.raises(Unauthenticated):
        ask(callers, f"Bearer {identity.token(**changes)}")
    assert identity.asked == 0


def test_a_token_signed_otherwise_is_refused(callers, identity):
    stranger = RSAKey.generate_key(2048, {"kid": "key-1"})
    shared = OctKey.import_key("x" * 40)
    unsigned = "eyJhbGciOiJub25lIn0." + identity.token().split(".")[1] + "."
    for token in (identity.token(key=stranger), identity.token(key=shared, header={"alg": "HS256"}), unsigned, "junk", "a.b.c"):
        with pytest.raises(Unauthenticated):
            ask(callers, f"Bearer {token}")


def test_a_new_signing_key_is_fetched_but_not_for_every_unknown_one(callers, identity, watch):
    first = f"Bearer {identity.token()}"

    def rotate():
        identity.rotate("key-2")
        watch.now += 11

    assert ask(callers, first, rotate, f"Bearer {identity.token()}").snapshot.tenant == ALICE


def test_unknown_keys_do_not_make_us_ask_again_and_again(callers, identity):
    identity.token()
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            ask(callers, f"Bearer {identity.token(header={'kid': 'other'})}")
    assert identity.keys_read == 1


def test_logout_refuses_within_a_minute(callers, identity, watch):
    token = identity.token()

    def log_out():
        identity.revoked.add(token)
        watch.now += 59

    with pytest.raises(Unauthenticated, match="no longer good"):
        ask(callers, f"Bearer {token}", log_out, f"Bearer {token}")


def test_a_revoked_token_is_refused_at_first_sight(callers, identity):
    token = identity.token()
    identity.revoked.add(token)
    with pytest.raises(Unauthenticated):
        ask(callers, f"Bearer {token}")


def test_a_lost_organization_refuses_within_a_minute(callers, identity, watch):
    token = identity.token(organizations=(ALICE, BOB))

    def leave():
        identity.claims[token] = identity.claims[token] | {"organization": {BOB: {}}}
        watch.now += 59

    with pytest.raises(NotAllowed):
        ask(callers, (f"Bearer {token}", ALICE), leave, (f"Bearer {token}", ALICE))


def test_tokens_in_use_are_asked_about_in_the_background(callers, identity, watch):
    token = f"Bearer {identity.token()}"

    async def wait():
        await callers.identify(token)
        watch.now += 46
        await callers.identify(token)
        for _ in range(60):
            await asyncio.sleep(0.05)
            if identity.asked == 2:
                break
        watch.now += 30  # 76 s after the first word, 30 s after the second: no waiting for Keycloak
        identity.down = True
        await callers.identify(token)
        await callers._tokens.close()

    asyncio.run(wait())
    assert identity.asked == 2


def test_a_known_token_outlives_a_short_outage_of_keycloak_and_a_new_one_waits(callers, identity, watch):
    token = f"Bearer {identity.token()}"

    def fall():
        identity.down = True
        watch.now += 70

    assert ask(callers, token, fall, token).snapshot.tenant == ALICE


def test_an_outage_does_not_let_tokens_live_for_ever(callers, identity, watch):
    token = f"Bearer {identity.token()}"

    def fall():
        identity.down = True
        watch.now += 60

    def later():
        watch.now += OUTAGE_SECONDS

    with pytest.raises(Unauthenticated):
        ask(callers, token, fall, token, later, token, later, token, token)


def test_a_new_token_during_an_outage_is_asked_to_come_back(callers, identity):
    identity.down = True
    with pytest.raises(Unavailable):
        ask(callers, f"Bearer {identity.token()}")


def test_an_expired_token_is_refused_though_it_was_known(callers, identity):
    token = f"Bearer {identity.token(exp=int(time.time()) + 1)}"

    async def wait():
        await callers.identify(token)
        await asyncio.sleep(1.1)
        try:
            await callers.identify(token)
        finally:
            await callers._tokens.close()

    with pytest.raises(Unauthenticated, match="expired"):
        asyncio.run(wait())


def test_several_organizations_need_a_choice(callers, identity, meter):
    meter.publish(snapshot_of("bob", members={"user-alice": frozenset()}))
    token = f"Bearer {identity.token(organizations=(ALICE, BOB))}"
    with pytest.raises(BadInput) as caught:
        ask(callers, token)
    assert caught.value.field == "Glue-Tenant"
    assert ask(callers, (token, BOB)).snapshot.tenant == BOB


def test_a_token_opens_no_other_tenant(callers, identity):
    with pytest.raises(NotAllowed):
        ask(callers, (f"Bearer {identity.token()}", BOB))
    for organizations in ((), ("t00000000000000",)):
        with pytest.raises(NotAllowed):
            ask(callers, f"Bearer {identity.token(organizations=organizations)}")


def test_a_removed_member_is_refused_at_once_and_convergence_is_told(callers, identity, meter, strangers):
    token = f"Bearer {identity.token()}"
    meter.publish(snapshot_of("alice", members={}))
    for _ in range(3):
        with pytest.raises(NotAllowed):
            ask(callers, token)
    assert strangers == [ALICE]


def test_a_license_is_known_by_its_digest(callers):
    caller = ask(callers, f"License {LICENSE_KEYS['bob']}")
    assert (caller.snapshot.tenant, caller.who) == (BOB, {"license": "license-bob"})


def test_a_license_is_found_in_the_store_after_a_restart(callers, meter):
    meter.snapshots._drop(ALICE)
    assert ask(callers, f"license {LICENSE_KEYS['alice']}").snapshot.tenant == ALICE


def test_a_suspended_or_expired_license_is_refused(callers, meter, clock):
    grant = snapshot_of("alice").licenses[0]
    for changed in (replace(grant, usable=False, reason="Suspended."), replace(grant, expires_at=clock.now())):
        meter.publish(snapshot_of("alice", licenses=(changed,)))
        with pytest.raises(NotAllowed):
            ask(callers, f"License {LICENSE_KEYS['alice']}")


def test_a_revoked_license_is_nobody(callers, meter):
    meter.publish(snapshot_of("alice", licenses=()))
    with pytest.raises(Unauthenticated):
        ask(callers, f"License {LICENSE_KEYS['alice']}")


def test_guessing_from_one_address_is_slowed_down_and_known_keys_are_not(callers):
    for number in range(20):
        with pytest.raises(Unauthenticated, match="no such license"):
            ask(callers, f"License GUESS-{number}")
    with pytest.raises(Unauthenticated, match="Too many"):
        ask(callers, "License GUESS-21")
    assert ask(callers, f"License {LICENSE_KEYS['alice']}").snapshot.tenant == ALICE


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "License", "ALICE-KEY"])
def test_without_a_credential_nobody_is_known(callers, header):
    with pytest.raises(Unauthenticated):
        ask(callers, header)


def test_a_rate_forgets_who_was_unseen_for_longest():
    rate = Rate(per_second=1, burst=2, most_addresses=2)
    for address in ("a", "a", "b", "c"):
        rate.spend(address, 0)
    assert rate.allows("a", 0)  # forgotten
    rate.spend("c", 0)
    assert not rate.allows("c", 0)
    assert rate.allows("c", 1.5)


def test_organizations_come_as_map_list_or_text():
    assert aliases_of({"organization": {"a": {"id": "1"}, "b": {}}}) == {"a", "b"}
    assert aliases_of({"organization": ["a"]}) == {"a"}
    assert aliases_of({"organization": '{"a":{}}'}) == {"a"}
    assert aliases_of({"organization": "a"}) == {"a"}
    assert aliases_of({}) == frozenset()
