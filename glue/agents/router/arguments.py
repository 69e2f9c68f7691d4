"""What a sentence names: licenses, machines, runs, tickets, deliveries, files, people, plans, tenants, dates, standings.

Things with a recognizable shape are found by it; tenants, plans and machines by the words around them and by being no word we know.
"""

import re
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from glue.agents.router.dates import MONTHS, find_dates
from glue.agents.words import fold, word_set


class Named(NamedTuple):
    """``value`` as written, without quotes; its place in the text; how much speaks for it."""

    kind: str
    value: str
    start: int
    end: int
    score: int = 3


_QUOTE = "[\"'“”„«»‘’`]?"
_FILE_END = r"\.(?:json|ya?ml|tar(?:\.gz|\.zst|\.xz)?|tgz|zip|db|sqlite3?|sql|dump|bak|gz|age)"
_SHAPES = (
    ("email", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    ("file", rf"[\w./~-]*\w{_FILE_END}\b"),
    ("license", r"\bLIC-[\w-]*\w"),
    ("run", r"\brun[_-]\w+|\brun #?\d+\b"),
    ("delivery", r"\b(?:dlv|del|evt|whk)[_-]\w+"),
    ("ticket", r"\bT-\d+|\bTCK-\d+|(?<=ticket )#?\d+\b"),
    ("file", r"\b(?:backup|snapshot|plan)-\d[\w.-]*\w"),
)
_MACHINE_NOUN = (
    r"(?:machine|computer|laptop|pc|device|notebook|workstation|host|server|rechner|computers|gerat|ordinateur|poste|portable|equipo|ordenador|portatil"
    r"|maquina|computador|dispositivo|appareil)"
)
_MACHINE = re.compile(
    rf"\b{_MACHINE_NOUN}\s+(?:called |named |namens |llamado |chamad[oa] )?(?P<q>{_QUOTE})(?P<name>[a-z][\w-]*)", re.IGNORECASE
)
_MACHINE_SHAPE = re.compile(r"\b(?!LIC-|T-\d|TCK-)[A-Za-z]\w*(?:-\w+)*-\w*\d\w*\b|\b[a-z]{2,}\d{1,4}\b")

_PLAN_NOUN = r"(?:plan|tier|tarif|tarifs|formule|forfait|offre|plano|package|subscription|abo)"
_PLAN = (
    re.compile(rf"\b{_PLAN_NOUN}\s+(?:called |to |auf |en |a |para )?{_QUOTE}(?P<name>[A-Z]\w*(?:\s[A-Z]\w*)?)"),
    re.compile(rf"\b(?P<name>[A-Z]\w*){_QUOTE}[ -](?:{_PLAN_NOUN}|Tarif|Plan|Abo)\b"),
    re.compile(
        r"\b(?:to|on|onto|gets?|wants?|for|into|auf|zu|au|à|pour|al|a|para o|para|in)\s+(?:the\s+|le\s+|la\s+|el\s+|o\s+)?(?P<name>[A-Z]\w*)"
    ),
)
KNOWN_PLANS = word_set(
    "free solo starter basic team business pro professional plus premium growth scale enterprise standard trial beta studio"
)

_TENANT_NOUN = (
    r"(?:tenants?|customers?|clients?|company|firm|organi[sz]ation|account|mandant(?:en|in)?|kund(?:e|en|in)|firma|clientes?|empresa|soci[eé]t[eé]|entreprise"
    r"|inquilino|locataire)"
)
_NAME = r"[A-ZÀ-ÖØ-Þ][\w&’'-]*(?:\s(?:&\s)?[A-ZÀ-ÖØ-Þ0-9][\w&-]*)*"
_BY_NOUN = re.compile(
    rf"(?i:\b{_TENANT_NOUN})\s+(?i:called |named |namens |llamado |chamado |nommé )?{_QUOTE}(?P<name>{_NAME}|[a-z][\w-]+)"
)
_CAPITAL = re.compile(rf"(?P<name>{_NAME})")
_BEFORE = re.compile(
    r"(?:\b(?:of|for|from|to|at|about|with|on|into|by|von|vom|bei|fur|zu|uber|mit|an|de|du|pour|chez|sur|a|para|sobre|con|com|do|da|al|em|en|à|d'|d’))\s*$"
)
_PREDICATE = word_set(
    "has have had hasn't is isn't was wants want wanted needs need paid pays asks asked gave gives may must can cannot can't should complains demands "
    "leaves left moves moved quits says said owes keeps did does doesn't will hat ist will mochte braucht zahlt hatte war wechselt kundigt verlangt a est veut "
    "demande doit ha quiere pide necesita tiene debe es paga pago tem quer pediu precisa deve pagou e"
)
_AFTER_VERB = word_set(
    "the a an it them him her all every that this these those my our your me us out off up down any some everything everyone whichever alle das die den "
    "tout tous toutes le la les todo todos todas el los tudo o os as"
)
_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Folded words that are never a tenant's name by themselves."""
    place = files("glue.agents.router")
    return frozenset(
        word for name in ("known_words.txt", "common_words.txt") for word in place.joinpath(name).read_text(encoding="utf-8").split()
    )


def find_named(text: str) -> list[Named]:
    """Everything with a recognizable shape or a telling neighborhood, in the order of the text, without overlaps."""
    found: list[Named] = []

    def add(kind: str, start: int, end: int, score: int = 3) -> None:
        if start < end and all(end <= other.start or start >= other.end for other in found):
            found.append(Named(kind, text[start:end], start, end, score))

    for kind, pattern in _SHAPES:
        for match in re.finditer(pattern, text, re.IGNORECASE if kind != "ticket" else 0):
            add(kind, match.start(), match.end())
    for match in _MACHINE.finditer(text):
        name = match["name"]
        if match["q"] or re.search(r"\d|-", name) or (_ends_phrase(text, match.end("name")) and _is_unknown(name)):
            add("machine", match.start("name"), match.end("name"))
    for match in _MACHINE_SHAPE.finditer(text):
        add("machine", match.start(), match.end())
    for plan in _PLAN:
        for match in plan.finditer(text):
            if plan is not _PLAN[2] or fold(match["name"]) in KNOWN_PLANS:
                name_start = match.start("name")
                if fold(match["name"]) in KNOWN_PLANS or (_is_unknown(match["name"]) and not _starts_sentence(text, name_start)):
                    add("plan", name_start, match.end("name"))
    for start, end, score in _tenant_places(text):
        add("tenant", start, end, score)
    return sorted(found, key=lambda named: named.start)


def _ends_phrase(text: str, end: int) -> bool:
    """Whether nothing, a mark, or a new phrase follows: "the machine osprey", not "auf dem Rechner hoch"."""
    return bool(re.match(r"\W*$|[,;.:!?]|\s+(?:from|off|and|please|now|de|da|von|y|et|e)\b", text[end:])) and not _capitalizes_nouns(text)


def _plans_by_name(text: str) -> list[Named]:
    """Capitalized words that are usual names of plans, wherever they stand."""
    found = (
        match
        for match in re.finditer(r"\b[A-Z]\w+", text)
        if fold(match.group()) in KNOWN_PLANS and not _starts_sentence(text, match.start())
    )
    return [Named("plan", match.group(), match.start(), match.end(), 1) for match in found]


def _tenant_places(text: str) -> list[tuple[int, int, int]]:
    places = []
    for match in _BY_NOUN.finditer(text):
        start, end = _strip_possessive(text, match.start("name"), match.end("name"))
        if _is_unknown(text[start:end]) or (text[start].isupper() and fold(text[start:end]) not in _SYSTEMS):
            places.append((start, end, 4))
    for match in _CAPITAL.finditer(text):
        places.extend(_capitalized(text, match.start("name"), match.end("name")))
    if not places and not any(letter.isupper() for letter in text[1:]):
        places.extend(
            (match.start(), match.end(), 1)
            for match in _LETTERS.finditer(text)
            if _is_unknown(match.group()) and _BEFORE.search(fold(text[: match.start()]))
        )
    return places


_SYSTEMS = word_set(
    "keycloak lago keygen glue postgres sqlite github reddit stripe docker i notebooklm ai ki ia pdf yaml json gdpr dsgvo api url cli ok pc faq"
)


def _capitalized(text: str, start: int, end: int) -> list[tuple[int, int, int]]:
    """A capitalized name in the middle of a sentence, or at its start when what follows shows that it isn't a verb."""
    start, end = _strip_possessive(text, start, end)
    words = text[start:end].split()
    while words and (
        fold(words[0]).split("'")[0] in _SYSTEMS or (_starts_sentence(text, start) and not _opens_as_name(text, start, words))
    ):
        start += len(words.pop(0))
        start += len(text[start:end]) - len(text[start:end].lstrip())
    if not words or start >= end or fold(words[0]) in MONTHS:
        return []
    name = text[start:end]
    if all(not _is_unknown(word) for word in words) and not _cased_is_name(text, start, name):
        return []
    score = 3 if _BEFORE.search(fold(text[:start])) else 2
    return [(start, end, score)]


def _cased_is_name(text: str, start: int, name: str) -> bool:
    """Whether a word we know ("Orchard", "Juniper") is a name here: capitalized where its language would not do so."""
    if (
        fold(name) in KNOWN_PLANS
        or fold(name) in _SYSTEMS
        or _capitalizes_nouns(text)
        or (fold(name) in known_words() and fold(name) in _PROPER)
    ):
        return False
    if _starts_sentence(text, start):
        return True
    return not name.isupper() or len(name) > 3


_PROPER = word_set("monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december english "
    "german french spanish portuguese italian europe european maria lic markdown internet christmas easter debian google word excel python")  # fmt: skip


def _capitalizes_nouns(text: str) -> bool:
    plain = f" {fold(text)} "
    return any(
        f" {word} " in plain
        for word in [
            "der",
            "die",
            "das",
            "den",
            "dem",
            "des",
            "bitte",
            "nicht",
            "von",
            "vom",
            "und",
            "ist",
            "hat",
            "auf",
            "mir",
            "wir",
            "ein",
            "eine",
            "zu",
            "zum",
            "fur",
            "sie",
            "alle",
            "noch",
            "jetzt",
            "sofort",
        ]
    )


def _opens_as_name(text: str, start: int, words: list[str]) -> bool:
    """At the start of a sentence every word is capitalized: a name is followed by its predicate, or is a word we do not know."""
    first = words[0]
    following = [fold(match.group()) for match in _LETTERS.finditer(text[start + len(first) : start + len(first) + 40])]
    after = following[0] if following else ""
    possessive = text[start + len(first) : start + len(first) + 2].lower() in ("'s", "’s")
    if fold(first) in _QUESTION_WORDS or fold(first) in KNOWN_PLANS:
        return False
    if after in ("a", "e") and re.match(
        rf"{re.escape(first)}\s+[ae]\s+[A-ZÀ-Þ]", text[start:]
    ):  # "Bloquea a Rivero": a verb and its object
        return False
    return (
        possessive
        or (after in _PREDICATE and not _is_verb_like(first))
        or (_is_unknown(first) and after not in _AFTER_VERB and len(words) == 1)
    )


_QUESTION_WORDS = word_set(
    "cuanto cuantos cuanta cuantas combien quanto quantos quanta quantas wieviel wieviele quels quelles quel quelle welche welcher welches cuales quais who what which how when where why is are was has have do does did can could should would will may it they he she we i you this that there here what's "
    "who's everything something nobody somebody anybody wer was wie wann wo warum ist sind hat es sie ich wir qui que quoi comment est il elle on je nous quien como "
    "donde cuando cual es ha quem qual onde tudo todo e o a os as der die das le la les el los un une eine ein"
)


def _is_verb_like(word: str) -> bool:
    return fold(word) in known_words() and fold(word) in _OPENERS


_OPENERS = word_set("show list give make run check let please can show tell get send put take stop start who")


def _starts_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"'“„«¿¡(")
    return not before or before[-1] in ".!?:;\n"


