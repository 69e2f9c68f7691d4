"""Facts a request states in passing: how many modules, which levels, what comes out, by when, in which language."""

import re
from dataclasses import dataclass

from glue.agents.understanding.clauses import Clause
from glue.agents.understanding.quantities import find_quantities
from glue.agents.words import fold, split_words


@dataclass(frozen=True)
class Details:
    """``modules`` is None when no number is given; ``timeline`` and ``dependencies`` quote the text; ``language`` is en, de, es, fr or pt."""

    skill_levels: tuple[str, ...]
    modules: int | None
    deliverables: tuple[str, ...]
    timeline: str | None
    dependencies: tuple[str, ...]
    language: str


_LEVELS = {
    "beginner": "beginner|beginners|novices?|introductory|basic|entry.level|anfanger|einsteiger|grundlagen|debutants?|principiantes?|iniciantes?|basico",
    "intermediate": "intermediate|practitioners?|mittelstufe|fortgeschrittene?|intermediaires?|intermedio|intermediario",
    "advanced": "advanced|expert\\w*|professionals?|experten|profis|avancee?s?|confirmes?|avanzado|avancado|graduates?|postgraduates?",
}
_DELIVERABLES = {
    "lesson": "lessons?|lektion\\w*|lecons?|leccion\\w*|aulas?|lecture notes?|skripte?",
    "handout": "handouts?|leaflets?|arbeitsblatt|arbeitsblatter|merkblatt|fiches?|fichas?|apostilas?|cheat sheets?",
    "tutorial": "tutorials?|guides?|anleitung\\w*|instructions?",
    "slides": "slides?|folien|diapositiv\\w*|slide decks?",
    "video script": "video scripts?|scripts?",
    "exercise": "exercises?|ubung\\w*|exercices?|ejercicios?|exercicios?|labs?",
    "case study": "case stud\\w+|fallbeispiel\\w*|etudes? de cas|casos?|estudos? de caso",
    "quiz": "quiz\\w*|qcm|cuestionarios?|questionarios?",
    "exam": "exams?|tests?|midterms?|finals?|prufung\\w*|klausur\\w*|examens?|examen|examenes|provas?|pruebas?",
    "rubric": "rubrics?|marking schemes?|bewertungsraster|bareme|rubricas?|grille de notation",
    "question bank": "question banks?|item banks?|fragenkatalog|banque de questions|banco de (?:preguntas|questoes|itens)",
    "syllabus": "syllabus|syllabi|curricul\\w+|lehrplan|plan de estudios|programa|ementa|outline",
    "learning path": "learning paths?|pathways?|lernpfad\\w*|parcours|rutas?|trilhas?",
    "schedule": "schedules?|timelines?|gantt|zeitplan|calendrier|cronograma|calendario|timetable",
    "report": "reports?|summary|summaries|bericht|rapport|informe|relatorio|overview",
    "metadata": "metadata|metadaten|metadonnees|metadatos|metadados|tags?",
}
_TIMELINE = re.compile(
    r"\b(?:by|until|before|due|within|in time for|bis|binnen|avant|d'ici|antes d[eo]|hasta|para (?:el|a)|ate)\s+"
    r"(?:the\s+|end of\s+|next\s+|zum\s+|el\s+|la\s+|o\s+|a\s+|le\s+)*"
    r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|tomorrow|tonight|summer|autumn|winter|spring|term|year|month|week|january|february"
    r"|march|april|may|june|july|august|september|october|november|december|\d+(?:st|nd|rd|th)?(?:\s+\w+)?|montag|dienstag|mittwoch|donnerstag|freitag"
    r"|vendredi|lundi|viernes|lunes|sexta|segunda|q[1-4])\b|\b(?:over|in|within)\s+the\s+(?:coming|next)\s+\w+\s+\w+",
    re.IGNORECASE,
)
_DEPENDS = re.compile(
    r"\b(?:depend\w*|prerequisit\w*|buil[dt]\w* on|relies on|reus\w+|linked|assumes?|presuppos\w*|aufeinander\w*|voraussetz\w*|prerequis|s'appuyant"
    r"|requisitos?|dependen\w*|encadenad\w*|encadead\w*|unlocks?|waits? for|before it)\b",
    re.IGNORECASE,
)
# A few words that only one of the languages uses often.
_COMMON = {
    "en": "the a an of and to for my our is are with please in on that this it be i we you what which by from all not need",
    "de": "der die das und fur ein eine zu mit ist wir ich bitte auf den dem nicht alle von im werden sollen uber auch mein meine",
    "es": "el la los las de y para un una con por favor en mi que todos sobre del necesito como es al se sus nuestro quiero",
    "fr": "le la les des et pour un une avec dans sur du mon ma nos vous il est au aux de l d que ce cette toutes en je",
    "pt": "o a os as de e para um uma com em do da dos das no na meu minha que sobre todos por favor nao preciso todo ao como",
}
_LANGUAGE_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_LANGUAGE_SIGNS = {"de": "äöüß", "es": "ñ¿¡íúó", "fr": "èêçàùœî", "pt": "ãõçâêíá"}


def find_details(text: str, clauses: list[Clause]) -> Details:
    """What ``text`` says about the work, beside what it is."""
    plain = fold(text)
    wanted = fold(" ".join(text[clause.words[0].start : clause.words[-1].end] for clause in clauses if clause.role in ("ask", "besides")))
    parts = [quantity.value for clause in clauses for quantity in find_quantities(clause.words) if quantity.kind == "part"]
    timeline = _TIMELINE.search(text)
    return Details(
        skill_levels=_named(_LEVELS, plain),
        modules=max(parts) if parts else None,
        deliverables=_named(_DELIVERABLES, wanted),
        timeline=timeline.group() if timeline else None,
        dependencies=tuple(_quote(text, clause) for clause in clauses if _DEPENDS.search(_quote(text, clause))),
        language=detect_language(text),
    )


def _quote(text: str, clause: Clause) -> str:
    return text[clause.words[0].start : clause.words[-1].end]


def _named(table: dict[str, str], plain: str) -> tuple[str, ...]:
    return tuple(name for name, pattern in table.items() if re.search(rf"\b(?:{pattern})\b", plain))


def detect_language(text: str) -> str:
    """en, de, es, fr or pt, by the commonest words and letters; en when nothing speaks for another."""
    words = [word.text for word in split_words(text)]
    scores = {
        language: sum(word in common for word in words) + 1.5 * sum(letter in text.lower() for letter in _LANGUAGE_SIGNS.get(language, ""))
        for language, common in _LANGUAGE_WORDS.items()
    }
    return max(scores, key=lambda language: scores[language])
