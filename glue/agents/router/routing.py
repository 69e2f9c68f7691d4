"""From one sentence to one command, or to none."""

from dataclasses import dataclass

from glue.agents.linear import load_model
from glue.agents.router.arguments import arguments_for, find_named
from glue.agents.router.commands import COMMANDS, DESTRUCTIVE, NONE, READ_ONLY
from glue.agents.router.doubts import find_doubts
from glue.agents.router.features import features_of

UNSURE = 0.2  # a weaker favorite is no answer
SURE_TO_DESTROY = 0.35


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
    confidence = round(odds[best], 3)
    if best == NONE or confidence < UNSURE or not text.strip():
        return _none(confidence, "no command fits")
    takes, needs = COMMANDS[best]
    args = arguments_for(best, takes, text, named)
    if best in DESTRUCTIVE:
        reason = _refusal(best, needs=needs, args=args, doubts=doubts, confidence=confidence)
        several = {thing.value for thing in named if thing.kind == needs and thing.score >= 2}
        if reason or len(several) > 1:
            return _none(confidence, reason or f"{best} names more than one {needs}")
    why = f"sounds like {best}" + "".join(f", {name} {value}" for name, value in args.items())
    return RoutedCommand(best, args, confidence, best in DESTRUCTIVE, best not in READ_ONLY, why)


def _refusal(command: str, *, needs: str | None, args: dict[str, str], doubts: set[str], confidence: float) -> str | None:
    if needs and needs not in args:
        return f"{command} needs a named {needs}"
    if doubts:
        return f"{command} is not clearly ordered now: {', '.join(sorted(doubts))}"
    return f"{command} is only a guess" if confidence < SURE_TO_DESTROY else None


def _none(confidence: float, why: str) -> RoutedCommand:
    return RoutedCommand(NONE, {}, confidence, destructive=False, changes=False, why=why)
