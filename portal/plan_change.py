"""What a person reads before the plan changes or ends: what is gained, lost, kept, and what it costs."""

from dataclasses import dataclass
from datetime import datetime

from glue.rules.preflight import Gain, Preflight
from glue.rules.tiers import Tier
from portal.languages import Writer
from portal.names import FEATURES, METERS
from portal.rendering import FormState


@dataclass(frozen=True)
class PlanChangePage:
    """Before a change or the end: all texts are ready to be read, ``money_lines`` are (what, amount)."""

    stale: str
    old: str
    new: str
    tier: str
    when: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    money_lines: tuple[tuple[str, str], ...]
    action: str
    form_id: str
    button: str
    form: FormState


def before_change(writer: Writer, seen: Preflight, form: FormState, *, currency: str, running: int, stale: str) -> PlanChangePage:
    say = writer.text
    if seen.at_once:
        when = say("The change happens at once.")
        money = [(say("%(plan)s until the period ends", plan=seen.new.title), writer.money(seen.charge_cents, currency))]
        if seen.credit_cents:
            money.append((say("Credit for the unused part of %(plan)s", plan=seen.old.title), writer.money(-seen.credit_cents, currency)))
        money.append((say("To pay with the next invoice"), writer.money(max(seen.charge_cents - seen.credit_cents, 0), currency)))
    else:
        when = say("The change happens when the period ends, on %(day)s. Until then nothing changes.", day=writer.day(seen.effective_at))
        money = []
    too_much = [
        say(
            "You use %(used)s %(what)s; %(plan)s has %(limit)s. Remove some first.",
            used=gain.before,
            what=_noun(writer, gain.kind, gain.before),
            plan=seen.new.title,
            limit=gain.after,
        )
        for gain in seen.too_much
    ]
    lost = [_in_words(writer, gain) for gain in seen.lost]
    if running and not seen.at_once:
        lost.append(say("Work that is running now goes on; later work has the limits of the new plan."))
    return PlanChangePage(
        stale=stale,
        old=seen.old.title,
        new=seen.new.title,
        tier=seen.new.code,
        when=when,
        gained=tuple(_in_words(writer, gain) for gain in seen.gained),
        lost=(*too_much, *lost),
        money_lines=tuple(money),
        action="/plan/change",
        form_id="change",
        button=say("Change to %(plan)s", plan=seen.new.title),
        form=form,
    )


def before_start(writer: Writer, new: Tier, form: FormState) -> PlanChangePage:
    """For a customer whose subscription has ended."""
    return PlanChangePage(
        stale="", old="–", new=new.title, tier=new.code, when=writer.text("A new subscription begins at once."), gained=(), lost=(), money_lines=(),
        action="/plan/change", form_id="change", button=writer.text("Start with %(plan)s", plan=new.title), form=form,
    )  # fmt: skip


def before_end(writer: Writer, tier: Tier, form: FormState, *, ends_at: datetime | None, stale: str) -> PlanChangePage:
    """What a cancellation takes away, and what stays."""
    say = writer.text
    lost = [
        writer.plural("%(count)s seat", "%(count)s seats", tier.seats),
        writer.plural("%(count)s machine", "%(count)s machines", tier.license.max_machines),
        *(
            say("%(count)s %(meter)s a month", count=writer.number(meter.limit), meter=say(METERS.get(code, code)))
            for code, meter in tier.meters.items()
            if meter.limit
        ),
        *(say(FEATURES.get(code, code)) for code, on in tier.features.items() if on),
    ]
    kept = [say("Your files, runs, invoices and usage, until you erase them"), say("The accounts of all members")]
    return PlanChangePage(
        stale=stale,
        old=tier.title,
        new=say("no subscription"),
        tier="",
        when=say("The running period ends on %(day)s.", day=writer.day(ends_at)),
        gained=tuple(kept),
        lost=tuple(lost),
        money_lines=(),
        action="/plan/cancel",
        form_id="cancel",
        button=say("Cancel the subscription"),
        form=form,
    )


def _in_words(writer: Writer, gain: Gain) -> str:
    say = writer.text
    if gain.kind == "feature":
        return say(FEATURES.get(gain.code, gain.code))
    before, after = (say("unlimited") if value is None else writer.number(value) for value in (gain.before, gain.after))
    noun = say(METERS.get(gain.code, gain.code)) if gain.kind == "limit" else _noun(writer, gain.kind, gain.after)
    return say("%(after)s %(what)s instead of %(before)s", after=after, before=before, what=noun)


def _noun(writer: Writer, kind: str, count: int | None) -> str:
    many = 2 if count is None else count
    match kind:
        case "seats":
            return writer.plural("seat", "seats", many)
        case "machines":
            return writer.plural("machine", "machines", many)
        case "programs":
            return writer.plural("program", "programs", many)
        case "runs":
            return writer.plural("run at a time", "runs at a time", many)
        case _:
            return kind
