"""The timeline in a customer's words: technical steps are left out, sentences with names in them are said in the reader's language."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from glue.converge.timeline import TimelineEntry
from glue.rules.standing import Standing
from glue.rules.tiers import Tiers
from portal.languages import Writer

STANDINGS = {
    Standing.PENDING: "Starting",
    Standing.TRIALING: "Trial",
    Standing.ACTIVE: "Active",
    Standing.PAST_DUE: "Payment due",
    Standing.SUSPENDED: "Suspended",
    Standing.CANCELED: "Canceled",
    Standing.ERASED: "Erased",
}
# What the other rooms write, as patterns, and the sentence that a person reads instead.
SENTENCES: tuple[tuple[str, str], ...] = (
    (r"Registered for (?P<plan>\w+)\.", "Registered for %(plan)s."),
    (r"Change to (?P<plan>\w+)\.", "Asked for the plan %(plan)s."),
    (r"Standing changed from \w+ to (?P<standing>\w+)\.", "Standing: %(standing)s"),
    (r"Made the organization\.", "Your organization was made."),
    (r"Made the customer\.", "Your customer account for invoices was made."),
    (r"Made the license\.", "Your license was made."),
    (r"Set subscription\.plan from none to (?P<plan>\w+)\.", "The subscription %(plan)s began."),
    (r"Set subscription\.plan from (?P<before>\w+) to (?P<plan>\w+)\.", "The subscription changed from %(before)s to %(plan)s."),
    (r"Set subscription\.end from none to (?P<end>\S+)\.", "The subscription ends on %(end)s."),
    (r"Set subscription\.end from \S+ to none\.", "The subscription goes on."),
    (r"Set subscription\.pending from .*", "The waiting change of plan was taken back."),
    (r"Set subscription\.active from yes to no\.", "The subscription was ended."),
    (r"Set license\.suspended from no to yes\.", "The license was suspended."),
    (r"Set license\.suspended from yes to no\.", "The license works again."),
    (r"Set license\.max_machines from (?P<before>\S+) to (?P<after>\S+)\.", "The license now allows %(after)s machines."),
    (r"Invited (?P<email>\S+) as (?P<role>\w+)\.", "Invited %(email)s as %(role)s."),
    (r"Sent the invitation of (?P<email>\S+) again\.", "Sent the invitation of %(email)s again."),
    (r"Withdrew the invitation of (?P<email>\S+)\.", "Withdrew the invitation of %(email)s."),
    (r"(?P<email>\S+@\S+) is now (?P<role>\w+)\.", "%(email)s is now %(role)s."),
    (r"Removed the machine (?P<name>.+)\.", "Removed the machine %(name)s."),
    (r"Activated the machine (?P<name>.+)\.", "Activated the machine %(name)s."),
    (r"Removed (?P<email>\S+@\S+)\.", "Removed %(email)s."),
    (r"Redeemed the coupon (?P<name>.+)\.", "Redeemed the coupon %(name)s."),
    (r"Tried a coupon code that does not exist\.", "Tried a coupon code that does not exist."),
    (r"Made the program (?P<name>.+)\.", "Made the program %(name)s."),
    (r"New secret for (?P<name>\S+)\.", "New secret for %(name)s."),
    (r"Switched (?P<name>\S+) off\.", "Switched %(name)s off."),
    (r"license\.suspended needs a decision: .*", "The license was suspended by hand; a person decides about it."),
    (r"Asked by a machine with the license key\.", "Asked by a machine with the license key."),
    (r"Asked by (?P<email>\S+)\.", "Asked by %(email)s."),
    (r"Asked by (?P<email>\S+): .*", "Asked by %(email)s."),
    (r"Invoice (?P<number>\S+) was due on (?P<day>\S+)\.", "Invoice %(number)s was due on %(day)s."),
    (
        r"Invoice (?P<number>\S+) was due on (?P<day>\S+) and the grace period is over\.",
        "Invoice %(number)s was due on %(day)s and the grace period is over.",
    ),
    (r"The standing is \w+: .*", ""),
    (r"Somebody else set it to .*", ""),
    (r"The (tier is|customer was registered|trial is running).*", ""),
)
_COMPILED = tuple((re.compile(pattern), sentence) for pattern, sentence in SENTENCES)
_QUIET = re.compile(
    r"Set (organization|customer|owner|member|license|entitlement|machine)\.|.*: done$|\S+ (needs a decision|is stuck|is held until an operator confirms): "
)


@dataclass(frozen=True)
class Event:
    at: datetime
    text: str
    cause: str


def in_words(entries: list[TimelineEntry], writer: Writer, tiers: Tiers, *, everything: bool = False) -> tuple[Event, ...]:
    """Entries as a customer reads them, plans by their titles; ``everything`` shows the technical steps as they were written."""
    found: list[Event] = []
    for entry in entries:
        said = _say(entry.text, writer, tiers)
        if everything or said is not None or not _QUIET.match(entry.text):
            cause = _say(entry.cause, writer, tiers)
            event = Event(entry.at, said or writer.text(entry.text), entry.cause if cause is None else cause)
            if everything or not found or found[-1].text != event.text:  # the same again tells a customer nothing
                found.append(event)
    return tuple(found)


def _say(text: str, writer: Writer, tiers: Tiers) -> str | None:
    """None: no sentence of ours fits."""
    for pattern, sentence in _COMPILED:
        if match := pattern.fullmatch(text):
            words = {name: _word(name, word, writer, tiers) for name, word in match.groupdict().items()}
            return writer.text(sentence, **words) if sentence else ""
    return None


def _word(name: str, code: str, writer: Writer, tiers: Tiers) -> str:
    """What a person says for a plan's or a standing's code, or a day; everything else as it stands."""
    if name in {"day", "end"}:
        with suppress(ValueError):
            return writer.day(datetime.fromisoformat(code))
    if name == "standing":
        return writer.text(STANDINGS[Standing(code)]) if code in set(Standing) else code
    tier = tiers.of_plan(code) or tiers.find(code) if name in {"plan", "before"} else None
    return tier.title if tier is not None else code
