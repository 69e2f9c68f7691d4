"""Personal data and secrets in text: found by form and check digit, names by the words around them. Pure, without network.

``find_personal`` gives spans of the text as it stands; ``redact`` puts a word like ``[email]`` in their place. Names that are known
(members of a customer) are found wherever they stand; unknown ones only where the text says that a name follows.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from glue.rules.privacy_forms import CONTEXT_NAMES, POSTAL, SECRETS, STOP_WORDS


class Kind(StrEnum):
    """In the order in which one wins over the other where two claim the same characters."""

    API_SECRET = "API_SECRET"  # noqa: S105  # the name of a kind
    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CREDIT_CARD = "CREDIT_CARD"
    NATIONAL_ID = "NATIONAL_ID"
    DATE_OF_BIRTH = "DATE_OF_BIRTH"
    IP_ADDRESS = "IP_ADDRESS"
    POSTAL_ADDRESS = "POSTAL_ADDRESS"
    PHONE = "PHONE"
    VAT = "VAT"
    PERSON = "PERSON"


@dataclass(frozen=True)
class Span:
    """``text[start:end]`` is personal."""

    start: int
    end: int
    kind: Kind


_IBAN_LENGTHS = {
    "AT": 20, "BE": 16, "CH": 21, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "IE": 22, "IT": 27, "LU": 20, "NL": 18, "NO": 15,
    "PL": 28, "PT": 25, "SE": 24,
}  # fmt: skip
_GAP = r"[ \u00a0.-]?"
_AT = r"(?:@|%40|%2540|\\u0040|\\x40|&#64;)"
_DOTS = r"(?:dot|point|punkt|punto|ponto)"
_EMAIL = re.compile(
    rf"(?<![\w.+-])(?:mailto:)?(?P<v>[^\W_][\w.+-]{{0,63}}{_AT}[\u200b\u00ad]?(?:[^\W_][\w\u200b\u00ad-]{{0,62}}\.){{1,4}}[^\W\d_]{{2,24}})(?![\w@])"
    rf"|(?P<w>(?<![\w-])[\w-]{{1,64}}(?: {_DOTS} [\w-]{{1,64}}){{0,5}} ?[\[( ](?:at|arroba|arobase|ät)[\]) ] ?[\w-]{{1,64}}(?:(?: ?[\[( ]{_DOTS}[\]) ] ?|\.)[\w-]{{1,64}}){{1,3}})",
    re.IGNORECASE,
)
_IBAN = re.compile(rf"(?<![A-Z0-9])[A-Z]{{2}}\d\d(?:{_GAP}[A-Z0-9]){{10,30}}", re.IGNORECASE)
_CARD = re.compile(r"(?<![\w.-])\d(?:[ .-]?\d){12,18}(?![\w]|[.-]\d)")
_CARD_START = re.compile(r"4|5[1-5]|2[2-7]|3[47]|35|6011|65|64[4-9]|30|36|38")
_NOT_A_CARD = re.compile(
    r"(?:imei|order|orders|bestell\w*|pedido|commande|seq|bytes|ts|tracking|serial|lot|ref\w*)\W{0,3}(?:no\.?|number)?\W{0,3}$",
    re.IGNORECASE,
)
_NATIONAL = re.compile(
    r"(?<![\w.-])(?:\d{3}[- ]\d{2}[- ]\d{4}|[A-CEGHJ-PR-TW-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]|[XYZ][- ]?\d{7}[- ]?[A-Z]|\d{8}[- ]?[A-Z]"
    r"|[12][ .]?\d\d[ .]?\d\d[ .]?\d[\dAB][ .]?\d{3}[ .]?\d{3}[ .]?\d\d|\d{3}\.?\d{3}\.?\d{3}-?\d\d|\d{2}[ ]\d{3}[ ]\d{3}[ ]\d{3})(?![\w]|[.-]\w)"
)
_IP = re.compile(
    r"(?<![\w.:-])(?:(?:\d{1,3}(?:\.|\[\.\])){3}\d{1,3}(?![\w/]|\.\d)|(?:[0-9a-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4})(?:%\w+)?(?![\w:/]))",
    re.IGNORECASE,
)
_NOT_AN_IP = re.compile(r"(?:netmask|mask|version|build|from|firmware|update|release|temp|v)\W{0,2}$", re.IGNORECASE)
_VERSION_WORDS = re.compile(r"\b(?:version|update|firmware|release|maj|build|upgrade)\b", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w./+:-])(?<![A-Z\d] )(?:(?:\+|00)[1-9]\d{0,2}[ .()/-]{0,2}(?:\(?\d{1,5}\)?[ ./-]?){2,6}\d|\(\d{2,5}\)[ -]?\d{2,4}[ -]?\d{2,5}(?:[ -]\d{2,4})?"
    r"|0\d{2,5}[ /]\d{3,6}(?:[ -]\d{2,5}){0,3}|0\d(?:[ .]\d\d){4}|1-[2-9]\d{2}-\d{3}-\d{4}|[2-9]\d{2}-\d{3}-\d{4})(?: ?(?:ext\.?|x|Durchwahl) ?\d{1,5})?(?![\w]|[-.]\w)"
)
_BIRTH = re.compile(
    r"\b(?:born|birth\w*|d\.?o\.?b\b|geb(?:oren|\.|urtsdatum)|né[e]? le|naissance|nacid[oa]|nacimiento|nascid[oa]|nascimento)[^\n\d]{0,30}"
    r"(?P<v>\d{4}-\d\d-\d\d|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}\.? (?:de )?[^\W\d_]{3,10}\.?,? (?:de )?\d{4}|[A-Z][a-z]{2,8} \d{1,2},? \d{4})", re.IGNORECASE,
)  # fmt: skip
_BIRTH_COLUMN = re.compile(
    r"dob|d\.o\.b\.?|birth_?(?:day|date)|date_of_birth|naissance|geburtsdatum|geboren|nacimiento|nascimento", re.IGNORECASE
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")
_NAME_COLUMN = re.compile(
    r"(?:full_?|first_?|last_?|given_?|sur_?|family_?)?name|contact|employee|payee|holder|nom|prenom|prénom|vorname|nachname|nombre|apellidos?|nome"
    r"|sobrenome|cliente|kunde|client", re.IGNORECASE,
)  # fmt: skip
_CELL_NAME = re.compile(r"[^\W\d_][^\W\d_]+(?:(?:, |[ '’-])[^\W\d_.]+){0,4}")
_VAT = re.compile(
    r"(?<![\w-])(?:ATU\d{8}|DE\d{9}|FR[A-Z\d]{2}\d{9}|ES[A-Z]\d{7}[A-Z\d]|PT\d{9}|IT\d{11}|NL\d{9}B\d\d|GB\d{9}|BE[01]\d{9}|PL\d{10})(?!\w)"
)


def find_personal(text: str, *, names: Iterable[str] = ()) -> list[Span]:
    """What is personal or secret in ``text``, in order and without overlaps. ``names``: people who are known."""
    plain = "".join(_plain(sign) for sign in text)
    taken = [False] * len(text)
    found = []
    for kind, finder in _FINDERS.items():
        for start, end in finder(plain):
            if not any(taken[start:end]):
                taken[start:end] = [True] * (end - start)
                found.append(Span(start, end, kind))
    for start, end in _find_people(plain, names):
        if not any(taken[start:end]):
            taken[start:end] = [True] * (end - start)
            found.append(Span(start, end, Kind.PERSON))
    return sorted(found, key=lambda span: span.start)


def redact(text: str, *, names: Iterable[str] = ()) -> str:
    """``text`` with a word like ``[email]`` for everything personal in it."""
    parts, end = [], 0
    for span in find_personal(text, names=names):
        parts += [text[end : span.start], f"[{span.kind.lower().replace('_', ' ')}]"]
        end = span.end
    return "".join([*parts, text[end:]])


def _plain(sign: str) -> str:
    if sign.isascii():
        return sign
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    folded = unicodedata.normalize("NFKC", sign)
    return folded if len(folded) == 1 else sign


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _find_secrets(text: str) -> Iterator[tuple[int, int]]:
    for pattern in SECRETS:
        for match in pattern.finditer(text):
            yield match.span("v")


def _find_emails(text: str) -> Iterator[tuple[int, int]]:
    for match in _EMAIL.finditer(text):
        if match.group("v") is None or not re.match(r"git@[\w.-]+:|[\w.-]+@\d", text[match.start() : match.end() + 1]):
            yield match.span("v" if match.group("v") else "w")


def _find_ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        length, count = _IBAN_LENGTHS.get(match.group()[:2].upper(), 0), 0
        for end in range(match.start(), match.end()):
            count += text[end].isalnum()
            if count == length > 0:
                code = re.sub(r"\W", "", text[match.start() : end + 1]).upper()
                ends = end + 1 == len(text) or not text[end + 1].isalnum()
                if ends and int("".join(str(int(sign, 36)) for sign in code[4:] + code[:4])) % 97 == 1:
                    yield match.start(), end + 1
                break


def _find_cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _CARD.finditer(text):
        digits = _digits(match.group())
        grouped = len({sign for sign in match.group() if not sign.isdigit()}) <= 1
        if (
            grouped
            and _CARD_START.match(digits)
            and _luhn(digits)
            and not _NOT_A_CARD.search(text[max(0, match.start() - 24) : match.start()])
        ):
            yield match.span()


def _find_national_ids(text: str) -> Iterator[tuple[int, int]]:
    for match in _NATIONAL.finditer(text):
        if _is_national_id(re.sub(r"[ .-]", "", match.group()).upper()):
            yield match.span()


def _is_national_id(code: str) -> bool:
    if re.fullmatch(r"\d{9}", code):
        return code[:3] not in {"000", "666"} and code[0] != "9" and code[3:5] != "00" and code[5:] != "0000"
    if re.fullmatch(r"[A-Z]{2}\d{6}[A-D]", code):
        return code[0] not in "DFIQUV" and code[1] not in "DFIOQUV" and code[:2] not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}
    if re.fullmatch(r"[XYZ\d]\d{7}[A-Z]", code):
        return "TRWAGMYFPDXBNJZSQVHLCKE"[int(code[:-1].translate(str.maketrans("XYZ", "012"))) % 23] == code[-1]
    if re.fullmatch(r"[12]\d{4}(?:\d\d|2[AB])\d{8}", code):
        return 97 - int(code[:13].replace("2A", "19").replace("2B", "18")) % 97 == int(code[13:])
    return bool(re.fullmatch(r"\d{11}", code)) and (_is_steuer_id(code) or _is_cpf(code))


def _is_steuer_id(code: str) -> bool:
    counts = sorted(code[:10].count(digit) for digit in set(code[:10]))
    if code[0] == "0" or counts[-1] not in {2, 3} or counts[-2] != 1:
        return False
    product = 10
    for digit in code[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(code[10])


def _is_cpf(code: str) -> bool:
    right = all(sum(int(digit) * (n + 1 - place) for place, digit in enumerate(code[:n])) * 10 % 11 % 10 == int(code[n]) for n in (9, 10))
    return right and len(set(code)) > 1


def _find_births(text: str) -> Iterator[tuple[int, int]]:
    for match in _BIRTH.finditer(text):
        yield match.span("v")
    yield from _find_in_columns(text, _BIRTH_COLUMN, _DATE)


def _find_in_columns(text: str, column: re.Pattern[str], value: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Cells with a whole ``value`` below a heading that is a ``column``, in lines of comma, semicolon or tab separated cells."""
    heading, *lines = text.split("\n")
    separator = max(",;\t", key=heading.count)
    cells = heading.split(separator)
    wanted = {place for place, cell in enumerate(cells) if column.fullmatch(cell.strip())}
    if len(cells) < 2 or not wanted:
        return
    start = len(heading) + 1
    for line in lines:
        for place, match in enumerate(re.finditer(rf'"[^"]*"|[^{separator}]+|(?<={separator})(?={separator})', line)):
            cell = match.group().strip('"')
            if place in wanted and value.fullmatch(cell):
                first = start + match.start() + match.group().index(cell)
                yield first, first + len(cell)
        start += len(line) + 1