def _is_unknown(name: str) -> bool:
    return all(fold(word) not in known_words() for word in re.split(r"[\s-]+", name) if word) and len(name) > 1


def _strip_possessive(text: str, start: int, end: int) -> tuple[int, int]:
    if text[end - 2 : end].lower() in ("'s", "’s"):
        end -= 2
    return start, end


_STATUS = {
    "glue tenants list": {
        "trialing": r"trial\w*|test\s?phase|probe\w*|essai|prueba|teste|avaliacao|experimenta\w*",
        "past_due": r"past.?due|overdue|behind|owes?|unpaid|ruckstand|verzug|saumig\w*|retard|impaye\w*|moros\w*|atrasad\w*|vencid\w*|inadimplent\w*|debe\w*",
        "suspended": r"suspen[ds]\w*|lock(?:ed)? out|blocked|barred|shut out|frozen|on hold|gesperrt\w*|bloque\w*|bloquead\w*",
    },
    "glue runs list": {"failed": r"fail\w*|broke\w*|crash\w*|fehlgeschlagen\w*|gescheitert\w*|echou\w*|echec|fallad\w*|fallid\w*|falh\w*"},
    "glue inbox list": {"parked": r"parked|geparkt\w*|aparcad\w*|estacionad\w*|garee?s?|parque\w*"},
}


def arguments_for(command: str, takes: tuple[str, ...], text: str, named: list[Named]) -> dict[str, str]:
    """The arguments ``command`` takes, as far as ``text`` names them."""
    arguments: dict[str, str] = {}
    dates = find_dates(text)
    for name in takes:
        if name in ("since", "until"):
            if name in dates:
                arguments[name] = dates[name]
        elif name == "status":
            wanted = re.split(r"\b(?:but|aber|mais|pero|mas|don't|do not|no changes|nicht|sans|sin)\b", fold(text))[0]
            status = next((value for value, pattern in _STATUS[command].items() if re.search(rf"\b(?:{pattern})\b", wanted)), None)
            if status:
                arguments[name] = status
        else:
            fitting = [thing for thing in named if thing.kind == name]
            if name == "plan" and not fitting:
                fitting = _plans_by_name(text)
            if fitting:
                arguments[name] = max(fitting, key=lambda thing: (thing.score, -thing.start)).value
    return arguments
