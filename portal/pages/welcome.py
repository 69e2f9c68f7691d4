"""Onboarding: organization, plan, billing, confirmation. Can be left at any step and gone on with on another device."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.actions.drafts import Drafts
from glue.actions.register import Registration, register
from glue.errors import BadInput
from glue.rules.cohorts import Cohort
from glue.rules.facts import Address
from glue.rules.tiers import Tier
from glue.support.cohorts import Admission
from glue.wiring import Services
from portal.billing_data import COUNTRIES, check_billing
from portal.people import Person
from portal.prices import PriceCard, price_cards
from portal.rendering import FormState
from portal.site import FormText, Site

STEPS = ("organization", "plan", "billing", "confirm")


@dataclass(frozen=True)
class WelcomePage:
    """``step`` is the page shown, ``done`` the steps that are complete."""

    step: str
    steps: tuple[str, ...]
    done: tuple[str, ...]
    form: FormState
    plans: tuple[PriceCard, ...]
    chosen: PriceCard | None
    countries: tuple[tuple[str, str], ...]
    by_invoice: bool
    cohort: Cohort | None


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/welcome")
    drafts = Drafts(services.database, services.clock)

    def admit(person: Person) -> tuple[Admission | None, str, dict[str, str]]:
        """Whether the person may come in, their draft's nonce and answers; an invitation decides the plan."""
        nonce, answers = drafts.read(person.subject)
        admission = services.rollout.admit(person.email, answers.get("code", ""))
        if admission and admission.cohort and admission.decides_plan:
            answers["tier"] = admission.cohort.plan
        return admission, nonce, answers

    def show(
        request: Request, person: Person, step: str, form: FormState, answers: Mapping[str, str], admission: Admission, *, status: int = 200
    ) -> Response:
        joined = _joined(admission, answers)
        cards = price_cards(services.tiers, services.plan_prices())
        if joined and admission.decides_plan:
            cards = tuple(card for card in cards if card.code == joined.plan)
        context = WelcomePage(
            step=step,
            steps=STEPS,
            done=tuple(name for name in STEPS if _complete(name, answers, services)),
            form=form,
            plans=cards,
            chosen=next((card for card in cards if card.code == answers.get("tier")), None),
            countries=tuple(COUNTRIES.items()),
            by_invoice=not services.settings.lago.payment_provider_code,
            cohort=joined,
        )
        return site.page(request, "welcome", context, title="Welcome", person=person, status=status)

    @router.get("")
    def start(request: Request) -> Response:
        """Go on where the person left off."""
        person = site.people.get_signed_in(request)
        if person.tenant:
            return RedirectResponse("/", 303)
        return go_on(person)

    @router.get("/new")
    def another(request: Request) -> Response:
        """A further organization for somebody who has one."""
        return go_on(site.people.get_signed_in(request))

    def go_on(person: Person) -> Response:
        admission, _, answers = admit(person)
        return RedirectResponse(f"/welcome/{_next_step(answers, services)}" if admission else "/waiting-list", 303)

    @router.get("/{step}")
    def step_page(request: Request, step: str) -> Response:
        person = site.people.get_signed_in(request)
        admission, nonce, answers = admit(person)
        if admission is None or step not in STEPS:
            return RedirectResponse("/welcome" if admission else "/waiting-list", 303)
        first = _next_step(answers, services)
        if STEPS.index(step) > STEPS.index(first):
            return RedirectResponse(f"/welcome/{first}", 303)
        defaults = {"tier": "pro", "country": "US", "billing_email": person.email}
        return show(request, person, step, FormState(values=defaults | answers, nonce=nonce), answers, admission)

    @router.post("/organization")
    def name_organization(request: Request, name: FormText = "") -> Response:
        return keep(request, "organization", {"name": name.strip()})

    @router.post("/plan")
    def choose_plan(request: Request, tier: FormText = "") -> Response:
        return keep(request, "plan", {"tier": tier})

    @router.post("/billing")
    def give_billing(
        request: Request,
        legal_name: FormText = "",
        billing_email: FormText = "",
        line1: FormText = "",
        zipcode: FormText = "",
        city: FormText = "",
        country: FormText = "",
        tax_id: FormText = "",
    ) -> Response:
        given = {
            "legal_name": legal_name,
            "billing_email": billing_email,
            "line1": line1,
            "zipcode": zipcode,
            "city": city,
            "country": country,
        }
        return keep(
            request, "billing", {name: value.strip() for name, value in given.items()} | {"tax_id": tax_id.replace(" ", "").upper()}
        )

    def keep(request: Request, step: str, given: dict[str, str]) -> Response:
        person = site.people.get_signed_in(request)
        admission, nonce, answers = admit(person)
        if admission is None:
            return RedirectResponse("/waiting-list", 303)
        try:
            _check(step, given, services)
        except BadInput as error:
            return show(
                request,
                person,
                step,
                site.wrong(answers | given, error, say=site.writer(request, person).text, nonce=nonce),
                answers,
                admission,
                status=422,
            )
        drafts.keep(person.subject, given, new_nonce=secrets.token_urlsafe(12))
        following = STEPS[STEPS.index(step) + 1]
        if following == "plan" and admission.decides_plan:
            following = "billing"
        return RedirectResponse(f"/welcome/{following}", 303)

    @router.post("/confirm")
    def confirm(request: Request, nonce: FormText = "") -> Response:
        """Become a customer. Sent twice, it is one customer."""
        person = site.people.get_signed_in(request)
        admission, kept_nonce, answers = admit(person)
        if not kept_nonce or admission is None:
            return RedirectResponse("/waiting-list" if kept_nonce else "/", 303)
        if nonce != kept_nonce or _next_step(answers, services) != "confirm":
            site.tell(request, site.writer(request, person).text("This page was stale; please check your answers once more."), "warn")
            return RedirectResponse(f"/welcome/{_next_step(answers, services)}", 303)
        cohort = _joined(admission, answers)
        tenant = register(
            services.actions,
            _registration(person, answers, kept_nonce, site.locale(request, person)),
            joining=services.rollout.join(replace(admission, cohort=cohort), email=person.email),
        )
        services.actions.wait_until_settled(tenant, seconds=15)
        drafts.remove(person.subject)
        data = request.session["person"]
        request.session["person"] = data | {"organizations": sorted({*data["organizations"], tenant})}
        request.session["tenant"] = tenant
        return RedirectResponse("/", 303)

    return router