def _find_addresses_of_hosts(text: str) -> Iterator[tuple[int, int]]:
    for match in _IP.finditer(text):
        try:
            address = ipaddress.ip_address(match.group().replace("[.]", ".").split("%")[0])
        except ValueError:
            continue
        before = text[max(0, match.start() - 12) : match.start()]
        numbered = address.version == 4 and (
            _NOT_AN_IP.search(before) or _VERSION_WORDS.search(text[max(0, match.start() - 50) : match.start()])
        )
        if not (numbered or address.is_loopback or address.is_unspecified or match.group().startswith("255.")):
            yield match.span()


def _find_by(pattern: re.Pattern[str], *, digits: tuple[int, int] = (0, 99)) -> Callable[[str], Iterator[tuple[int, int]]]:
    def find(text: str) -> Iterator[tuple[int, int]]:
        for match in pattern.finditer(text):
            if digits[0] <= len(_digits(match.group())) <= digits[1]:
                yield match.start(), match.start() + len(match.group().rstrip(".,"))

    return find


_FINDERS: dict[Kind, Callable[[str], Iterator[tuple[int, int]]]] = {
    Kind.API_SECRET: _find_secrets,
    Kind.EMAIL: _find_emails,
    Kind.IBAN: _find_ibans,
    Kind.CREDIT_CARD: _find_cards,
    Kind.NATIONAL_ID: _find_national_ids,
    Kind.DATE_OF_BIRTH: _find_births,
    Kind.IP_ADDRESS: _find_addresses_of_hosts,
    Kind.POSTAL_ADDRESS: _find_by(POSTAL, digits=(1, 30)),
    Kind.PHONE: _find_by(_PHONE, digits=(9, 19)),
    Kind.VAT: _find_by(_VAT),
}


def _find_people(text: str, names: Iterable[str]) -> Iterator[tuple[int, int]]:
    known = {word for name in names for word in (name.strip(), *name.split()) if len(word) > 2}
    for name in sorted(known, key=len, reverse=True):
        for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE if " " in name else 0):
            yield match.span()
    yield from _find_in_columns(text, _NAME_COLUMN, _CELL_NAME)
    for pattern in CONTEXT_NAMES:
        for match in pattern.finditer(text):
            if match.group("v").split()[0].lower() not in STOP_WORDS:
                yield match.span("v")
