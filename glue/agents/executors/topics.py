"""What a request is about: the words after "on", "about", "über", "sobre" …, up to where the sentence turns to something else."""

import re

_ABOUT = r"on the (?:topic|subject) of|zum thema|about|regarding|covering|on|over|into|über|ueber|zu|zur|zum|sobre|sur|acerca de|in|for|für|para|pour|of|von|de"
_STOP = (
    r"\b(?:with|and (?:a|an|the|\d+)|for|by|until|within|including|plus|that|which|using|at|in (?:english|german|spanish|french|portuguese)"
    r"|mit|und (?:ein|eine|einen|\d+)|für|bis|inklusive|der|die|das|auf (?:deutsch|englisch)"
    r"|con|y (?:un|una)|para|hasta|avec|et (?:un|une)|pour|com|e (?:um|uma)|até)\b|[.,;:!?\n(]"
)
_LEADING = re.compile(
    r"^(?:the|a|an|our|my|your|der|die|das|den|dem|ein|eine|einen|unser\w*|la|el|los|las|le|les|l'|o|a|os|as)\s+", re.IGNORECASE
)
_STRONG = re.compile(
    r"\b(?:on the (?:topic|subject) of|zum thema|about|regarding|covering|on|über|ueber|sobre|sur|acerca de)\s+", re.IGNORECASE
)
_WEAK = re.compile(rf"\b(?:{_ABOUT})\s+", re.IGNORECASE)


def find_topic(text: str) -> str:
    """A short name of the topic; the request's first words when it names none."""
    for sign in (_STRONG, _WEAK):
        for found in sign.finditer(text):
            topic = re.split(_STOP, text[found.end() :], maxsplit=1, flags=re.IGNORECASE)[0]
            topic = _LEADING.sub("", topic.strip()).strip("\"'“”„ ")
            if topic and len(topic) <= 80:
                return topic
    return " ".join(re.sub(r"\s+", " ", text).strip().split(" ")[:8]).strip(".,;:!?") or "…"
