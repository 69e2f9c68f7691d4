"""Forms of secrets, postal addresses and the words that announce a name, in five languages: what ``privacy`` looks for."""

import re

_VALUE = r"(?P<v>(?!\$|<|\*|x{3}|your|change|xapp-REPLACE|REPLACE)[^\s\"'`<>,;]{8,200})"
SECRETS = (
    re.compile(r"(?P<v>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----)", re.DOTALL),
    re.compile(r"(?P<v>\b[a-z][a-z+]{1,20}://(?!USER:)[^\s:/@\"']*:[^\s@/\"'$<*{]{3,}@[^\s\"'<>)]+[^\s\"'<>).,;])"),
    re.compile(r"(?P<v>\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,})"),
    re.compile(r"(?<![\w-])(?P<v>(?:sk|rk)_(?:live|test)_\w{12,}|sk-[\w-]{16,}|gh[opsur]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})"),
    re.compile(
        r"(?<![\w-])(?P<v>(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|whsec_[\w+/=-]{12,}|xox[abprs]-(?!REPLACE)[\w-]{12,}|npm_\w{30,}|(?:admin|prod|activ)-[0-9a-f]{16,}\w*)"
    ),
    re.compile(
        rf"(?i)(?<!\w)(?:\w{{0,40}}?(?:secret|password|passwd|passwort|contraseña|senha|api_?key|token|secret_access_key))[\"']?\s*[:=]\s*[\"']?{_VALUE}"
    ),
    re.compile(r"(?i)\b(?:bearer|basic)\s+(?P<v>[\w.+/=-]{16,})"),
)

_NUMBER = r"\d{1,5}(?:[ -]?[a-zA-Z]\b| bis)?"
_STREET_EN = r"(?:Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Drive|Dr|Court|Ct|Row|Way|Place|Pl|Square|Terrace|Boulevard|Blvd|Crescent|Close|Quay|Hill|Walk)\b\.?"
_WORDS = r"[A-ZÀ-Ý][^\W\d_]*(?!\w)\.?(?:[ '’-](?:of|the|de|la|du|des|der|den|da|do|dos|das|[A-ZÀ-Ý][^\W\d_]*(?!\w)\.?)){0,4}"
_PLACE = rf"(?:[,;]?[ \n]{{1,2}}(?:(?:D-|F-|CH-|AT-)?\d{{4,5}}(?:-\d{{3}})? {_WORDS}|\d{{5}}-\d{{3}}|{_WORDS}(?: - [A-Z]{{2}})?(?:,? (?:[A-Z]{{2}} \d{{5}}|[A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}))?|[A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}|[A-Z]{{2}} \d{{5}}))"
_INNER = r"(?:, (?:(?:apto|Apt|Suite|Unit|Flat|piso|dpto)\.? ?\w{1,5}|\d\.?[ºo] ?\w{0,4}\.?))?"
POSTAL = re.compile(
    rf"(?<!\w)(?:(?:Flat|Unit|Apt|Suite|House) \w{{1,4}}, (?:{_WORDS}, )?|[A-Z][a-z]+ House, )?{_NUMBER} (?:[A-Z][\w'’-]* ){{1,3}}{_STREET_EN}{_INNER}{_PLACE}{{0,3}}"
    rf"|(?<!\w){_NUMBER}(?:, ?| )(?:rue|avenue|boulevard|place|chemin|allée|quai|impasse) [\w'’ -]{{2,40}}?{_PLACE}{{1,2}}"
    rf"|(?<!\w)(?:C/|Calle|Avenida|Av\.|Plaza|Paseo|Rua|Travessa|Praça) ?[\w'’. ]{{2,40}}, ?{_NUMBER}{_INNER}{_INNER}{_PLACE}{{0,3}}"
    rf"|(?<!\w)(?:[A-ZÄÖÜ][\w-]*(?:straße|strasse|str\.|weg|gasse|platz|allee|ufer|damm)|(?:Am|An der|Auf dem|Im|Zum|Zur) (?!Rechnung|Bestellung|Vertrag)[A-ZÄÖÜ][\w -]{{2,25}}) {_NUMBER}{_PLACE}?"
    rf"|(?<!\w)(?:P\.?O\.? Box|Postfach) \d{{1,6}}{_PLACE}{{0,2}}"
)

_PART = r"(?:[A-ZÀ-ÝŁŚŻ][a-zà-ÿłśźżńćęąěščřžýů]+(?:[A-Z][a-zà-ÿ]+)?(?:-[A-ZÀ-Ý][a-zà-ÿ]+)?|O['’][A-Z][a-z]+|[A-Z]\.)"
_NAME = rf"(?P<v>{_PART}(?: (?:(?:van|von|de|da|do|dos|der|den|del|la|La|el|al|bin|y|e) ){{0,2}}{_PART}){{0,3}})"
_FULL = _NAME.replace("{0,3})", "{1,3})")
_CAPS = r"(?P<v>[A-Z]{2,}(?: [A-Z]\.)?(?: [A-Z]{2,}){1,2})"
CONTEXT_NAMES = (
    re.compile(
        rf"(?:[Tt]his is|[Mm]y name is|I am|I['’]m|[Ii]ch heiße|[Mm]ein Name ist|[Jj]e m['’]appelle|[Mm]e llamo|[Ss]oy|[Mm]eu nome é|[Aa]qui é [ao]|[Cc]hamo-me) {_NAME}"
    ),
    re.compile(rf"\b(?:Dr|Mr|Mrs|Ms|Prof|Herr|Herrn|Frau|Sr|Sra|Señor|Señora|Madame|Monsieur|Mme|Dona)\.? {_NAME}"),
    re.compile(
        rf"(?m)^(?:(?:[Bb]est|[Kk]ind) )?(?:[Rr]egards|[Cc]heers|[Tt]hanks|[Mm]erci|[Gg]rüße|[Vv]iele Grüße|[Mm]it freundlichen Grüßen|[Ss]aludos|[Cc]ordialement|[Aa]braços|--),?[ \n]+(?:Dr\. |Prof\. )?{_NAME}"
    ),
    re.compile(
        rf"(?i:name|nom|nombre|nome|kontoinhaber(?: ist)?|author|autor|contact|patient|payee|holder|employee)[\"']? ?[:=(]? ?[\"']?(?<=[:=\"' (]){_FULL}"
    ),
    re.compile(
        rf"\b(?:[Cc]all|[Tt]ell|[Ww]rite to|[Aa]sk|[Cc]ontact|[Rr]eminder to|form for|[Mm]ove|[Pp]lease move|licence to|license to|copia a|correo para|remboursement à|für|an) {_FULL}"
    ),
    re.compile(rf"\b(?:[Tt]ell|copia a|Dear|Hello|Hi|Hallo|Liebe|Lieber|Bonjour|Hola|Olá) {_NAME}(?=[ ,!.]|$)"),
    re.compile(rf"{_FULL}(?= ?(?:\([\w.+-]+@|<[\w.+-]+@|\((?:born|geb)))"),
    re.compile(rf"{_CAPS}(?=, (?:number|card|exp))"),
    re.compile(r"(?i:name)=(?P<v>[A-Z][a-z]+(?:%20|\+)[A-Z][a-z]+)"),
)
STOP_WORDS = frozenset(
    """a an the from team support all everyone there again yes no sir madam monday tuesday wednesday thursday friday saturday sunday
    not sure using trying glue coditect keycloak lago keygen api hi hello thanks please we you i it damen""".split()  # noqa: SIM905
)
