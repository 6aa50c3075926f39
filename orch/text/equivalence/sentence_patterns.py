"""Sentence patterns: contractions, politeness that is removed, and idioms that get one wording.

Each is a regular expression and its replacement, applied in order to folded text.
"""

from __future__ import annotations

import re
from functools import lru_cache

_TELL = (
    r"(?:tell|explain|write|give|show|list|summari[sz]e|translate|describe|generate|suggest"
    r"|recommend|draft|define|correct)"
)
_DI = (
    r"(?:dec|explic|escrib|d|mostr|enumer|resum|traduc|describ|gener|suger|recomend|redact|correg"
    r"|defin)(?:a|e|i)r"
)
"""Verbs that ask for a text, in English and in Spanish."""
POLITE = [
    (r"^(?:please|por favor|hey|hi|hello|hola|oye|ok)(?: ,)? (?=\S)", ""),
    (r"(?: ,)? (?:please|por favor)$", ""),
    (rf"^(?:can|could|would|will) you (?:please )?(?={_TELL}\b)", ""),
    (rf"^(?:me )?(?:puedes|podrias|puede|podria) (?=({_DI}))", ""),
    (r"^(?:i would like|i want|i need) to (?:know|understand) ", ""),
    (r"^(?:me gustaria|quisiera|quiero|necesito) (?:saber|entender) ", ""),
    (
        r"^(?:do you know|sabes|tell me|dime|decirme|decir) (?=what|why|how|when|where|who|which|que |por que|como|cuando|donde|quien|cual|cuant|if |si )",
        "",
    ),
    (r"^(explain|give|write|show|tell|suggest|list|sugiere) (?:to )?(?:me|us) ", r"\1 "),
    (r"^(explain .*) to me$", r"\1"),
    (
        r"^(explica|escribe|crea|haz|da|di|cuenta|muestra|sugiere|recomienda|resume)r?(?:me|nos) ",
        r"\1 ",
    ),
    (r"^(?:explicar|describir) ", "explica "),
    (r"^(?:in|on|with|using|en|con) (\S+) , (.+)$", r"\2 in \1"),
    (r"^is it true that ", "do "),
]
CONTRACTIONS = [
    (r"\bwhat(?:'| i)s\b", "what is"),
    (r"\b(how|who|where|when|it|that|there)'s\b", r"\1 is"),
    (r"\bcan't\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\bi'd\b", "i would"),
    (r"'(?:m|re|ve|ll)\b", ""),
    (r"(\w+)'s (\w+)$", r"\2 of \1"),
    (r"(\w)'s\b", r"\1 's"),
    (r"\bcannot\b", "can not"),
]
"""Applied first: politeness may contain one ("I'd like to know")."""
IDIOMS = [
    (r"\bw/o\b", "without"),
    (
        r"\b(?:ww1|wwi|(?:world war|guerra mundial) (?:i|1)|(?:first world war|primera guerra mundial))\b",
        "ww1",
    ),
    (
        r"\b(?:ww2|wwii|(?:world war|guerra mundial) (?:ii|2)|(?:second world war|segunda guerra mundial))\b",
        "ww2",
    ),
    (r"\bbases? de datos\b|\bdata ?bases?\b", "database"),
    (r"\b(?:copias?|copia) de seguridad\b", "backup"),
    (r"\b(?:hac(?:er|e)|hago|make|create|take) (?:a |una )?backup(?: de| of)?\b", "backup"),
    (r"\b(?:respald(?:o|ar|a)|back up)\b", "backup"),
    (r"\baprendizaje automatico\b|\bmachine learning\b", "machine-learning"),
    (r"\braiz cuadrada\b|\bsquare root\b", "square-root"),
    (r"\borientad[oa]s? a~? objetos\b|\bobject oriented\b", "oop"),
    (r"\bguerra civil\b|\bcivil war\b", "civil-war"),
    (r"\bvirtual ?env(?:ironment)?\b|\bvenv\b", "virtual environment"),
    (
        r"\b(?:log|sign) in(?: to|to)\b|\b(?:log|sign) in$|\binici(?:o|ar|a) sesion(?: en)?\b",
        "login",
    ),
    (r"\b(?:log|sign) out(?: of)?\b|\bcierr(?:o|a) sesion\b|\bcerrar sesion\b", "logout"),
    (r"\b(?:turn|switch) on\b", "enable"),
    (r"\b(?:turn|switch) off\b", "disable"),
    (r"\bset up\b", "configure"),
    (r"\bshut down\b", "shutdown"),
    (r"\bd(?:ar|oy|a)(?:le)? la vuelta a~? ", "invertir "),
    (r"\bget rid of\b", "delete"),
    (r"\b(una|la|mi) red\b", r"\1 network"),
    (r"\b(?:search|look) for\b|\bfind out\b", "find"),
    (r"\bcount (?:the )?number of\b|\bcontar el numero de\b", "count"),
    (r"^como (puedo )?cuento ", "como contar "),
    (r"\bdon (?:quijote|quixote)\b", "quixote"),
    (r"\bprueba unitaria\b|\btest unitario\b|\bunit test\b", "unit-test"),
    (r"\bpruebas unitarias\b|\btests unitarios\b|\bunit tests\b", "unit-tests"),
    (r"\b(?:running|listening) on port\b", "on port"),
    (
        r"^(?:is there|hay) (?:a|any|an|alguna|una) (?:easy )?(?:way|forma|manera) (?:to|de|of) ",
        "how to ",
    ),
    (r"^i (?:want|need|would like) to ", "how to "),
    (r"^(?:quiero|necesito|quisiera) (?=\w+[aei]r\b)", "how to "),
    (
        r"\bmake (.+) faster$|\bspeed up (.+)$|\bhacer (?:que )?(.+) mas rapid[oa]$|\baceler(?:o|ar) (.+)$",
        r"speed-up \1\2\3\4",
    ),
    (
        r"\b(?:send|make|do|perform|hago|hacer|hace|envio|enviar) (?:an? |una? )?(?:http )?(?:(?:peticion|solicitud) )?(get|post|put|delete)(?: request)?\b",
        r"make request-\1",
    ),
    (r"\b(?:iterate|loop) (?:over|through)\b|\biter(?:o|ar) sobre\b", "iterate"),
    (
        r"\b(?:give|make|write|haz|da|hacer|escribe) (?:a|un) (?:summary|resumen) (?:of|de)\b",
        "summarize",
    ),
    (
        r"\b(advantages|benefits|drawbacks|disadvantages|ventajas|desventajas|beneficios|inconvenientes) (of|de|in|en) (?:using|usar|utilizar|el uso de) ",
        r"\1 \2 ",
    ),
    (r" (?:located|situated|ubicad[oa]|situad[oa])$", ""),
    (r"\bconsidered (?=an? )", ""),
    (r"^what (?:is|are) (.+) used for$", r"what is \1 for"),
    (r"\bturn (.+?) into\b", r"convert \1 to"),
    (r"\bmost recent\b|\bmas reciente\b", "last"),
    (r"\bin order to\b", "to"),
    (r"\bcon el fin de\b|\bpara que\b", "para"),
    (r"\b(?:instead of|rather than|en lugar de|en vez de)\b", "instead"),
    (r"\bantes de(l)?\b|\bbefore\b", "before"),
    (r"\bdespues de(l)?\b|\bafter\b", "after"),
    (
        r"\b(?:without (?:an? )?|sin )gpu\b|\b(?:on|with) (?:the |a )?cpu(?: only)?$|\bonly on (?:the |a )?cpu\b|\b(?:en"
        r"|con) (?:la )?cpu(?: solo| solamente)?$",
        "without gpu",
    ),
    (r"\bgoing to |\bv(?:a|an) a~? ", "will "),
    (r"\bgrados? (celsius|centigrados|fahrenheit)\b|\bdegrees? (celsius|fahrenheit)\b", r"\1\2"),
    (r"\bpor ?ciento\b", "percent"),
    (r"(\d) (?:por|times|x|multiplied by) (\d)", r"\1 * \2"),
    (r"(\d) (?:mas|plus) (\d)", r"\1 + \2"),
    (r"(\d) (?:menos|minus) (\d)", r"\1 - \2"),
    (r"\bmenos (\w+) que\b|\bless (\w+) than\b", r"less \1\2 than"),
    (r"\bmas (\w+) que\b", r"more \1 than"),
    (r"\b(?:el|la|los|las) mejor(?:es)?\b|^mejores\b", "best"),
    (r"\bmas rapido\b(?! que)", "faster"),
    (r"\bmejor\b", "better"),
    (
        r"\bmas (grande|pequeñ[oa]|larg[oa]|cort[oa]|alt[oa]|rapid[oa]|lent[oa]|viej[oa]|antigu[oa]|barat[oa]|car[oa]|profund[oa]"
        r"|importante|famos[oa]|ric[oa]|pobre|peligros[oa])s?\b",
        r"most \1",
    ),
    (r"\b(mayor|menor) (planeta|pais|ciudad|lago|oceano|rio|desierto|isla)\b", r"\1~ \2"),
    (r"\b(?:cual|que)(?:es)? (\S+) (?:es|son) (el|la) (most|best)\b", r"cual es \2 \1 \3"),
    (r"\b(?:the )?acronym (?=\S+ stand)", ""),
    (
        r"^(?:at )?what temperature (?:do|does) (.+) boil$|^a~? que temperatura hierve (.+)$",
        r"what is the boiling point of \1\2",
    ),
    (r"\bpunto de ebullicion\b", "boiling point"),
    (
        r"^(?:what|how many|que) (?:people live in|habitantes (?:tiene|hay en)|personas viven en|gente vive en) ",
        "what is the population of ",
    ),
    (
        r"^how many people (?:live|are there) in |^cuant[ao]s? (?:habitantes|personas|gente) (?:tiene|hay en|viven? en) ",
        "what is the population of ",
    ),
    (
        r"^how (?:tall|high) (is|are) |^cuanto mide(?:n)? |^que altura tiene(?:n)? ",
        "what is the height of ",
    ),
    (
        r"^how old (?:is|are) |^cuantos años tiene(?:n)? |^que edad tiene(?:n)? ",
        "what is the age of ",
    ),
    (r"^how (?:heavy (?:is|are)) |^cuanto pesan? ", "what is the weight of "),
    (r"^how much (?:do|does) (.+) weigh$", r"what is the weight of \1"),
    (
        r"^how much (?:do|does) (.+) cost$|^how much (?:is|are) (?!\d)(.+)$|^cuanto (?:cuestan?|vale|valen) (.+)$",
        r"what is the price of \1\2\3",
    ),
    (
        r"^how far (?:away )?(?:is|are) (.+) from (.+)$|^how far is it from (.+) to (.+)$|^a~? que distancia esta (.+) de (.+)$",
        r"what is distance between \1\3\5 and \2\4\6",
    ),
    (
        r"^(?:cual es la|que) distancia (?:hay )?(?:entre|de|desde) (.+) (?:y|a~|hasta) (.+)$",
        r"what is distance between \1 and \2",
    ),
    (
        r"^what is the distance (?:between|from) (.+) (?:and|to) (.+)$",
        r"what is distance between \1 and \2",
    ),
    (r"^how fast is ", "what is the speed of "),
    (
        r"^(?:how do|in what way do|in what ways do) (\S+ and \S+)(.*?) differ(?: from each other)?(.*)$",
        r"what is difference between \1\2\3",
    ),
    (
        r"^how (?:do|does|is|are) (\S+) (?:differ|different) from (\S+)(.*)$",
        r"what is difference between \1 and \2\3",
    ),
    (
        r"^(.+) vs (.+?) , (?:what is the|cual es la) (?:difference|diferencia)$",
        r"what is difference between \1 and \2",
    ),
    (
        r"^en que se diferencia (.+?) de(?: la| el| los| las| un| una|l)? (\S+)$",
        r"what is difference between \1 and \2",
    ),
    (r"^en que se diferencian? (.+)$", r"what is difference between \1"),
    (
        r"^(?:que|cual(?:es)?) (?:es |son )?(?:la |las )?diferencias? (?:hay |existe )?entre ",
        "what is difference between ",
    ),
    (
        r"^(?:what is|what are|explain|give|list|tell|explica|dime|cual es|di|enumera) (?:the |la |las )?(?:main )?differences? (?:between|entre) ",
        "what is difference between ",
    ),
    (
        r"^what does (.+?) mean( in .+)?$|^que (?:significa|quiere decir) (.+)$",
        r"what is the meaning of \1\2\3",
    ),
    (r"^what does (.+?) stand for$|^que significan las siglas (.+)$", r"what stand \1\2"),
    (
        r"^who (?:is|was) the (?:author|writer) of |^quien (?:es|fue) (?:el autor|la autora) de ",
        "who wrote ",
    ),
    (
        r"^who (?:is|was) the (?:painter) of |^quien (?:es|fue) (?:el pintor|la pintora) de ",
        "who painted ",
    ),
    (
        r"^who (?:is|was) the inventor of |^quien (?:es|fue) (?:el inventor|la inventora) de ",
        "who invented ",
    ),
    (
        r"^who (?:is|was) the discoverer of |^quien (?:es|fue) (?:el descubridor|la descubridora) de ",
        "who discovered ",
    ),
    (
        r"^what causes (.+)$|^what (?:is|are) the causes? of (.+)$|^why (?:does|do) (.+) (?:happen|occur)$",
        r"cause \1\2\3",
    ),
    (
        r"^que (?:causa|provoca) (.+)$|^cual(?:es)? (?:es|son) las? causas? de (.+)$|^por que (?:se produce|ocurre|hay) (.+)$",
        r"cause \1\2\3",
    ),
    (r"^(?:translate|traduce|traducir) (\"\S+) (?:to|into|in|al|a~|en) ", r"translate \1 to "),
    (
        r"^how (?:do|can|would) (?:you|i|we) say (\"\S+) in |^como se dice (\"\S+) en |^como digo (\"\S+) en ",
        r"translate \1\2\3 to ",
    ),
    (
        r"^how many (\w+) (?:is|are|in|are in|are there in) (\d\S*) (\w+)$|^cuant[ao]s (\w+) (?:son|hay en) (\d\S*) (\w+)$",
        r"convert \2\5 \3\6 to \1\4",
    ),
    (
        r"^(?:what is|how much is|cuanto (?:es|son)) (\d\S*) (\S+) (?:in|to|en) (\w+)$|^pasa (\d.*) a~? (\w+)$",
        r"convert \1\4 \2 to \3\5",
    ),
]
"""Different wordings of one meaning."""


@lru_cache(maxsize=1)
def _rewrites() -> list[tuple[re.Pattern[str], str]]:
    """All rewrites in the order of their application, compiled on first use."""
    table = [*CONTRACTIONS, *POLITE, *POLITE, *IDIOMS]
    return [(re.compile(pattern), to) for pattern, to in table]


def normalize_wording(text: str) -> str:
    """Removes politeness and gives synonymous idioms one wording."""
    for pattern, to in _rewrites():
        text = " ".join(pattern.sub(to, text).split())
    return text
