"""What happened to this organization, newest first, with the cause."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from glue.converge.timeline import read_timeline
from glue.wiring import Services
from portal.event_words import Event, in_words
from portal.site import Site

PAGE = 40


@dataclass(frozen=True)
class EventsPage:
    """``older`` is the id to go on from, 0 at the end. ``everything``: technical steps are shown too."""

    entries: tuple[Event, ...]
    older: int
    everything: bool


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter()

    @router.get("/events")
    def page(request: Request, before: int | None = None, everything: bool = False) -> Response:
        person = site.people.get(request)
        with services.database.read(person.tenant) as session:
            rows = read_timeline(session, person.tenant, limit=PAGE + 1, before=before)
        older = rows[PAGE - 1].id if len(rows) > PAGE else None
        context = EventsPage(
            entries=in_words(rows[:PAGE], site.writer(request, person), services.tiers, everything=everything),
            older=older or 0,
            everything=everything,
        )
        return site.page(request, "events", context, title="Events", person=person, current="events")

    return router
