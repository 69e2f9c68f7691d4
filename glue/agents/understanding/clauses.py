"""A request cut into clauses, each with the part it plays.

The same word asks in one clause ("check the quiz"), is ruled out in another ("no quiz, please"), reports what is done ("the
quiz is written") or only names a topic ("a lesson on planning algorithms"). What follows looks at clauses, not at words alone.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from glue.agents.words import Word, split_words, word_set

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+(?!\s|$)[^.!?\n]*)*[.!?]*")
_BREAK = re.compile(r"[,;:()–—]|\s-\s|\b(?:but|and then|aber|mais|pero|mas)\b", re.IGNORECASE)

_NEGATION = re.compile(
    r"\b(?:no|not|never|nobody|none|nor|neither|without|don't|doesn't|didn't|won't|isn't|aren't|needn't|cannot|can't|instead of|rather than"
    r"|leave out|spare me|nicht|kein\w*|ohne|niemand|sans|pas|aucune?|rien|sin|ni|nada|nunca|sem|nao|nenhuma?)\b"
)
_DONE = re.compile(
    r"\b(?:(?:is|are|was|were|been|being) (?:\w+ ){0,2}?(?:\w+ed|written|done|ready|there|set|bought|made|drawn|built|taught|in place|behind us)"
    r"|(?:i|we|they|he|she|you|who|author|colleague)(?:'ve| have| had| has)? (?:already |just )?(?:wrote|made|planned|tested|drafted|did|built|taught"
    r"|compared|checked|created)|already|(?:is|are) fine|exists?|existed|(?:sind|ist|wurden?|war|waren) \w*(?: \w+)? ?\w+(?:t|en)$"
    r"|schon|bereits|steht|stehen|deja|ya (?:esta|ha)\w*|ja (?:esta|foi)\w*)\b"
)
_BESIDES = re.compile(
    r"\b(?:also|besides|additionally|in addition|on top|on the side|as well|too|as an? (?:\w+ )?(?:extra|bonus)|while (?:you're|you are) (?:at it|there|on it)"
    r"|(?:would|'d) be (?:nice|welcome|good|great|handy|useful|a bonus)|would help(?! if)|after that|and then|finally|at the end(?! of)|second thing|afterwards|apart from that|plus|ausserdem|zusatzlich|auch|daneben|nebenbei|danach|dazu|aussi|egalement|en plus"
    r"|de plus|en outre|ensuite|ademas|tambien|despues|por ultimo|alem disso|tambem|depois|im anschluss|zum schluss|enfin|finalement|a la fin(?! d)|finalmente|al final(?! de)|por fim|no final(?! d))\b"
)
_SELF = re.compile(
    r"^(?:hi|hello|i'm an?|i am an?|we're|we are|we sell|we employ|our (?:\w+ )?(?:organi[sz]ation|group|bank|company|firm|corporation|university|school|academy) (?:has|is|employs|runs)|as (?:an?|the|head)|my name|i (?:teach|work|manage|write|do|run|sit)|next term|last year"
    r"|ich bin|wir sind|ich unterrichte|je suis|nous sommes|j enseigne|soy|somos|sou|doy clases)\b"
)
_ASIDE = re.compile(
    r"^(?:before|after|when|although|though|while|since|because|once|unless|if|as soon as|bevor|nachdem|obwohl|weil|wenn|sobald|avant|apres|puisque|quand"
    r"|si|antes|despues|aunque|cuando|porque|depois|embora|quando)\b|\b(?:one day|some day|later on|last (?:year|term|week)|next year)\b"
    r"|^(?:i|we) (?:may|might|could|used to)\b"
)
_TOPIC = word_set("on about regarding over concerning uber zum sur sobre acerca")
_TOPIC_END = word_set("for with and to in at by so that fur mit pour avec para com con que which who")


@dataclass(frozen=True)
class Clause:
    """``role`` is ask, ruled_out, done, besides or context; ``sentence`` counts from 0; ``opens`` marks the sentence's first clause."""

    words: tuple[Word, ...]
    role: str
    sentence: int
    opens: bool
    question: bool

    @property
    def topic_words(self) -> frozenset[int]:
        """Indexes of words that only name what the work is about ("a lesson *on planning algorithms*")."""
        found: set[int] = set()
        inside = False
        for index, word in enumerate(self.words):
            if inside and word.text in _TOPIC_END:
                inside = False
            if inside:
                found.add(index)
            elif word.text in _TOPIC and index > 0:
                inside = True
        return frozenset(found)


def split_clauses(text: str) -> list[Clause]:
    """The clauses of ``text`` in order; a text without words has none."""
    clauses: list[Clause] = []
    for number, sentence in enumerate(_SENTENCE.finditer(text)):
        line = sentence.group()
        besides = bool(_BESIDES.search(_plain(line)))
        cuts = [0, *(match.start() for match in _BREAK.finditer(line)), len(line)]
        opens = True
        for start, end in pairwise(cuts):
            words = tuple(split_words(line[start:end], offset=sentence.start() + start))
            if words:
                role = _role(" ".join(word.text for word in words), besides=besides)
                clauses.append(Clause(words, role, number, opens, line.rstrip().endswith("?")))
                opens = False
    return clauses


def _plain(line: str) -> str:
    return " ".join(word.text for word in split_words(line))


def _role(plain: str, *, besides: bool) -> str:
    if _NEGATION.search(plain):
        return "ruled_out"
    if _DONE.search(plain):
        return "done"
    if besides:
        return "besides"
    return "context" if _SELF.search(plain) or _ASIDE.search(plain) else "ask"
