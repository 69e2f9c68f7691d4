"""How much is asked for: numbers with the noun they count, in five languages."""

from collections.abc import Sequence
from typing import NamedTuple

from glue.agents.words import Word, word_set


def _numbers() -> dict[str, int]:
    rows = {
        1: "one single einem einer une uno una um uma",
        2: "two both pair couple double zwei beide beiden deux dos ambos ambas dois duas",
        3: "three triple drei trois tres",
        4: "four vier quatre cuatro quatro",
        5: "five funf cinq cinco",
        6: "six sechs seis",
        7: "seven sieben sept siete sete",
        8: "eight acht huit ocho oito",
        9: "nine neun neuf nueve nove",
        10: "ten zehn dix diez dez",
        11: "eleven elf onze once",
        12: "twelve dozen zwolf dutzend douze douzaine doce doze docena duzia",
        13: "thirteen dreizehn treize trece treze",
        14: "fourteen vierzehn quatorze catorce catorze",
        15: "fifteen funfzehn quinze quinzaine quince",
        16: "sixteen sechzehn seize dieciseis dezesseis",
        17: "seventeen siebzehn diecisiete dezessete",
        18: "eighteen achtzehn dieciocho dezoito",
        19: "nineteen neunzehn diecinueve dezenove",
        20: "twenty zwanzig vingt vingtaine veinte vinte",
        30: "thirty dreissig trente trentaine treinta trinta",
        40: "forty vierzig quarante quarantaine cuarenta quarenta",
        50: "fifty funfzig cinquante cinquantaine cincuenta cinquenta",
        60: "sixty sechzig soixante sesenta sessenta",
        70: "seventy siebzig setenta",
        80: "eighty achtzig ochenta oitenta",
        90: "ninety neunzig noventa",
        100: "hundred hundreds hundert centaine cien cem centaines cientos centenas",
        1000: "thousand thousands tausend tausende mille milliers mil miles milhares",
    }
    return {word: value for value, words in rows.items() for word in words.split()}


_NUMBERS = _numbers()

# Nouns by the size of what they name, as beginnings of folded words: what "ten …" means depends on it.
_NOUNS = {
    "part": "module modul unit unid einheit unite lesson lektion lecon leccion aula chapter kapitel chapitre capitulo session sitzung seance sesion "
    "week woche semaine semana workshop lecture vorlesung course kurs cours curso disciplina lab labor class stage video episode",
    "level": "level niveau nivel niveis tier stufe stream strand track edition version variant audience fassung",
    "item": "question frage pregunta questa item aufgabe page seite pagina slide folie word wort mot palabra palavra minute hour stunde heure hora point "
    "sentence paragraph line satz",
    "artefact": "quiz test exam prufung examen prova prueba handout text rubric artefact artifact sheet fiche ficha blatt reading case fall script paper "
    "study etude estudio document datei file tool article book guide",
    "people": "people person author autor writer agent team employee mitarbeit learner student pupil nurse staff salari empleado funcionario colleague "
    "interview freelancer reviewer",
    "organisation": "school schule ecole escola escuela colegio university universi department abteil departam faculty fakult facul subsidiar filial "
    "branch country countries land pays pais region state bundes hospital store agency behorde campus site standort sede bank company ministr district",
    "programme": "programme program degree studiengang catalog katalog academy akademie curricul portfolio bachelor master",
}
_STEMS = [(stem, kind) for kind, stems in _NOUNS.items() for stem in stems.split()]
_JOINS = word_set("and to bis und a y et e")


class Quantity(NamedTuple):
    """``value`` things of ``kind`` ("" when unknown), found at word ``place``; ``numbered`` for "module 4" or "weeks 2 and 3"."""

    value: int
    kind: str
    place: int
    numbered: bool


def noun_kind(word: str) -> str:
    """What a folded noun names ("part", "level", "organisation" …), or ""."""
    return next((kind for stem, kind in _STEMS if word.startswith(stem)), "")


def number_of(word: str) -> int | None:
    """The value of a folded number word or numeral."""
    if word[0].isdigit():
        return int(word.replace(",", "").replace(".", ""))
    return _NUMBERS.get(word)


def find_quantities(words: Sequence[Word]) -> list[Quantity]:
    """Every number in ``words`` with what it counts; "modules 3 to 5" is three parts, "twenty-four" is one number."""
    found: list[Quantity] = []
    index = 0
    while index < len(words):
        value = number_of(words[index].text)
        if value is None:
            index += 1
            continue
        start, index = index, index + 1
        while index < len(words) and (more := number_of(words[index].text)) is not None and _belongs(value, more):
            value = value * more if more in (100, 1000) else value + more
            index += 1
        before = noun_kind(words[start - 1].text) if start else ""
        if before in ("part", "level") and words[start].text[0].isdigit():
            value, index = _numbered(words, start)
            found.append(Quantity(value, before, start, numbered=True))
        else:
            kind = next((kind for word in words[index : index + 4] if (kind := noun_kind(word.text))), "")
            found.append(Quantity(value, kind, start, numbered=False))
    return found


def _belongs(value: int, more: int) -> bool:
    return (more in (100, 1000) and value < 100) or (20 <= value < 100 and value % 10 == 0 and more < 10)


def _numbered(words: Sequence[Word], start: int) -> tuple[int, int]:
    """How many numbered parts "4", "2, 3 and 5" or "3 to 5" name, and where the list ends."""
    numbers: list[int] = []
    joins: list[str] = []
    index = start
    while index < len(words):
        word = words[index].text
        if word[0].isdigit() and len(numbers) <= len(joins):
            numbers.append(int(word.replace(",", "").replace(".", "")))
        elif word in _JOINS and numbers:
            joins.append(word)
        else:
            break
        index += 1
    if "to" in joins or "bis" in joins or ("a" in joins and len(numbers) == 2):
        return max(1, abs(numbers[-1] - numbers[0]) + 1), index
    return max(1, len(numbers)), index


def size_of(value: int) -> str:
    """The order of magnitude, as a feature."""
    for top, name in ((1, "1"), (2, "2"), (5, "3-5"), (8, "6-8"), (24, "9-24"), (99, "25-99"), (999, "100-999")):
        if value <= top:
            return name
    return "1000+"
