"""Distinguishes secrets from placeholders, types, labels and code among the values beside a
secret's name (pure)."""

from __future__ import annotations

import re
from enum import Enum, auto

from orch.text.redact.lazy_pattern import lazy_pattern
from orch.text.redact.secret_names import NameKind, classify_name, split_identifier
from orch.text.redact.vendor_key_detector import looks_like_key_material


class ValueStyle(Enum):
    """How a value stands beside its name."""

    QUOTED = auto()
    """In quotes, with a sign between: a literal."""
    TIGHT = auto()
    """`NAME=value`, as in a shell or an env file."""
    LOOSE = auto()
    """`name: value`, `name = value` without quotes: YAML, INI, or code with a variable."""
    WORD = auto()
    """After a space: `--password value`, netrc."""
    LIST = auto()
    """In quotes after a comma: `setenv("NAME", "value")`, or merely the next item of a list."""
    SENTENCE = auto()
    """`the password is value`."""


_PLACEHOLDER = lazy_pattern(
    r"""\[redacted|\$[A-Za-z_({@]|\$$|\{|<[A-Za-z_/{%$.]|%[({sdr]|%\w+%|\#\{|!\d|\#[0-9A-Fa-f]{3,8};?$|\\x[0-9a-f]|\(\w|\[[a-z]|\.\.\.|…|!(?:vault|Ref|Sub|GetAtt|ImportValue|secret|env_var)\b|[*•·.xX_\#?-]+$"""
    r"""|@(?:Microsoft|env|Value)|ENC\[|\\[nrt]|(?:secret|op|vault|env|ssm|sops|file|data):|(?:https?|file|ftp|git|s3|ssh|urn)[:]|vault\.|secrets?\.|process\.env"""
)
_HOLDS_PLACEHOLDER = lazy_pattern(
    r"(?i)(?<![a-z0-9])your(?![a-z0-9])|\$\{|\{\{|<[a-z][a-z _-]*>|\*{3}|x{5}|\.{3}|…|placeholder"
    r"|redacted|change[-_]me|replace[-_]?me|%\(|%s|insert[-_ ]|(?<![a-z])here$|enter[-_ ]|<%"
)
_PATH = lazy_pattern(r"[~.]{0,2}/[a-z_.][\w.-]*(?:/[\w. -]*)*$|[A-Za-z]:\\")
_CODE = lazy_pattern(
    r"(?:new |await |typeof |\*|&|not"
    r" |!|-|\()?[A-Za-z_]\w*(?:(?:\.|->|::|\?\.)[A-Za-z_]\w*|\[[\w\"']*\])*[\[({]"
)
_MINIFIED = lazy_pattern(r"(?:null|undefined|true|false|this|[A-Za-z_$]{1,2})(?:[)};,\]]|&&|\|\|)")
_DOTTED = lazy_pattern(r"[A-Za-z_]\w*(?:(?:\.|->|::|\?\.)[A-Za-z_]\w*)+[;,)]*$")
_TYPE = lazy_pattern(
    r"&(?:mut )?[A-Za-z_]\w*[;,)]*$|[A-Za-z_][\w.]*(?:\[\]|\?|\s*\|.*|<[\w<>, ]*>|\*)[;,)]*$"
)
_NAME = lazy_pattern(r"[A-Za-z_]+$")
_DATE = lazy_pattern(r"\d{1,4}[-/.:]\d{1,2}(?:[-/.:T]\d{1,4})?$")
_VOCABULARY = frozenset(
    "password passwords passwd pass pwd pw passphrase passcode secret secrets token tokens key keys"
    " api apikey credential credentials creds auth authorization authentication access private"
    " public client bearer session cookie clave claves contraseña contrasena contraseñas secreto"
    " login user username usuario name id value new old current confirm confirmation again repeat"
    " verify my the a your id type hash hashed field label account admin root db database jwt oauth"
    " refresh csrf xsrf ssh hidden plain encrypted string enter here data env input form model"
    " master app email mail text this of for is and".split()
)
_TYPES = frozenset(
    "str string strings int integer bool boolean bytes bytearray buffer char varchar nvarchar text"
    " any unknown object null nil none undefined void true false yes no on off number float double"
    " optional required secretstr password list dict array map self cls this default auto prompt"
    " stdin uint8array incomplete masked hidden redacted readonly static const final never pass"
    " return raise else lambda not and or if in is var let env file vault keychain keyring disabled"
    " enabled missing empty blank unset todo tbd fixme n/a na".split()
)
_TALK = frozenset(
    "required optional incorrect wrong invalid valid correct expired missing stored hashed"
    " encrypted needed visible hidden sent secure insecure weak strong too always never not still"
    " also only already safe unsafe protected public private different important minimum maximum"
    " must should cannot shall will where which what when that this there these those with without"
    " from into about because mandatory necessary stronger shorter longer based incorrecta"
    " incorrecto correcta inválida inválido válida válido obligatoria obligatorio necesaria"
    " necesario demasiado siempre nunca segura seguro débil fuerte larga largo corta corto distinta"
    " distinto diferente importante mínimo mínima máximo debe tiene puede todavía también porque"
    " cuando sensible opcional vacía vacío única único secreta secreto privada privado pública"
    " público válidas length characters letters digits caracteres".split()
)
_TALKING = lazy_pattern(r"(?:ed|ing|ly|able|less|ness|tion|ado|ada|ido|ida|mente|ción|ando|iendo)$")
_LABEL = frozenset(
    "enter please invalid required must forgot forgotten reset incorrect wrong missing should"
    " cannot can't optional confirm repeat choose type use set introduce ingrese ingresa escribe"
    " escriba introduzca obligatoria obligatorio repite confirma olvidaste olvidó mínimo minimum"
    " least characters caracteres letters failed error authentication authenticate login expired"
    " changed updated sent".split()
)
_SAYS = frozenset(
    "password passwords passwd passphrase contraseña contraseñas clave secret token key api"
    " credentials credential user username email".split()
)
_WORDY = lazy_pattern(r"_*[A-Za-z]+(?:[_./:-][A-Za-z]+)*[_./:-]?\d{0,4}")
_LETTERS = lazy_pattern(r"(?!!\d|#[0-9A-Fa-f]{3,8}$)[\w+/=.~:@%!$^&*#-]+")
_CUT = lazy_pattern(r"[._/:-]")
_PARTS = lazy_pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SIGN = lazy_pattern(r"[^\w\s.,;:'\"()\[\]/-]")
_NUMBERED = lazy_pattern(r"[A-Za-z_-]{1,5}[_-]?\d{1,2}|[A-Za-z]+[_-]\d{1,4}")
_TOKEN_OF_WORDS = lazy_pattern(r"[A-Za-z]*\d{0,4}[a-zA-Z]{0,4}|\d+[a-z]{0,2}")
_PATH_OF_WORDS = lazy_pattern(r"[a-z_]+(?:[.:/][a-z_]+)+[.:]?")
WORD_CHARS = 4
LABEL_WORDS = 12
"""A text of at least this many words is not a typed password."""


