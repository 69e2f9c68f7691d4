"""Languages of the pages: English in the templates, four catalogs beside it, numbers and dates as people there write them."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.dates import format_date, format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_decimal, format_currency, format_decimal
from babel.support import NullTranslations, Translations

from glue.errors import GlueError, fill

LOCALES = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français", "pt": "Português"}
FOLDER = Path(__file__).parent / "locale"


@cache
def translations(locale: str) -> NullTranslations:
    """The catalog of ``locale``; English is the templates' own."""
    file = FOLDER / f"{locale}.po"
    if locale == "en" or not file.exists():
        return NullTranslations()
    with file.open("rb") as stream:
        catalog = read_po(stream, locale=locale)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)


def choose(wanted: Iterable[str]) -> str:
    """The first of ``wanted`` (``de-AT``, ``pt_BR`` …) that we speak, else English."""
    for tag in wanted:
        code = tag.replace("_", "-").split("-")[0].lower()
        if code in LOCALES:
            return code
    return "en"


def accepted(header: str) -> list[str]:
    """Tags of an Accept-Language header, most wanted first."""
    weighted = []
    for part in header.split(",")[:20]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighted.append((-float(weight or 1), tag))
        except ValueError:
            continue
    return [tag for _, tag in sorted(weighted, key=lambda pair: pair[0])]


def refusal(error: GlueError, say: Callable[[str], str]) -> str:
    """Why something was refused, as ``say`` says it, with the error's numbers in it."""
    return fill(say(error.sentence), error.fields)


class Writer:
    """Writes numbers, money, dates and sentences in one language."""

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self._catalog = translations(locale)

    def text(self, message: str, **values: object) -> str:
        """The sentence in this language; ``%(name)s`` places are filled from ``values``."""
        found = self._catalog.ugettext(message) if isinstance(self._catalog, Translations) else message
        return found % values if values else found

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        found = self._catalog.ungettext(one, many, count) if isinstance(self._catalog, Translations) else (one if count == 1 else many)
        return found % {"count": self.number(count), **values}

    def number(self, value: Decimal | float | None) -> str:
        return "–" if value is None else format_decimal(value, locale=self.locale)

    def short(self, value: Decimal | float) -> str:
        """A number for an axis: 1.2K, 3M."""
        if abs(float(value)) < 1000:
            return format_decimal(value, "#,##0.##", locale=self.locale)
        return format_compact_decimal(value, locale=self.locale, fraction_digits=1)

    def money(self, cents: int | None, currency: str) -> str:
        return "–" if cents is None else format_currency(Decimal(cents) / 100, currency, locale=self.locale)

    def day(self, value: date | datetime | None) -> str:
        return "–" if value is None else format_date(value, format="medium", locale=self.locale)

    def short_day(self, value: date) -> str:
        """Day and month, for an axis."""
        return format_skeleton("MMMd", value, locale=self.locale)

    def moment(self, value: datetime | None) -> str:
        """Date and time, in UTC and said so."""
        if value is None:
            return "–"
        return f"{format_date(value, format='medium', locale=self.locale)}, {format_time(value, format='short', locale=self.locale)} UTC"
