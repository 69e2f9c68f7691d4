"""Machines and programs: counted, one at a time, secrets shown once."""

import threading

import pytest

from glue.actions.machines import activate, check_out, deactivate, read_license, reissue_license
from glue.actions.programs import client_id_of, create_program, list_programs, rotate_secret, switch_off
from glue.errors import BadInput, LimitReached, NotAllowed, NotFound, Unavailable


@pytest.fixture
def tenant(world):
    return world.settled(tier="pro")


def _activate(world, tenant, number):
    return activate(world.actions, tenant, fingerprint=f"fingerprint-{number}", name=f"m{number}", platform="linux", by="alice")


def test_machines_up_to_the_limit(world, tenant):
    first = _activate(world, tenant, 1)
    assert _activate(world, tenant, 1) == first, "the same machine again takes no second place"
    _activate(world, tenant, 2)
    with pytest.raises(LimitReached, match="All 2 machines"):
        _activate(world, tenant, 3)
    deactivate(world.actions, tenant, first.id, by="alice")
    assert _activate(world, tenant, 3).fingerprint == "fingerprint-3"


def test_twenty_at_once_take_no_more_than_there_are(world, tenant):
    taken, refused = [], []

    def work(number):
        try:
            taken.append(_activate(world, tenant, number))
        except LimitReached as error:
            refused.append(error)

    # Keygen itself does not count under concurrency.
    world.keygen.licenses[world.row(tenant).license_id] = world.license(tenant)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused)) == (2, 18)
    assert len(read_license(world.actions, tenant).machines) == 2


def test_suspended_license_activates_and_checks_out_nothing(world, tenant):
    world.keygen.edit(world.row(tenant).license_id, suspended=True)
    with pytest.raises(NotAllowed):
        _activate(world, tenant, 1)
    with pytest.raises(NotAllowed):
        check_out(world.actions, tenant)


def test_license_file_lives_as_long_as_the_tier_says(world, tenant):
    machine = _activate(world, tenant, 1)
    for file in (check_out(world.actions, tenant), check_out(world.actions, tenant, fingerprint=machine.fingerprint)):
        assert (file.expires_at - file.issued_at).total_seconds() == 72 * 3600
    with pytest.raises(NotFound):
        check_out(world.actions, tenant, fingerprint="somebody elses")


def test_rotated_license_has_a_new_key_and_the_old_one_stops(world, tenant):
    old = world.license(tenant)
    reissue_license(world.actions, tenant, by="alice", nonce="n")
    world.drain()
    new = world.license(tenant)
    assert (new.id != old.id, new.key != old.key) == (True, True)
    assert world.keygen.licenses[old.id].suspended
    assert not new.suspended
    assert [grant.id for grant in world.snapshots[tenant].licenses] == [new.id]


def test_license_that_is_not_there_yet_says_so(world):
    tenant = world.sign_up()
    assert read_license(world.actions, tenant) is None
    with pytest.raises(Unavailable):
        _activate(world, tenant, 1)


def test_bad_fingerprint_is_refused(world, tenant):
    with pytest.raises(BadInput):
        activate(world.actions, tenant, fingerprint="x y", name="", platform="", by="alice")


def test_charlie_cannot_remove_alices_machine(world, tenant):
    theirs = world.settled("Charlie", tier="pro")
    machine = _activate(world, tenant, 1)
    with pytest.raises(NotFound):
        deactivate(world.actions, theirs, machine.id, by="charlie")


def test_program_is_made_with_a_secret_shown_once(world, tenant):
    client_id, secret = create_program(world.actions, tenant, name="CI", by="alice", nonce="n")
    assert secret == world.keycloak.programs[client_id]["secret"]
    world.drain()
    assert f"sa-{client_id}" in world.snapshots[tenant].members
    assert secret not in str(world.story(tenant))


def test_program_counts_against_its_own_limit_and_takes_no_seat(world, tenant):
    for number in range(3):
        create_program(world.actions, tenant, name=f"p{number}", by="alice", nonce=f"n{number}")
    with pytest.raises(LimitReached):
        create_program(world.actions, tenant, name="p4", by="alice", nonce="n4")
    world.drain()
    assert world.seats[-1] == (tenant, 1)


def test_secret_reaches_the_person_even_while_workers_run(world, tenant):
    """The worker wakes at once; it must not perform what a person is waiting for and throw the secret away."""
    world.worker.start()
    try:
        for number in range(3):
            client_id, secret = create_program(world.actions, tenant, name=f"p{number}", by="alice", nonce=f"n{number}")
            assert secret == world.keycloak.programs[client_id]["secret"]
    finally:
        world.worker.stop()


def test_secret_can_be_replaced_and_the_program_switched_off(world, tenant):
    client_id, secret = create_program(world.actions, tenant, name="CI", by="alice", nonce="n")
    assert rotate_secret(world.actions, tenant, client_id, by="alice", nonce="m") != secret
    switch_off(world.actions, tenant, client_id, by="alice")
    assert world.keycloak.programs[client_id]["enabled"] is False
    assert list_programs(world.actions, tenant) == []


def test_charlie_cannot_see_or_change_alices_program(world, tenant):
    theirs = world.settled("Charlie", tier="pro")
    client_id, _ = create_program(world.actions, tenant, name="CI", by="alice", nonce="n")
    assert [client_id_of(program) for program in list_programs(world.actions, tenant)] == [client_id]
    assert list_programs(world.actions, theirs) == []
    with pytest.raises(NotFound):
        rotate_secret(world.actions, theirs, client_id, by="charlie", nonce="n")


def test_program_form_sent_twice_makes_one(world, tenant):
    create_program(world.actions, tenant, name="CI", by="alice", nonce="n")
    assert create_program(world.actions, tenant, name="CI", by="alice", nonce="n")[1] == "", "the secret was shown once"
    assert len(world.keycloak.programs) == 1
