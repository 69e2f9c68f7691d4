"""Machines: seats, who may activate, heartbeats."""

from concurrent.futures import ThreadPoolExecutor

from keygen_driver import Keygen, codes


def test_seats_are_refused_past_the_limit_and_freed_by_deactivation(keygen: Keygen) -> None:
    license_row = keygen.license(keygen.policy(maxMachines=1))
    auth = f"License {license_row['attributes']['key']}"
    first = keygen.activate(license_row, auth=auth).json()["data"]["id"]
    assert codes(keygen.activate(license_row, auth=auth)) == ["MACHINE_LIMIT_EXCEEDED"]
    assert keygen.call("DELETE", f"/machines/{first}", auth=auth).status_code == 204
    assert keygen.activate(license_row, auth=auth).status_code == 201


def test_fingerprint_is_taken_once_per_license(keygen: Keygen) -> None:
    license_row = keygen.license()
    assert keygen.activate(license_row, "same").status_code == 201
    assert codes(keygen.activate(license_row, "same")) == ["FINGERPRINT_TAKEN"]
    assert keygen.activate(keygen.license(), "same").status_code == 201


def test_parallel_activations_can_take_more_seats_than_there_are(keygen: Keygen) -> None:
    machines = 0
    for _ in range(5):  # a race is not lost each time on a busy machine
        license_row = keygen.license(keygen.policy(maxMachines=2))
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _, row=license_row: keygen.activate(row), range(20)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {201, 422}
        machines = keygen.call("GET", f"/licenses/{license_row['id']}").json()["data"]["relationships"]["machines"]["meta"]["count"]
        assert machines == statuses.count(201)
        if machines > 2:
            break
    assert machines > 2


def test_parallel_renewals_lose_each_other(keygen: Keygen) -> None:
    license_row = keygen.license(keygen.policy(duration=86_400), expiry="2030-01-01T00:00:00.000Z")
    path = f"/licenses/{license_row['id']}"
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: keygen.call("POST", f"{path}/actions/renew"), range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert "2030-01-01" < keygen.attributes(path)["expiry"] < "2030-01-11"


def test_license_key_needs_the_strategy_and_an_unsuspended_license(keygen: Keygen) -> None:
    by_token = keygen.license(keygen.policy(authenticationStrategy="TOKEN"))
    assert codes(keygen.activate(by_token, auth=f"License {by_token['attributes']['key']}")) == ["LICENSE_NOT_ALLOWED"]
    license_row = keygen.license()
    auth = f"License {license_row['attributes']['key']}"
    keygen.call("POST", f"/licenses/{license_row['id']}/actions/suspend")
    assert codes(keygen.activate(license_row, auth=auth)) == ["LICENSE_SUSPENDED"]
    assert keygen.activate(license_row).status_code == 201


def test_expired_license_still_activates_unless_access_is_revoked(keygen: Keygen) -> None:
    for strategy, status in (("RESTRICT_ACCESS", 201), ("REVOKE_ACCESS", 403)):
        license_row = keygen.license(keygen.policy(expirationStrategy=strategy), expiry="2020-01-01T00:00:00Z")
        assert keygen.activate(license_row, auth=f"License {license_row['attributes']['key']}").status_code == status


def test_license_key_reaches_only_its_own_machines(keygen: Keygen) -> None:
    mine, other = keygen.license(), keygen.license()
    machine = keygen.activate(other).json()["data"]["id"]
    auth = f"License {mine['attributes']['key']}"
    assert keygen.call("GET", f"/machines/{machine}", auth=auth).status_code == 404
    assert keygen.activate(other, auth=auth).status_code == 403


def test_activation_token_counts_its_activations(keygen: Keygen) -> None:
    license_row = keygen.license()
    body = {"data": {"type": "tokens", "attributes": {"maxActivations": 1}}}
    token = keygen.call("POST", f"/licenses/{license_row['id']}/tokens", body).json()["data"]["attributes"]["token"]
    assert keygen.activate(license_row, auth=f"Bearer {token}").status_code == 201
    assert codes(keygen.activate(license_row, auth=f"Bearer {token}")) == ["ACTIVATIONS_LIMIT_EXCEEDED"]


def test_silent_machine_dies_and_is_culled_by_the_clock(fresh_keygen: Keygen) -> None:
    policy = fresh_keygen.policy(requireHeartbeat=True, heartbeatDuration=3600)
    license_row = fresh_keygen.license(policy)
    machine = fresh_keygen.activate(license_row, "box").json()["data"]
    assert machine["attributes"]["heartbeatStatus"] == "ALIVE"
    fresh_keygen.advance(minutes=50)
    path = f"/machines/{machine['id']}"
    assert fresh_keygen.call("POST", f"{path}/actions/ping").status_code == 200
    fresh_keygen.advance(minutes=50)
    assert fresh_keygen.attributes(path)["heartbeatStatus"] == "ALIVE"
    fresh_keygen.advance(minutes=15)
    assert fresh_keygen.call("GET", path).status_code == 404
    assert fresh_keygen.validate(license_row, fingerprint="box")["meta"]["code"] == "NO_MACHINES"


def test_dead_machine_that_is_kept_may_come_back(fresh_keygen: Keygen) -> None:
    kept = {"requireHeartbeat": True, "heartbeatDuration": 60, "heartbeatCullStrategy": "KEEP_DEAD"}
    revivable = fresh_keygen.policy(heartbeatResurrectionStrategy="ALWAYS_REVIVE", **kept)
    machines = {}
    for policy in (revivable, fresh_keygen.policy(**kept)):
        license_row = fresh_keygen.license(policy)
        machines[policy] = license_row, fresh_keygen.activate(license_row, "box").json()["data"]["id"]
    fresh_keygen.advance(minutes=5)
    for policy, (license_row, machine) in machines.items():
        assert fresh_keygen.validate(license_row, fingerprint="box")["meta"]["code"] == "HEARTBEAT_DEAD"
        answer = fresh_keygen.call("POST", f"/machines/{machine}/actions/ping")
        if policy == revivable:
            assert answer.json()["data"]["attributes"]["heartbeatStatus"] == "RESURRECTED"
        else:
            assert codes(answer) == ["MACHINE_HEARTBEAT_DEAD"]
