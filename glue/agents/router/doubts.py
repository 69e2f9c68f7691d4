"""Reasons not to take a sentence as an order, given now, about a named thing.

A destructive command runs only when none of these holds: questions, conditions, refusals, reports of what has happened, plans for
later, wishes, jokes, and "all of them".
"""

import re

from glue.agents.words import fold

_DESTRUCTIVE = (
    r"(?:suspend|susp|lock\w*|block|bloque|bloquea|freez|cancel|terminat|end\b|ends\b|close|clos|quit|annul|resili|kundig|beend|encerr|eras|delet|wip|purg|destroy|losch|supprim"
    r"|effac|borr|elimin|apag|revok|invalid|kill|withdraw|issu|widerruf|revoq|anul|revog|reissu|rotate|remov|deactivat|detach|unregist|drop|entfern|retir|desactiv"
    r"|desativ|quit|remova|restor|roll|overwrit|spiel|restaur|appl|execut|carry|wend|aplic|stop|abort|halt|brich|abbrech|arret|detene|deten|pare|sperr|shut"
    r"|disabl|cut|rid)\w*"
)
_PAST = (
    r"(?:suspended|locked|blocked|froze|frozen|cancell?ed|terminated|ended|closed|erased|deleted|wiped|purged|destroyed|revoked|invalidated|killed|withdrew|withdrawn|reissued"
    r"|rotated|removed|deactivated|detached|unregistered|dropped|restored|rolled|overwrote|overwritten|applied|executed|stopped|aborted|halted|disabled)"
)
_BASE = (
    r"(?:suspend|lock|block|freeze|cancel|terminate|end|close|erase|delete|wipe|purge|destroy|revoke|invalidate|kill|withdraw|reissue|rotate|remove|deactivate|detach|unregister|drop"
    r"|restore|roll|overwrite|apply|execute|stop|abort|halt|disable|issue)\b"
)
_REQUEST = re.compile(
    r"^(?:please |and |so |bitte |hi |hey |hello |\W)*(?:can|could|will|would) you\b|^(?:kannst|konntest|konnen|konnten|wurdest|wurden) (?:du|sie)\b|^(?:peux|pourrais) tu\b"
    r"|^(?:pouvez|pourriez) vous\b|^(?:puedes|podrias|puede|podria)\b|^(?:voce )?(?:pode|poderia)\b|\bplease\?$"
)
_PATTERNS = {
    "condition": r"\b(?:s'ils?(?! (?:te|vous) plait)|assuming|depending on|subject to|pending|only (?:after|when|with|once|if|by)|wait (?:for|until)|before (?:you|we|anyone|anybody|i)\b|erst (?:wenn|nach)"
    r"|aber erst|solange|warte|a menos que|a no ser|salvo|sauf|solo (?:despues|con|si)|(?:mais )?seulement (?:apres|avec|si)|mas so|so (?:depois|com|se)|attends|espera"
    r"|if|unless|(?<!at )once|as soon as|in case|provided|whenever|should they|wenn|falls|sobald|sofern|a moins|des que|lorsque|en cas|en cuanto|cuando|siempre que"
    r"|caso|assim que|quando)\b|^si\b(?!,)|[,.] si\b|^se\b|[,.] se\b|\bwhen\b(?! (?:was|did|does|is|will))|\bafter (?:the|their|they|that|it|he|she|we)\b",
    "refusal": rf"\b(?:do not|don't|dont|never|mustn't|must not|shouldn't|should not|nobody should|no one should|not to|not|hold off|wait with|against|no longer want|leave\b.*\balone"
    rf"|nicht|kein\w*|niemals|ne|pas|surtout pas|jamais|no|nunca|nao|sin|sem|without|instead of|rather than)\b(?:\W+\w+){{0,4}}?\W+{_DESTRUCTIVE}"
    rf"|{_DESTRUCTIVE}(?:\W+\w+){{0,4}}?\W+(?:nicht|nichts|pas|nothing|nobody|nada|yet|noch nicht)\b|\b(?:hold off|wait with|don't touch|leave .* alone)"
    rf"|\b(?:nobody|no one|never|least of all|let alone|under no circumstances|by no means|auf keinen fall|keinesfalls|de ninguna manera|de jeito nenhum|surtout pas|en aucun cas)\b.*{_DESTRUCTIVE}"
    rf"|\b(?:agreed|decided|chose|promised|asked|told)(?: \w+)? not to\b|\b(?:mistake|sin|shame|pity|hate|wrong) to\W+{_DESTRUCTIVE}",
    "later": r"\b(?:during the|at (?:midnight|noon|the end of|\d+)|tonight|as long as|starting (?:from )?(?:next|on)|(?:on|from) (?:the )?\d+\w* (?:of )?[a-z]+|(?:on|from) (?:january|february|march|april|may|june|july|august|september|october|november|december) \d+|not (?:today|yet|now)"
    r"|ende (?:der|des)|am (?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|monatsende|wochenende)|heute (?:abend|nacht)|(?:el|na|no) (?:lunes|martes|miercoles|jueves|viernes"
    r"|sabado|domingo|segunda|terca|quarta|quinta|sexta)|esta (?:noche|noite)|hoje a noite|a fin de|no fim d|(?:a la )?fin (?:du|de la) (?:mois|semaine)|ce soir|lundi|mardi|mercredi|jeudi|vendredi"
    r"|samedi|dimanche|tomorrow|next (?:week|month|year|monday|tuesday|wednesday|thursday|friday|saturday|sunday)|later|one day|some ?day|eventually|in (?:two|three|a few|\d+) (?:days|weeks|months)"
    r"|(?:after|over) the weekend|on (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)|by (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|then|tomorrow)"
    r"|morgen|ubermorgen|nachste\w*|spater|irgendwann|demain|plus tard|un jour|prochaine?|(?<!por la )manana|mas tarde|algun dia|proxim\w*|amanha|mais tarde|um dia)\b",
    "wish": r"\b(?:i suppose|inclined|had better|could be|suppose|imagine|pretend\w*|in theory|theoretically|hypothetical\w*|remind me|ready to|supongamos|imaginons|maybe|perhaps|possibly|might|should|ought|shall|thinking (?:about|of)|considering|feel like|would be (?:great|nice|good|wise)|i'd love|i would love|i wish"
    r"|not sure|unsure|wonder\w*|tempted|i guess|someone could|vielleicht|eventuell|sollten?|ob wir|uberlege\w*|peut etre|devrai\w*|faut il|j'aimerais|quizas?|tal vez|deberia\w*"
    r"|me gustaria|talvez|dever(?:ia|iamos)|devemos|gostaria|ou nao)\b",
    "reluctance": r"\b(?:(?:only|just) an? \w+ would|no way|or rather|or not|better not|undecided|just asking|no one ever|refrain|there's no (?:need|reason)|no need|(?:is not|isn't) time|let's not|prepare to|test whether|check whether)\b"
    r"|\b(?:dagegen|no digas|nao digas|ne dis pas|sag nicht|lieber nicht|besser nicht|mejor no|plutot pas|melhor nao)\b",
    "joke": r"\b(?:phew|gotcha|kidding|plaisante|ha|haha\w*|lol|kidding|joking|joke|jk|just for fun|scherz|witz|blague|rigole|broma|jaja\w*|brincadeira|kkk\w*|rs)\b",
    "many": r"\b(?:all|every|each|any|alle|jeden?|samtliche|tous|toutes|chaque|todos|todas|cada) (?:the |of |of the |our |their |its |his |die |der |les |los |las |os |as |nos |ses |sus )?"
    r"(?:\w+ )?(?:tenants?|customers?|clients?|clientes?|users?|accounts?|licen[sc]es?|keys?|licencias?|licencas?|machines?|computers?|laptops?|runs?|plans?|backups?|mandanten|kunden|lizenzen"
    r"|rechner|laufe|maquinas?|equipos|execucoes|ejecuciones|executions?|others?|rest|ones?|morosos)\b|\b(?:everyone|everybody|whichever|whoever|whatever|all of (?:them|you)|them all"
    r"|or another|either|one of|irgendein\w*|n'importe|cualquier\w*|qualquer)\b",
    "quotation": rf"[\"“”«„][^\"“”«»„]*{_DESTRUCTIVE}[^\"“”«»„]* [^\"“”«»„]*[\"“”»]|(?:^|[\s:])'[^']*{_DESTRUCTIVE} [^']*'"
    r"|\b(?:(?:said|says|wrote|writes|reads?) ?:|told (?:me|us) to|asked (?:me|us) (?:to|whether|if)|they say|i heard|rumou?r)",
    "indirect": rf"\b(?<!want you )(?<!need you )(?<!like you )(?<!ask you )(?<!told you )(?<!decided )(?<!time )(?:to|i|we|they|he|she|who|one|that we|may|must i|lets me) (?:\w+ )?{_BASE}",
    "report": r"\b(?:nearly|almost|accidentally|by accident|by mistake|i just) \w+ed\b|\b(?:i|we|he|she|they|who|someone|somebody) (?:nearly |almost |once |just |already )?"
    rf"{_PAST}\b|\b(?:was|were|had been|has been|have been|got|been) (?:already |just )?(?:suspended|cancell?ed|erased|deleted|revoked|removed|restored|applied|stopped|reissued|locked|killed)"
    r"|\b(?:i|we|he|she|they|colleague|somebody|someone|already)(?:'ve| have| has| had)? (?:already |just )?(?:suspended|cancell?ed|erased|deleted|revoked|removed|restored|applied|stopped|reissued)\b"
    r"|\bwurden? .*(?:gesperrt|geloscht|gekundigt|entfernt)|\ba ete (?:suspendu|supprime|annule|revoque)|\b(?:fue|ha sido|foi) (?:suspendid|cancelad|borrad|revocad|eliminad|suspens|apagad|revogad)\w*",
}
_COMPILED = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}
_ASKING = re.compile(
    r"^(?:who|what|which|how|when|where|why|is|are|was|were|does|do(?! (?:it|this|that|so)\b)|did|has|have|can|could|should|shall|may|might|would|will|wer|was|wie|wann|warum|darf|kann|soll\w*|muss"
    r"|comment|pourquoi|que se passe|est ce|faut|peut on|como|por que|que pasa|se puede|debo|deberiamos|o que acontece|devo|devemos|posso)\b"
)
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+(?![\s\"”»']|$)[^.!?\n]*)*[.!?]*")  # a file name's dot ends nothing
_ORDER = re.compile(
    rf"\b(?!{_PAST}\b){_DESTRUCTIVE}|\b(?:must|needs?|has|have|is|are|want\w*) (?:.* )?(?:be |it |them )?{_PAST}\b|^(?:please )?(?:have|get) .*{_PAST}\b"
)
_REPORTED = re.compile(rf"\b{_PAST}\b")


def find_doubts(text: str) -> set[str]:
    """Names of the reasons: condition, refusal, later, wish, reluctance, joke, many, quotation, indirect, report, question."""
    found: set[str] = set()
    orders = False
    for match in _SENTENCE.finditer(text.replace("Sí", "Ja").replace("sí", "ja")):
        plain = fold(match.group()).strip(" ¿¡\"'")
        plain = re.sub(r"(?<=\w)-(?=\w)", " ", plain)
        request = bool(_REQUEST.search(plain.rstrip(" ?")) or _REQUEST.search(plain))
        asking = (plain.endswith("?") or _ASKING.search(plain)) and not request
        doubts = {name for name, pattern in _COMPILED.items() if pattern.search(plain)}
        if asking:
            doubts.add("question")
        if _ORDER.search(plain) and not doubts:
            orders = True
        found |= doubts
    return found - {"report", "question", "indirect"} if orders else found
