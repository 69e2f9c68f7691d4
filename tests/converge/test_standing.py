"""Debt, grace, suspension and the way back, over the months."""

from datetime import timedelta

from glue.rules.standing import Standing


def _subjects(world):
    return [mail["subject"] for mail in world.mail.sent]


def test_trial_end_is_found_without_any_hint(world):
    tenant = world.settled()
    world.pass_time(days=14, seconds=1)
    assert world.row(tenant).standing == Standing.ACTIVE
    assert world.organization(tenant).attributes["standing"] == ("active",)
    assert "Your Coditect trial has ended" in _subjects(world)


def test_unpaid_invoice_leads_to_past_due_then_suspension_then_payment_restores(world):
    tenant = world.settled(tier="team")
    invoice = world.lago.bill(tenant, due_in_days=10)
    world.look(tenant, "invoice.created")
    world.pass_time(days=11)
    assert world.row(tenant).standing == Standing.PAST_DUE
    assert world.license(tenant).suspended is False
    assert world.snapshots[tenant].licenses[0].usable
    world.pass_time(days=21)
    assert world.row(tenant).standing == Standing.SUSPENDED
    assert world.license(tenant).suspended is True
    assert world.organization(tenant).attributes["standing"] == ("suspended",)
    assert world.organization(tenant).enabled, "people must be able to log in and pay"
    assert not world.snapshots[tenant].licenses[0].usable
    world.lago.mark_invoice_paid(invoice.lago_id)
    world.look(tenant, "invoice.payment_status_updated")
    assert world.row(tenant).standing == Standing.ACTIVE
    assert world.license(tenant).suspended is False
    assert _subjects(world) == [
        "Welcome to Coditect",
        "A Coditect invoice is past due",
        "Your Coditect access is suspended",
        "Your Coditect access is back",
    ]


def test_unpaid_top_up_is_no_debt(world):
    tenant = world.settled(tier="team")
    world.lago.bill(tenant, kind="credit", due_in_days=1)
    world.look(tenant)
    world.pass_time(days=60)
    world.look(tenant)
    assert world.row(tenant).standing == Standing.ACTIVE


def test_terminated_subscription_suspends_license(world):
    tenant = world.settled(tier="team")
    world.lago.terminate_subscription(f"sub-{tenant}")
    world.look(tenant, "subscription.terminated")
    assert world.row(tenant).standing == Standing.CANCELED
    assert world.license(tenant).suspended
    assert world.snapshots[tenant].period is None


def test_license_lasts_for_the_period_and_the_grace(world):
    tenant = world.settled(tier="team")
    ends = world.subscription(tenant).period_ends_at
    assert world.license(tenant).expiry == (ends + timedelta(days=21)).replace(microsecond=0)
    world.pass_time(days=25)
    assert world.license(tenant).expiry > ends + timedelta(days=40), "the next period moved it on"


def test_block_suspends_at_once_and_unblock_restores(world):
    from glue.actions.privacy import block, unblock

    tenant = world.settled(tier="team")
    block(world.actions, tenant, reason="Abuse was reported.", by="operator")
    world.drain()
    assert world.license(tenant).suspended
    assert world.snapshots[tenant].reason == "Abuse was reported."
    assert world.lago.customers[tenant].metadata["blocked"] == "Abuse was reported."
    unblock(world.actions, tenant, by="operator")
    world.drain()
    assert not world.license(tenant).suspended
    assert "blocked" not in world.lago.customers[tenant].metadata


def test_mail_server_away_delays_the_mail_and_nothing_else(world):
    world.mail.faults.silent.add("send")
    tenant = world.settled()
    assert world.snapshots[tenant].licenses[0].usable
    assert world.mail.sent == []


def test_mail_whose_answer_was_lost_is_not_sent_again_by_itself(world):
    world.mail.faults.lying["send"] = 1
    tenant = world.settled()
    for _ in range(3):
        world.pass_time(minutes=10)
        world.look(tenant)
    assert len(world.mail.sent) == 1
    (unclear,) = world.effects.list_unclear()
    world.effects.send_again(unclear.key)
    world.look(tenant)
    assert len(world.mail.sent) == 2
    assert world.effects.list_unclear() == []


def test_prepaid_balance_and_unbilled_period_reach_the_snapshot(world):
    from decimal import Decimal

    from glue.rules.facts import Wallet

    tenant = world.settled(tier="team")
    first_period = world.snapshots[tenant].period.started_at
    assert world.snapshots[tenant].prepaid_balance_cents is None
    world.lago.wallets[tenant] = [Wallet("w1", "main", "Main", "active", "USD", 5000, Decimal(50), Decimal(1), None)]
    world.look(tenant, "wallet.created")
    assert world.snapshots[tenant].prepaid_balance_cents == 5000
    world.clock.advance(days=22)
    world.look(tenant)
    assert world.snapshots[tenant].unbilled_since == first_period
    world.lago.bill(tenant)
    world.look(tenant, "invoice.created")
    assert world.snapshots[tenant].unbilled_since is None
