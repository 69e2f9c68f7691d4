"""Days and months named in a text, in five languages, as since and until."""

import calendar
import re
from datetime import date

from glue.agents.words import fold

_MONTH_NAMES = (
    "january januar janvier enero janeiro jan", "february februar fevrier febrero fevereiro feb", "march marz mars marzo marco mar",
    "april avril abril apr", "may mai mayo maio", "june juni juin junio junho jun", "july juli juillet julio julho jul",
    "august aout agosto aug", "september septembre septiembre setembro sep sept", "october oktober octobre octubre outubro oct okt",
    "november novembre noviembre novembro nov", "december dezember decembre diciembre dezembro dec dez",
)  # fmt: skip
MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_DATE = re.compile(
    rf"\b(?P<iso>\d{{4}}-\d\d-\d\d)\b|\b(?P<d1>\d{{1,2}})(?:st|nd|rd|th|er|\.)?\s+(?:of\s+|de\s+)?(?P<m1>{_MONTH})\.?,?\s+(?:de\s+|del\s+)?(?P<y1>\d{{4}})\b"
    rf"|\b(?P<m2>{_MONTH})\.?\s+(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y2>\d{{4}})\b"
    rf"|\b(?P<d3>\d{{1,2}})[./](?P<m3>\d{{1,2}})[./](?P<y3>\d{{4}})\b"
    rf"|\b(?P<m4>{_MONTH})\s+(?:de\s+|del\s+)?(?P<y4>\d{{4}})\b|\b(?P<iso_month>\d{{4}}-\d\d)\b(?!-)"
)
_SINCE = re.compile(
    r"(?:since|from|starting|after|as of|seit|ab|vom|depuis|a partir d[eu]|du|desde|del?)(?:\s+(?:the|dem|le|el|o|dia|o dia|el dia))*\s*$"
)
# "the events from 3 April" and "am 3., vom 3. April" mean that day alone; "from 3 April on" does not come here.
_OF_A_DAY = re.compile(
    r"\b(?:del?|vom|du)(?:\s+(?:el|dia))*\s*$|\b(?:events?|ereignisse?|evenements?|eventos?|day|tag)\b(?:\W+\w+){0,3}?\W+(?:from|of|von|de|do)\s*$"
)
_UNTIL = re.compile(
    r"(?:until|till|to|through|and|up to|before|bis|zum|jusqu'?\s?au|au|et|hasta|al?|y|ate|e)(?:\s+(?:the|zum|dem|le|el|o))*\s*$"
)


def find_dates(text: str) -> dict[str, str]:
    """``since`` and ``until`` as YYYY-MM-DD. A day or month that stands alone gives both; impossible dates are no dates."""
    plain = fold(text)
    spans = [(match, span) for match in _DATE.finditer(plain) if (span := _span(match))]
    found: dict[str, str] = {}
    for match, (first, last) in spans:
        before = plain[: match.start()]
        if ("since" in found and (len(spans) > 1 or _UNTIL.search(before))) or re.search(
            r"(?:until|till|up to|before|bis|jusqu'?\s?au|hasta|ate)(?:\s+(?:zum|el|o|le))*\s*$", before
        ):
            found["until"] = last.isoformat()
        elif _SINCE.search(before) or len(spans) > 1:
            found["since"] = first.isoformat()
            if len(spans) == 1 and _OF_A_DAY.search(before):
                found["until"] = last.isoformat()
        else:
            found |= {"since": first.isoformat(), "until": last.isoformat()}
    return found


def mask_dates(text: str, *, by: str) -> str:
    """``text``, folded, with every date replaced."""
    return _DATE.sub(by, fold(text))


def _span(match: re.Match[str]) -> tuple[date, date] | None:
    part = match.groupdict()
    try:
        if part["iso"]:
            day = date.fromisoformat(part["iso"])
            return day, day
        for number in "123":
            if part[f"y{number}"]:
                month = part[f"m{number}"]
                day = date(int(part[f"y{number}"]), int(month) if month.isdigit() else MONTHS[month], int(part[f"d{number}"]))
                return day, day
        year, month_number = (int(part["y4"]), MONTHS[part["m4"]]) if part["y4"] else map(int, part["iso_month"].split("-"))
        return date(year, month_number, 1), date(year, month_number, calendar.monthrange(year, month_number)[1])
    except ValueError:
        return None
