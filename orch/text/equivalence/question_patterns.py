"""Question patterns: the openings of each kind of question.

Each is a regular expression, the kind of question, and the rest of the text; they are tried in
order, on text whose wording is normalized.
"""

from __future__ import annotations

import re
from functools import lru_cache

from orch.text.equivalence.vocabulary import TECH

_VIA = "|".join(re.escape(name) for name in sorted(TECH))
QUESTION_PATTERNS: list[tuple[str, str, str]] = [
    (r"^cause (.+)$", "cause", r"\1"),
    (
        rf"^what is the ({_VIA})(?: command| code| query| syntax)? (?:to|for|that) (.+)$",
        "howto",
        r"\2 with \1",
    ),
    (
        r"^(?:what|which) (?:is|are) (?:the |a |some )?(?:best |right |proper |correct |good |usual )?(?:ways?|methods?|steps"
        r"|commands?|procedure) (?:to|of|for|that) (.+)$",
        "howto",
        r"\1",
    ),
    (r"^(?:explain |show |describe )?how to (.+)$", "howto", r"\1"),
    (
        r"^(?:explain |show )?how (?:do|can|could|would|should|might) (?:i|we|one|you(?! (?:feel|work|know|think|like|sleep|live|want|look|help|do)\b)) (.+)$"
        r"|^(?:explain |show )?how (?:i|you|we|one) can (.+)$",
        "howto",
        r"\1\2",
    ),
    (r"^(?:steps|tips|consejos|pasos) (?:to|for|para) (.+)$", "howto", r"\1"),
    (
        r"^(?:(?:give|da|show|write|escribe) )?(?:(?:a|the|una|la) )?(?:recipe|receta) (?:for|of|de|del|para)(?: hacer| making| make)? (.+)$",
        "howto",
        r"make \1",
    ),
    (
        r"^cual(?:es)? (?:es|son) (?:la|el|los|las) (?:mejor )?(?:forma|manera|modo|metodo|comando|pasos) (?:de|para|que) (.+)$",
        "howto",
        r"\1",
    ),
    (
        r"^(?:explica |muestra )?(?:como|de que (?:forma|manera|modo)) (?:puedo|podria|podemos|se puede|se podria|debo|se debe"
        r"|hago para|se hace para|hay que) (.+)$",
        "howto",
        r"\1",
    ),
    (
        r"^(?:explica |muestra )?(?:como|de que (?:forma|manera|modo)) (?:se|me) (.+)$",
        "howto",
        r"\1",
    ),
    (
        r"^(?:explica |muestra )?(?:como|de que (?:forma|manera|modo)) (\w+(?:o|oy|ar|er|ir|arse|erse|irse|arlo|amos|emos"
        r"|imos)\b.*|(?:make|convert|delete|summarize|enable|disable|configure|backup|login|logout|find|count)\b.*)$",
        "howto",
        r"\1",
    ),
    (
        r"^(?:explain |describe )?how (?:do |does |did |is |are |was |were )?(?!many|much|long|often|come)(.+)$|^(?:explica )?como (.+)$",
        "how",
        r"\1\2",
    ),
    (
        r"^how many (.+?) (?:do|does|did) (.+) have((?: in .+)?)$|^cuant[ao]s (.+?) tienen? (.+)$",
        "how many",
        r"\1\4 \2\5\3",
    ),
    (r"^how many (.+)$|^cuant[ao]s (.+)$", "how many", r"\1\2"),
    (
        r"^how long (?:does it take|do i need|will it take) to (.+)$|^how much time (?:does it take|do i need|is needed) to (.+)$",
        "how long",
        r"\1\2",
    ),
    (
        r"^cuanto (?:tiempo )?(?:se tarda|tarda|tardo|lleva|se necesita|hace falta) (?:en|para)? ?(.+)$",
        "how long",
        r"\1",
    ),
    (r"^(?:calculate|compute|calcula|how much is|cuanto es|cuanto son) (.+)$", "list", r"\1"),
    (r"^how (much|long|often|come) (.+)$", r"how \1", r"\2"),
    (r"^cuant(?:o|a) (.+)$", "how much", r"\1"),
    (r"^(?:explain |describe |explica |tell )?(?:why|por que) (.+)$", "why", r"\1"),
    (r"^(?:when|in (?:what|which) year|what year|cuando|en que año) (.+)$", "when", r"\1"),
    (
        r"^(?:where|donde) (?:is |are |esta |estan |se encuentra |se encuentran |queda )?(.+)$",
        "where",
        r"\1",
    ),
    (r"^(?:who|quien(?:es)?) (.+)$", "who", r"\1"),
    (
        r"^(?:what|which) is (.+) used for$|^what is (.+) for$|^para que (?:sirven?|se usan?|se utilizan?) (.+)$"
        r"|^que utilidad tienen? (.+)$",
        "use",
        r"\1\2\3\4",
    ),
    (
        r"^what (?:is|are) the (?:purpose|use) of (.+)$|^cual es la utilidad de (.+)$",
        "use",
        r"\1\2",
    ),
    (r"^what (?:do|does) (.+) do( in .+)?$|^que hacen? (.+)$", "does", r"\1\2\3"),
    (r"^what stand (.+)$", "what", r"stand \1"),
    (
        r"^que (ventajas|desventajas|beneficios|inconvenientes|sintomas|funciones) (?:tienen?|ofrecen?|presentan?"
        r"|hay en) (?:(?:usar|utilizar|el uso de|using) )?(.+)$",
        "what",
        r"\1 de \2",
    ),
    (
        r"^what (advantages|disadvantages|benefits|drawbacks|symptoms) (?:do|does) (.+) (?:have|offer)$",
        "what",
        r"\1 of \2",
    ),
    (
        r"^(?:what are|cuales son|list|enumera|give|da|di|tell|name|summari[sz]e|resume|explain|explica) (?:some |the |las |los |algunas |algunos )?"
        r"((?:main )?(?:advantages|disadvantages|benefits|drawbacks|symptoms|ventajas|desventajas|beneficios|inconvenientes|sintomas)\b.*)$",
        "what",
        r"\1",
    ),
    (
        r"^((?:ventajas|desventajas|beneficios|inconvenientes|sintomas|advantages|disadvantages|benefits) (?:of|de|e|y|and) .+)$",
        "what",
        r"\1",
    ),
    (
        r"^(?:give|suggest|what are|da|sugiere|dime|di) (?:some )?(synonyms?|sinonimos) (?:for|of|de|para) (.+)$",
        "what",
        r"synonym of \2",
    ),
    (r"^(?:explain |describe )?what (?!is |are |was |were )(.+) (?:is|are)$", "explain", r"\1"),
    (
        r"^(?:explain|explica) (?:what|que) (?:is|are|es|son) (.+)$|^(?:explain|explica|tell about) (.+)$",
        "explain",
        r"\1\2",
    ),
    (
        r"^(?:define|what is the definition of|give a definition of|da una definicion de) (.+)$",
        "define",
        r"\1",
    ),
    (
        r"^(?:list|enumera|name|give|tell|di|dime|da) (?:the|all the|el|la|los|las) (.+)$",
        "list",
        r"\1",
    ),
    (r"^(?:que|cual(?:es)?) (?:es|son) (.+)$|^(?:what|which) (?:is|are) (.+)$", "what", r"\1\2"),
    (r"^(?:what|which) (?:do|does|did) (.+)$", "what object", r"\1"),
    (r"^(?:what|which) (.+)$|^(?:que|cual(?:es)?) (.+)$", "which", r"\1\2"),
    (
        r"^(?:is it possible to|is it possible for me to|can (?:i|we|one)|es posible|se puede|puedo|podemos) (.+)$",
        "can",
        r"\1",
    ),
    (r"^can (.+)$|^puede[ns]? (.+)$", "can", r"\1\2"),
    (r"^(?:should (?:i|we|one)|deberia(?:mos)?|debo) (.+)$", "should", r"\1"),
    (r"^(?:is it|is|are|do|does|did|was|were|es|son|esta|estan|hay) (.+)$", "yes or no", r"\1"),
    (
        r"^(?:write|create|generate|draft|compose|escribe|crea|genera|redacta|haz|give|da|i need|necesito|i want|quiero|i would like|quisiera|make) "
        r"(?:a|an|un|una) ((?:\S+ ){0,3}?(?:function|script|program|regex|query|poem|haiku|letter|email|summary|story|essay|tweet"
        r"|funcion|programa|consulta|poema|carta|correo|resumen|cuento)\b.*)$",
        "write",
        r"\1",
    ),
    (r"^(?:tell|cuenta|di|give|da) (?:a|un) (joke|chiste)(.*)$", "write", r"\1\2"),
    (r"^(?:give|suggest|da|sugiere|recommend|recomienda) (.+)$", "give", r"\1"),
]


@lru_cache(maxsize=1)
def _compiled() -> list[tuple[re.Pattern[str], str, str]]:
    """The question patterns, compiled on first use."""
    return [(re.compile(pattern), kind, to) for pattern, kind, to in QUESTION_PATTERNS]


def split_question(text: str) -> tuple[str, str]:
    """The kind of question, and the rest of the text without its opening."""
    for pattern, kind, to in _compiled():
        if match := pattern.match(text):
            return match.expand(kind), match.expand(to)
    return "", text
