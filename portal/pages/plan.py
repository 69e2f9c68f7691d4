"""The plan: compare, look before changing, change, cancel, take it back."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.actions.coupons import redeem_coupon
from glue.actions.plans import cancel, change_plan, ends_at, keep_plan, look_before_change
from glue.errors import BadInput, Conflict, Unavailable
from glue.rules.facts import Role
from glue.rules.preflight import Gain, Preflight
from glue.rules.tenant import IntentKind
from glue.wiring import Services
from portal.known import Look, Money
from portal.languages import Writer
from portal.people import Person
from portal.prices import PriceCard, price_cards
from portal.rendering import FormState
from portal.site import FormText, Site


@dataclass(frozen=True)
class PlanPage:
    """``waiting`` says in words what was chosen and has not happened yet."""

    hint: str
    standing: str
    cards: tuple[PriceCard, ...]
    current: str
    waiting: str
    can_change: bool
    cancelable: bool
    by_invoice: bool
    form: FormState


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


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/plan")
    actions = services.actions

    def show(request: Request, person: Person, form: FormState, *, status: int = 200) -> Response:
        writer = site.writer(request, person)
        record = actions.record(person.tenant)
        money = site.known.money(person.tenant)
        active = money.value.active if money.value else None
        facts = site.known.standing(person.tenant, fresh_seconds=5)
        tier = services.tiers.of_plan(active.plan_code) if active else services.tiers.find(record.tier)
        end = ends_at(active) if active else None
        hint = writer.text("The running period ends on %(day)s.", day=writer.day(end)) if end else ""
        if facts.trial_ends_at and facts.standing == "trialing":
            hint = writer.text("The trial is free until %(day)s.", day=writer.day(facts.trial_ends_at))
        hint = _stale(writer, money) or hint
        context = PlanPage(
            hint=hint,
            standing=record.standing,
            cards=price_cards(services.tiers, services.plan_prices(), currency=record.currency),
            current=tier.code if tier else "",
            waiting=_waiting(site, services, person, writer),
            can_change=person.may(Role.BILLING),
            cancelable=active is not None and active.ending_at is None,
            by_invoice=not services.settings.lago.payment_provider_code,
            form=form,
        )
        return site.page(request, "plan", context, title="Plan", person=person, current="plan", status=status)

    @router.get("")
    def page(request: Request) -> Response:
        return show(request, site.people.get(request), site.new_form())

    @router.post("/coupon")
    def redeem(request: Request, code: FormText = "", nonce: FormText = "") -> Response:
        person = site.people.get(request)
        person.must(Role.BILLING)
        say = site.writer(request, person).text

        def action() -> str:
            name = redeem_coupon(actions, person.tenant, code, by=person.email)
            site.tell(request, say("The coupon %(name)s is redeemed and comes off your next invoice.", name=name))
            return "/plan"

        try:
            return site.once(request, nonce, action)
        except BadInput as error:
            return show(request, person, site.wrong({"code": code}, error, say=say), status=422)
        except Conflict as error:
            return show(request, person, site.wrong({"code": code}, BadInput(error.detail, field="code"), say=say), status=409)

    @router.get("/change")
    def look(request: Request, tier: str = "") -> Response:
        person = site.people.get(request)
        person.must_see(Role.BILLING)
        writer = site.writer(request, person)
        money = site.known.money(person.tenant)
        if money.value is None:
            raise Unavailable("Lago does not answer, and what you have is not known here.", remedy="Try again in a moment.")
        running, prices = _running(services, person), services.plan_prices()
        try:
            seen = look_before_change(actions, person.tenant, tier, row=money.value.active, plans=prices, running_work=running)
        except Conflict:
            if services.tiers.find(tier) is None or actions.record(person.tenant).intent:
                raise
            context = _start_again(services, writer, tier, site.new_form())
        except BadInput:
            return RedirectResponse("/plan", 303)
        else:
            stale = _stale(writer, money)
            context = _change_page(
                writer, seen, site.new_form(), currency=actions.record(person.tenant).currency, running=running, stale=stale
            )
        return site.page(request, "plan_change", context, title="Change the plan", person=person, current="plan")

    @router.post("/change")
    def change(request: Request, tier: FormText = "", nonce: FormText = "") -> Response:
        person = site.people.get(request)
        person.must(Role.BILLING)

        def action() -> str:
            change_plan(actions, person.tenant, tier, by=person.email)
            settled = actions.wait_until_settled(person.tenant, seconds=8)
            site.tell_outcome(request, done=settled, said=site.writer(request, person).text("The plan was changed."))
            return "/plan"

        return site.once(request, nonce, action)

    @router.post("/keep")
    def keep(request: Request) -> Response:
        person = site.people.get(request)
        person.must(Role.BILLING)
        keep_plan(actions, person.tenant, by=person.email)
        settled = actions.wait_until_settled(person.tenant, seconds=8)
        site.tell_outcome(request, done=settled, said=site.writer(request, person).text("Everything stays as it is."))
        return RedirectResponse("/plan", 303)

    @router.get("/cancel")
    def look_before_end(request: Request) -> Response:
        person = site.people.get(request)
        person.must_see(Role.BILLING)
        context = _cancel_page(site, services, person, site.writer(request, person))
        return site.page(request, "plan_change", context, title="Cancel", person=person, current="plan")

    @router.post("/cancel")
    def end(request: Request, when: FormText = "end", nonce: FormText = "") -> Response:
        person = site.people.get(request)
        person.must(Role.BILLING)

        def action() -> str:
            cancel(actions, person.tenant, when=when, by=person.email)
            settled = actions.wait_until_settled(person.tenant, seconds=8)
            site.tell_outcome(request, done=settled, said=site.writer(request, person).text("The subscription was canceled."))
            return "/plan"

        return site.once(request, nonce, action)

    return router


def _waiting(site: Site, services: Services, person: Person, writer: Writer) -> str:
    say, money = writer.text, site.known.money(person.tenant, fresh_seconds=1).value
    active = money.active if money else None
    intent = services.actions.record(person.tenant).intent
    if intent and intent.kind in {IntentKind.CHANGE, IntentKind.CANCEL_AT_END, IntentKind.CANCEL_NOW}:
        return say(
            "Your wish of %(time)s is written down and is carried out as soon as all systems answer.", time=writer.moment(intent.asked_at)
        )
    if active and active.ending_at:
        return say("The subscription ends on %(day)s; until then everything stays usable.", day=writer.day(active.ending_at))
    if active and active.next_plan_code:
        following = services.tiers.of_plan(active.next_plan_code)
        name = following.title if following else active.next_plan_code
        return say("%(plan)s begins on %(day)s.", plan=name, day=writer.day(active.downgrade_plan_date))
    return ""


def _stale(writer: Writer, money: Look[Money]) -> str:
    """Since when Lago is silent; empty while it answers."""
    if not money.stale_since:
        return ""
    return writer.text("Lago does not answer. This is what we knew at %(time)s.", time=writer.moment(money.stale_since))


def _running(services: Services, person: Person) -> int:
    return sum(
        run.state in {"queued", "running", "paused", "waiting_approval"} for run in services.dispatcher.runs(person.tenant, limit=50)
    )


def _change_page(writer: Writer, seen: Preflight, form: FormState, *, currency: str, running: int, stale: str) -> PlanChangePage:
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
            what=_noun(writer, gain.kind),
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


def _start_again(services: Services, writer: Writer, tier: str, form: FormState) -> PlanChangePage:
    """For a customer whose subscription has ended."""
    new = services.tiers.get(tier)
    return PlanChangePage(
        stale="", old="–", new=new.title, tier=new.code, when=writer.text("A new subscription begins at once."), gained=(), lost=(), money_lines=(),
        action="/plan/change", form_id="change", button=writer.text("Start with %(plan)s", plan=new.title), form=form,
    )  # fmt: skip


def _cancel_page(site: Site, services: Services, person: Person, writer: Writer) -> PlanChangePage:
    say = writer.text
    money = site.known.money(person.tenant)
    if money.value is None:
        raise Unavailable("Lago does not answer, and what you have is not known here.", remedy="Try again in a moment.")
    active = money.value.active
    tier = services.tiers.of_plan(active.plan_code) if active else None
    if active is None or tier is None:
        raise Conflict("There is no running subscription to cancel.")
    end = ends_at(active)
    lost = [
        say("%(count)s seats and %(machines)s machines", count=tier.seats, machines=tier.license.max_machines),
        *(
            say("%(count)s %(meter)s a month", count=writer.number(meter.limit), meter=_meter(writer, code))
            for code, meter in tier.meters.items()
            if meter.limit
        ),
        *(_feature(writer, code) for code, on in tier.features.items() if on),
    ]
    kept = [say("Your files, runs, invoices and usage, until you erase them"), say("The accounts of all members")]
    return PlanChangePage(
        stale=_stale(writer, money),
        old=tier.title,
        new=say("no subscription"),
        tier="",
        when=say("The running period ends on %(day)s.", day=writer.day(end)),
        gained=tuple(kept),
        lost=tuple(lost),
        money_lines=(),
        action="/plan/cancel",
        form_id="cancel",
        button=say("Cancel the subscription"),
        form=site.new_form(),
    )


def _in_words(writer: Writer, gain: Gain) -> str:
    say = writer.text
    if gain.kind == "feature":
        return _feature(writer, gain.code)
    before, after = (say("unlimited") if value is None else writer.number(value) for value in (gain.before, gain.after))
    noun = _meter(writer, gain.code) if gain.kind == "limit" else _noun(writer, gain.kind)
    return say("%(after)s %(what)s instead of %(before)s", after=after, before=before, what=noun)


def _noun(writer: Writer, kind: str) -> str:
    say = writer.text
    return {"seats": say("seats"), "machines": say("machines"), "programs": say("programs"), "runs": say("runs at a time")}.get(kind, kind)


def _meter(writer: Writer, code: str) -> str:
    say = writer.text
    return {"api_calls": say("API calls"), "agent_credits": say("agent credits"), "agent_tokens": say("agent tokens")}.get(code, code)


def _feature(writer: Writer, code: str) -> str:
    say = writer.text
    return {"exports": say("Exports"), "own_models": say("Own models"), "priority_support": say("Priority support")}.get(code, code)