def _registration(person: Person, answers: Mapping[str, str], nonce: str, locale: str) -> Registration:
    return Registration(
        subject=person.subject,
        nonce=nonce,
        display_name=answers["name"],
        tier=answers["tier"],
        currency="USD",
        email=answers["billing_email"],
        legal_name=answers.get("legal_name", ""),
        tax_id=answers.get("tax_id", ""),
        address=Address(line1=answers["line1"], zipcode=answers["zipcode"], city=answers["city"], country=answers["country"]),
        locale=locale,
    )


def _joined(admission: Admission, answers: Mapping[str, str]) -> Cohort | None:
    """The cohort that the person joins with these answers."""
    cohort = admission.cohort
    return cohort if cohort and (admission.decides_plan or answers.get("tier") == cohort.plan) else None


def _next_step(answers: Mapping[str, str], services: Services) -> str:
    return next((step for step in STEPS[:-1] if not _complete(step, answers, services)), "confirm")


def _complete(step: str, answers: Mapping[str, str], services: Services) -> bool:
    try:
        _check(step, answers, services)
    except BadInput:
        return False
    return step != "confirm"


def _check(step: str, given: Mapping[str, str], services: Services) -> None:
    if step == "organization" and not 2 <= len(given.get("name", "")) <= 80:
        raise BadInput("Please give a name of 2 to 80 characters.", field="name")
    if step == "plan":
        tier: Tier | None = services.tiers.find(given.get("tier", ""))
        if tier is None:
            raise BadInput("Please choose one of the plans.", field="tier")
    if step == "billing":
        check_billing(given)