def is_secret_value(value: str, kind: NameKind, style: ValueStyle, *, ends: bool = True) -> bool:
    """Whether a value is a secret. `ends` says that nothing follows it on its line."""
    value = value.strip()
    return _may_be(value, kind, style, ends) and not _HOLDS_PLACEHOLDER.search(value[:200])


def _may_be(value: str, kind: NameKind, style: ValueStyle, ends: bool) -> bool:
    if (
        len(value) < 4
        or (kind is NameKind.WEAK and not looks_random(value))
        or _PLACEHOLDER.match(value)
        or _is_vocabulary(value)
    ):
        return False
    if (
        value.lower().strip("()[]<>\"'`;:,.!?") in _TYPES
        or _PATH.match(value)
        or (kind < NameKind.PASSWORD and _DATE.match(value))
    ):
        return False
    if style is ValueStyle.QUOTED:
        return _quoted(value, kind)
    if _MINIFIED.match(value):
        return False
    if any(map(str.isspace, value)):
        return False
    if style is ValueStyle.LIST:
        return _has_more(value) and (kind is NameKind.PASSWORD or looks_random(value))
    if style is ValueStyle.TIGHT:
        return _tight(value, kind)
    if style is ValueStyle.SENTENCE:
        return _sentence(value, kind)
    return _loose(value, kind, ends)


def _quoted(value: str, kind: NameKind) -> bool:
    if any(map(str.isspace, value)):
        return kind is NameKind.PASSWORD and not _is_label(value)
    if kind is NameKind.PASSWORD:
        return (
            (len(value) > 4 or not value.isalpha())
            and not _PATH_OF_WORDS.fullmatch(value)
            and not value.endswith((":", "?"))
        )
    if kind is NameKind.KEY:
        return (
            looks_random(value)
            or (_has_more(value) and len(value) >= 6 and not _is_numbered(value))
            or (value.isalpha() and value.islower() and len(value) >= 20)
        )
    return looks_random(value)


