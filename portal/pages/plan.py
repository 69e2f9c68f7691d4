"""The plan: compare, look before changing, change, cancel, take it back."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.actions.coupons import redeem_coupon
from glue.actions.plans import cancel, change_plan, ends_at, keep_plan, look_before_change
from glue.errors import BadInput, Conflict, LimitReached, Unavailable
from glue.rules.facts import Role
from glue.rules.tenant import IntentKind
from glue.wiring import Services
from portal.known import Look, Money
from portal.languages import Writer
from portal.people import Person
from portal.plan_change import before_change, before_end, before_start
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
        except (Conflict, LimitReached) as error:
            status = 409 if isinstance(error, Conflict) else 403
            return show(request, person, site.wrong({"code": code}, BadInput(error.detail, field="code"), say=say), status=status)

    @router.get("/change")
    def look(request: Request, tier: str = "") -> Response:
        person = site.people.get(request)
        person.must_see(Role.BILLING)
        writer = site.writer(request, person)
        money = site.known.money(person.tenant)
        active = _known(money).active
        running, prices = _running(services, person), services.plan_prices()
        try:
            seen = look_before_change(actions, person.tenant, tier, row=active, plans=prices, running_work=running)
        except Conflict:
            if services.tiers.find(tier) is None or actions.record(person.tenant).intent:
                raise
            context = before_start(writer, services.tiers.get(tier), site.new_form())
        except BadInput:
            return RedirectResponse("/plan", 303)
        else:
            stale = _stale(writer, money)
            context = before_change(
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
        writer, money = site.writer(request, person), site.known.money(person.tenant)
        active = _known(money).active
        tier = services.tiers.of_plan(active.plan_code) if active else None
        if active is None or tier is None:
            raise Conflict("There is no running subscription to cancel.")
        context = before_end(writer, tier, site.new_form(), ends_at=ends_at(active), stale=_stale(writer, money))
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


def _known(money: Look[Money]) -> Money:
    if money.value is None:
        raise Unavailable("Lago does not answer, and what you have is not known here.", remedy="Try again in a moment.")
    return money.value


def _stale(writer: Writer, money: Look[Money]) -> str:
    """Since when Lago is silent; empty while it answers."""
    if not money.stale_since:
        return ""
    return writer.text("Lago does not answer. This is what we knew at %(time)s.", time=writer.moment(money.stale_since))


def _running(services: Services, person: Person) -> int:
    return sum(
        run.state in {"queued", "running", "paused", "waiting_approval"} for run in services.dispatcher.runs(person.tenant, limit=50)
    )
