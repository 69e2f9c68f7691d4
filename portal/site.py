"""What all pages share: the services, the frame around them, one-time messages, forms that happen once."""

import secrets
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from glue.errors import BadInput, GlueError, NotFound
from glue.rules.facts import Role
from portal.known import Known
from portal.languages import LOCALES, Writer, accepted, choose, refusal
from portal.people import People, Person
from portal.rendering import Flash, FormState, Frame, NavItem, render

FormText = Annotated[str, Form()]
_CUSTOMER_NAV = (
    ("overview", "Overview", "/", "home", ()),
    ("plan", "Plan", "/plan", "plan", ()),
    ("usage", "Usage", "/usage", "usage", ()),
    ("runs", "Runs", "/runs", "runs", ()),
    ("invoices", "Invoices", "/invoices", "invoices", (Role.BILLING,)),
    ("payment", "Payment", "/payment", "payment", (Role.BILLING,)),
    ("licenses", "Licenses", "/licenses", "licenses", ()),
    ("team", "Team", "/team", "team", ()),
    ("programs", "Programs", "/programs", "programs", (Role.ADMIN,)),
    ("events", "Events", "/events", "events", ()),
    ("help", "Help", "/help", "help", ()),
    ("privacy", "Privacy", "/privacy", "privacy", ()),
)
_OPERATOR_NAV = (
    ("tenants", "Tenants", "/operator", "tenants"),
    ("rollout", "Roll-out", "/operator/rollout", "team"),
    ("drift", "Drift", "/operator/drift", "drift"),
    ("effects", "Effects", "/operator/effects", "effects"),
    ("deliveries", "Deliveries", "/operator/deliveries", "inbox"),
    ("stranded", "Stranded usage", "/operator/stranded", "usage"),
    ("runs-all", "Runs", "/operator/runs", "runs"),
    ("tickets", "Tickets", "/operator/tickets", "tickets"),
    ("health", "Health", "/operator/health", "health"),
)


class StalePage(GlueError):
    """A form that is not as we served it."""

    code = "stale_page"
    title = "This page is stale"


class Site:
    """One per process; pages get it and the services."""

    def __init__(self, *, product: str, people: People, known: Known) -> None:
        self.product = product
        self.people = people
        self.known = known

    def locale(self, request: Request, person: Person | None = None) -> str:
        """The language chosen here, else the person's in Keycloak, else the browser's."""
        chosen = request.session.get("language", "")
        wanted = [chosen, person.locale if person else "", *accepted(request.headers.get("accept-language", ""))]
        return choose(tag for tag in wanted if tag)

    def writer(self, request: Request, person: Person | None = None) -> Writer:
        return Writer(self.locale(request, person))

    def frame(self, request: Request, person: Person | None, *, title: str, current: str = "", operator: bool = False) -> Frame:
        """The frame for this request; takes the messages that wait to be shown."""
        writer = self.writer(request, person)
        flashes = tuple(Flash(**flash) for flash in request.session.pop("flashes", []))
        nav: list[NavItem] = []
        if person is not None and (person.tenant or operator):
            nav = self._operator_nav(writer, current) if operator else self._customer_nav(writer, person, current)
        return Frame(
            title=writer.text(title),
            product=self.product,
            locale=writer.locale,
            theme=request.session.get("theme", ""),
            person_name=person.name if person else "",
            tenant_name="" if person is None or operator else person.tenant_name,
            others=tuple(one for one in person.organizations if one.id != person.tenant) if person and not operator else (),
            nav=tuple(nav),
            flashes=flashes,
            path=request.url.path,
            acting_as=person.tenant_name if person and person.acting and not operator else "",
        )

    def page(
        self,
        request: Request,
        template: str,
        context: Any,
        *,
        title: str,
        person: Person | None = None,
        current: str = "",
        status: int = 200,
        operator: bool = False,
    ) -> Response:
        """Render a page in its frame."""
        frame = self.frame(request, person, title=title, current=current, operator=operator)
        return render(template, context, frame=frame, status=status)

    def tell(self, request: Request, text: str, tone: str = "good") -> None:
        """Show a sentence on the next page."""
        request.session["flashes"] = [*request.session.get("flashes", []), {"text": text, "tone": tone}]

    def tell_outcome(self, request: Request, *, done: bool, said: str) -> None:
        """``said`` when it is done; else that it was written down and will be."""
        if done:
            self.tell(request, said)
        else:
            self.tell_later(request)

    def tell_later(self, request: Request) -> None:
        said = self.writer(request).text("Your wish is written down and is carried out as soon as all systems answer.")
        self.tell(request, said, "warn")

    def new_form(self, **values: str) -> FormState:
        """An empty form, or one filled with ``values``."""
        return FormState(values=values, nonce=secrets.token_urlsafe(12))

    def wrong(self, values: dict[str, str], error: BadInput, *, say: Callable[[str], str], nonce: str = "") -> FormState:
        """The form again, with what was typed and the problem beside its field, in the person's language."""
        return FormState(values=values, problems={error.field: refusal(error, say)}, nonce=nonce or secrets.token_urlsafe(12))

    def once(self, request: Request, nonce: str, action: Callable[[], str]) -> Response:
        """Do ``action`` (which returns where to go on) unless this very form was sent before; then go there again. Raises StalePage."""
        done: dict[str, str] = request.session.get("done", {})
        if not nonce:
            raise StalePage("This page is stale.", remedy="Load the page again and send it once more.")
        if nonce not in done:
            there = action()
            request.session["done"] = dict([*done.items(), (nonce, there)][-30:])
            return RedirectResponse(there, 303)
        return RedirectResponse(done[nonce], 303)

    def let_go(self, request: Request, there: str, action: Callable[[], object], said: str) -> Response:
        """Do ``action``, which takes something away or from a list, and say so; what is gone already is no mistake of the person's."""
        try:
            action()
        except NotFound:
            self.tell(request, self.writer(request).text("It is not there any more; perhaps this was sent twice."), "warn")
        else:
            self.tell(request, said)
        return RedirectResponse(there, 303)

    def languages(self) -> dict[str, str]:
        return LOCALES

    def _customer_nav(self, writer: Writer, person: Person, current: str) -> list[NavItem]:
        shown = [item for item in _CUSTOMER_NAV if not item[4] or person.may_see(*item[4])]
        nav = [NavItem(writer.text(label), href, icon, current=key == current) for key, label, href, icon, _ in shown]
        if person.operator and not person.acting:
            nav.append(NavItem(writer.text("Operator page"), "/operator", "tenants", heading=writer.text("Operations")))
        return nav

    def _operator_nav(self, writer: Writer, current: str) -> list[NavItem]:
        nav = [NavItem(writer.text(label), href, icon, current=key == current) for key, label, href, icon in _OPERATOR_NAV]
        return [*nav, NavItem(writer.text("Back to the portal"), "/", "home", heading=writer.text("Portal"))]
