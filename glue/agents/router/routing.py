"""From one sentence to one command, or to none."""

import re
from dataclasses import dataclass
from itertools import pairwise

from glue.agents.linear import load_model
from glue.agents.router.arguments import Named, arguments_for, find_named
from glue.agents.router.commands import COMMANDS, DESTRUCTIVE, NONE, READ_ONLY
from glue.agents.router.doubts import find_doubts
from glue.agents.router.features import features_of
from glue.agents.words import fold, split_words, word_set

# A destructive command needs a word that orders it; the classifier alone could be led by the rest of the sentence.
_ORDERS = {
    "glue apply": r"appl|carry|execut|\bgo\b|ahead|roll|effect|\blive\b|do it|\brun\b|happen|wend|setz|fuhr|mets?\b|mettre|realis|lleva|aplic|ejecut|pode\b|efetiv",
    "glue restore": r"restor|bring|go back|replac|load|roll|\buse\b|\bput\b|back|revert|return|spiel|stell|setz|zuruck|restaur|retabli|revien|remets|recuper|vuelve|volt",
    "glue tenants suspend": r"suspen|susp|lock|block|bloqu|freez|froz|disabl|deny|hold|shut|cut|kept? |clos|no (?:more |further )?access|access away|\bbar\b|ban\b|sperr|entzieh|coup|cort|retir",
    "glue tenants cancel": r"cancel|terminat|\bend\b|clos|stop|wind|part ways|kundig|beend|resili|annul|\bfin\b|termin|\bbaja\b|encerr|finaliz",
    "glue tenants erase": r"eras|delet|wip|remov|purg|destroy|forg[eo]t|disappear|clear|scrub|losch|supprim|effac|borr|elimin|apag|exclu",
    "glue licenses revoke": r"revo[kcqg]|invalid|kill|void|withdraw|disabl|useless|not work|take .*away|nobody may|cancel|block|widerruf|ungultig|zieh|sperr|anul|annul|retir",
    "glue licenses reissue": r"reissu|re-issu|issue|new\b|another|fresh|replac|again|renew|rotat|regenerat|generat|once more|exchange|neu|noch einmal|erzeug|reemi|remet|nouvel|refai"
    r"|emi[ts]|otra|nuev|gener|nova|novo|outra|genere|gere\b",
    "glue machines remove": r"remov|deactivat|take|\bcut\b|disconnect|strip|scrap|off\b|delet|unregist|detach|kick|drop|free|releas|entfern|nimm|losch|retir|desactiv|enlev|quita|elimin|remova|desativ|tire",
    "glue runs cancel": r"cancel|stop|kill|abort|terminat|halt|\bend\b|call .*off|quit|interrupt|stopp|brich|abbrech|beend|arret|annul|interromp|det[ei]|cancel|par[ae]\b|interromp",
}
# An order to destroy that names nothing is not a wish to look at a list.
_DESTROYERS = word_set(
    "clean suspend cancel erase delete wipe purge destroy revoke remove kill terminate block lock ban stop abort suspendre suspends supprime efface revoque annule resilie "
    "arrete borra elimina suspende revoca cancela anula deten apague exclua suspenda revogue cancele remova pare losche losch sperr sperre widerrufe kundige entferne "
    "stoppe stopp"
)
_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;]*")
_JOINED = re.compile(r"\W*(?:and|or|und|oder|et|ou|y|o|e)\W+(?:\w+\W+){0,2}", re.IGNORECASE)
# Whoever asks to undo one of these does not ask for it.
_UNDOING = re.compile(
    r"\bundo|\brevers|\blift|\bunlock|\bunblock|\bunsuspend|\breopen|\bre-open|reactiv|\breinstat|\b(?:give|gives|take|let|get) .*\bback\b|\blet\b.* in\b|rouvr|rouvez|debloqu|\brends|redonn"
    r"|\brendre|desbloq|reabr|reabre|devuelv|devolv|levanta|reativ|entsperr|\bfrei\b|freigeb|\bwieder|ruckgangig|\baufheb|\bhebe"
)
_UNDONE = frozenset({"glue tenants suspend", "glue tenants cancel", "glue tenants erase", "glue licenses revoke", "glue runs cancel"})
_FILLERS = word_set("please just now so ok bitte por favor s il te plait")
UNSURE = 0.2  # a weaker favorite is no answer
SURE_TO_DESTROY = 0.25


@dataclass(frozen=True)
class RoutedCommand:
    """``command`` is ``glue …`` or ``none``; ``why`` says in words what decided, ``changes`` whether it does more than look."""

    command: str
    args: dict[str, str]
    confidence: float
    destructive: bool
    changes: bool
    why: str


def route(text: str) -> RoutedCommand:
    """The one command that ``text`` asks for. Nothing destructive without an order, given now, that names its object."""
    named = find_named(text)
    doubts = find_doubts(text)
    odds = load_model("glue.agents.router").probabilities("command", features_of(text, named=named, doubts=doubts))
    best = max(odds, key=lambda command: odds[command])
    if best in DESTRUCTIVE and (not re.search(_ORDERS[best], fold(text)) or (best in _UNDONE and _UNDOING.search(fold(text)))):
        best = max((command for command in odds if command not in DESTRUCTIVE), key=lambda command: odds[command])
    confidence = round(odds[best], 3)
    if best == NONE or confidence < UNSURE or not text.strip():
        return _none(confidence, "no command fits")
    opening = split_words(text)
    first = next((word.text for word in opening if word.text not in _FILLERS), "")
    if best in READ_ONLY and first in _DESTROYERS:
        return _none(confidence, "an order to destroy something needs its name")
    takes, needs = COMMANDS[best]
    args = arguments_for(best, takes, text, named)
    if best in DESTRUCTIVE:
        reason = _refusal(best, needs=needs, args=args, doubts=doubts, confidence=confidence)
        if reason or len(_candidates(text, [thing for thing in named if thing.kind == needs], order=_ORDERS[best])) > 1:
            return _none(confidence, reason or f"{best} names more than one {needs}")
    why = f"sounds like {best}" + "".join(f", {name} {value}" for name, value in args.items())
    return RoutedCommand(best, args, confidence, best in DESTRUCTIVE, best not in READ_ONLY, why)


def _candidates(text: str, named: list[Named], *, order: str) -> set[str]:
    """The names an order may mean: those of the sentence that orders, or of the whole text; one that is called a tenant beats a mere capital letter."""
    ordering = [sentence.span() for sentence in _SENTENCE.finditer(text) if re.search(order, fold(sentence.group()))]
    near = [thing for thing in named if any(start <= thing.start < end for start, end in ordering)] or named
    joined = any(_JOINED.fullmatch(text[first.end : second.start]) for first, second in pairwise(near))
    best = max((thing.score for thing in near), default=0)
    return {thing.value for thing in near if joined or thing.score >= min(best, 3)}


def _refusal(command: str, *, needs: str | None, args: dict[str, str], doubts: set[str], confidence: float) -> str | None:
    if needs and needs not in args:
        return f"{command} needs a named {needs}"
    if doubts:
        return f"{command} is not clearly ordered now: {', '.join(sorted(doubts))}"
    return f"{command} is only a guess" if confidence < SURE_TO_DESTROY else None


def _none(confidence: float, why: str) -> RoutedCommand:
    return RoutedCommand(NONE, {}, confidence, destructive=False, changes=False, why=why)
