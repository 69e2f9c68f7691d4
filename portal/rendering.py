"""From a page's frozen context to HTML: one template per page, everything escaped, undefined names are errors."""

import hashlib
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import HTMLResponse

from glue.rules.changes import value_in_words
from portal.event_words import STANDINGS
from portal.languages import Writer
from portal.names import FEATURES, METERS

HERE = Path(__file__).parent


@dataclass(frozen=True)
class NavItem:
    label: str
    href: str
    icon: str
    current: bool = False
    count: int = 0
    heading: str = ""


@dataclass(frozen=True)
class Flash:
    """A sentence shown once, on the next page. ``tone``: good, warn, bad or empty."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Choice:
    id: str
    name: str


@dataclass(frozen=True)
class Frame:
    """What surrounds every page: who, where, navigation, what was just done."""

    title: str
    product: str
    locale: str
    theme: str = ""
    person_name: str = ""
    tenant_name: str = ""
    others: tuple[Choice, ...] = ()
    nav: tuple[NavItem, ...] = ()
    flashes: tuple[Flash, ...] = ()
    acting_as: str = ""
    path: str = ""


@dataclass(frozen=True)
class FormState:
    """What was typed and what is wrong with it, by field; ``nonce`` makes a form's submission happen once."""

    values: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    nonce: str = ""


def _digests() -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:10] for file in (HERE / "static").iterdir() if file.is_file()}


_DIGESTS = _digests()


def static(name: str) -> str:
    """Address of a static file; it changes with the content, so browsers may keep it for ever."""
    return f"/static/{_DIGESTS[name]}/{name}"


def nice(value: float) -> float:
    """The next round number from ``value`` on, for the top of a chart: 1, 2, 4, 6, 8 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(float(value), 1)))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    environment.globals |= {
        "static": static,
        "nice": nice,
        "value_in_words": value_in_words,
        "standing_names": STANDINGS,
        "meter_words": METERS,
        "feature_names": FEATURES,
    }
    return environment


_ENVIRONMENT = _environment()


def render(template: str, context: Any, *, frame: Frame, status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    """The page ``templates/pages/<template>.html`` with the fields of ``context`` (a frozen dataclass) and nothing else."""
    writer = Writer(frame.locale)
    values = {item.name: getattr(context, item.name) for item in fields(context)}
    html = _ENVIRONMENT.get_template(f"pages/{template}.html").render(
        frame=frame,
        _=writer.text,
        plural=writer.plural,
        number=writer.number,
        short=writer.short,
        money=writer.money,
        day=writer.day,
        moment=writer.moment,
        **values,
    )
    return HTMLResponse(
        html, status_code=status, headers={"Cache-Control": "no-store", "Vary": "Cookie, Accept-Language"} | (headers or {})
    )