def _tight(value: str, kind: NameKind) -> bool:
    if (
        _CODE.match(value)
        or (_DOTTED.match(value) and not _has_more(value))
        or (value[-1] in ",;)" and _NAME.match(value[:-1]))
    ):
        return False
    if kind is NameKind.WEAK:
        return looks_random(value)
    if value.isdigit() and kind is NameKind.KEY:
        return len(value) >= 12
    return len(value) >= (4 if kind is NameKind.PASSWORD else 6) and not (
        kind is NameKind.KEY and _NAME.match(value) and "_" in value
    )


def _loose(value: str, kind: NameKind, ends: bool) -> bool:
    if (
        _CODE.match(value)
        or _TYPE.match(value)
        or (_DOTTED.match(value.rstrip("})];,")) and not looks_random(value))
    ):
        return False
    if kind is NameKind.WEAK or (kind is NameKind.KEY and value.isdigit()):
        return looks_random(value)
    bare = value.rstrip(".,;:!?)]}\"'")
    if bare.replace("_", "").isalpha():
        is_last = ends if value.endswith(".") or value == bare else not ends
        return kind is NameKind.PASSWORD and _is_a_word(bare) and is_last
    return (
        kind is NameKind.PASSWORD or looks_random(value) or _has_more(value)
    ) and not _is_numbered(value)


def _sentence(value: str, kind: NameKind) -> bool:
    bare = value.rstrip(".,;:!?)]}\"'")
    if len(bare) < 6 or _CODE.match(bare):
        return False
    if bare.isalpha():
        return kind is NameKind.PASSWORD and _is_a_word(bare)
    return looks_random(bare) or (kind is not NameKind.WEAK and _has_more(bare))


def _is_a_word(bare: str) -> bool:
    """Letters alone that may be a password: long enough, and not a word used to talk about
    passwords."""
    low = bare.lower()
    is_plain = bare.isalpha() and bare in (low, bare.capitalize())
    return (
        len(bare) >= 6
        and is_plain
        and low not in _TALK
        and not _TALKING.search(low)
        and not any(word in low for word in ("password", "contrase", "secret"))
    )


def _is_vocabulary(value: str) -> bool:
    """`password`, `new_password`, `<api-key>`, `userToken1`: repeats the name that it is the value
    of."""
    if len(value) > 60:
        return False
    words = [word.rstrip("0123456789") for word in split_identifier(value)]
    return all(word in _VOCABULARY for word in words if word) and (
        not any(map(str.isdigit, value)) or bool(classify_name(value)) or len(value) < 8
    )


def _is_label(value: str) -> bool:
    """A sentence of a form or an error message, not a passphrase."""
    words = [word.strip(".,:;!?\"'()").lower() for word in value.split()]
    if (
        len(words) >= LABEL_WORDS
        or value.rstrip().endswith((":", ".", "?", "…"))
        or "{" in value
        or "%" in value
        or "=" in value
    ):
        return True
    return any(word in _LABEL or word in _SAYS for word in words)


def _has_more(value: str) -> bool:
    """Digits or signs beside letters, as few words of a language have them."""
    return (any(map(str.isdigit, value)) and not value.isdigit()) or bool(_SIGN.search(value))


def _is_numbered(value: str) -> bool:
    """`item12`, `user_1`, `column-3`, `v2`: a word with a number."""
    return bool(_NUMBERED.fullmatch(value))


def looks_random(value: str) -> bool:
    """Whether a value looks random: letters mixed with digits, or long with capitals inside."""
    if (
        len(value) < 8
        or "=" in value.rstrip("=")
        or any(map(str.isspace, value))
        or value.count(".") > 3
        or _reads_as_words(value)
    ):
        return False
    if _WORDY.fullmatch(value):
        return len(value) >= 20 and looks_like_key_material(max(_CUT.split(value), key=len))
    return bool(_LETTERS.fullmatch(value)) and _has_both(value) and not _is_words(value)


def _has_both(value: str) -> bool:
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _reads_as_words(value: str) -> bool:
    """`PKCS12PrivateKeyTypes`, `efficiencyMetricsByGroup`: parts between capitals have the length
    of words; in random text they have one or two letters."""
    parts = _PARTS.findall(value)
    return not value.islower() and bool(parts) and len(value) >= WORD_CHARS * len(parts)


def _is_words(value: str) -> bool:
    """`llama3.1-8b-instruct`, `2024-01-15`, `10.0.0.1:80`: every part is a word or a
    number."""
    parts = [part for part in re.split(r"[-_./:@+=,]", value) if part]
    return all(_TOKEN_OF_WORDS.fullmatch(part) for part in parts) and len(parts) > 1
