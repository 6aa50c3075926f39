"""Classifies names of secrets: `DB_PASSWORD`, `accessKey`, `X-Api-Key`, `contraseña` (pure)."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

from orch.text.redact.lazy_pattern import lazy_pattern


class NameKind(IntEnum):
    """What a name says about the value beside it."""

    NONE = 0
    WEAK = 1
    """`key`, `token`, `clave`: often something else, so the value must look like a key."""
    KEY = 2
    """`api_key`, `client_secret`: the value is one string that is not a word of a language."""
    PASSWORD = 3
    """`password`, `contraseña`: the value may be any text."""


_PASSWORDS = frozenset(
    "password passwords passwd passwds passwort passphrase passphrases passcode pwd pwds passw pswd"
    " psw userpass psk contraseña contraseñas contrasena contrasenas contrasenya requirepass"
    " masterauth storepass keypass mdp".split()
)
_FLAT = lazy_pattern(
    r"^(.{1,30}?)(passwords?|passwd|passphrase|contraseñ?a|contrasena|secrets?|tokens?|keys?|pwd|pass|pw)$"
)
_PASS_OF = frozenset(
    "db pg my mysql mssql postgres user usr root admin adm ftp sftp smtp imap mail email redis"
    " mongo rabbitmq mq ssh login http proxy ldap vnc wifi wlan app svc service server host remote"
    " default test prod dev database sql oracle ora sa key store keystore truststore cert p12 pfx"
    " jwt aws registry".split()
)
_KEY_OF = frozenset(
    "api access secret private priv encryption encrypt decryption decrypt enc crypt crypto cipher"
    " account acct shared master license licence signing sign signature auth authentication"
    " authorization ssh aes des hmac rsa dsa ecdsa ed25519 gpg pgp pem ssl tls jwt jwe jwk sas"
    " storage admin root consumer app application service client server deploy webhook hook bot"
    " session cookie bearer subscription apim ocp functions function host merchant payment billing"
    " org organization project integration write ingest ingestion instrumentation stripe openai"
    " anthropic google gcp azure aws gemini mistral groq cohere github gitlab slack twilio sendgrid"
    " mailgun datadog dd algolia maps firebase fcm vapid django flask rails laravel vault backup"
    " recovery wallet seed activation product serial wep wpa wpa2 wifi preshared pre psk peer"
    " personal user usuario llave cloudflare linode hetzner vultr heroku sentry newrelic hf wandb"
    " replicate together".split()
)
_NOT_KEY_OF = frozenset(
    "primary foreign public pub sort cache row partition candidate composite natural surrogate"
    " unique index dict map mapping object hash group order lookup routing arrow enter escape esc"
    " shift ctrl control alt meta hot short tab return space home end delete backspace answer"
    " translation locale lang i18n l10n config event metric attribute attr property prop data json"
    " yaml xml bucket route idempotency dedup query react lock sub parent child left right any no"
    " each every this that which same other first last next prev previous min max new old current"
    " lower upper item node tree list array set column col field table name type id category label"
    " menu keyboard piano music low high major minor turn hkey reg registry section option setting"
    " settings feature flag message msg error state status filter search tag sorting grouping join"
    " merge compare comparison cmp num number count int str string char word text byte bytes entry"
    " pair value default missing unknown valid invalid duplicate known expected required optional"
    " extra".split()
)
_NOT_TOKEN_OF = frozenset(
    "lock change starting idempotency next prev previous first last start end eos bos pad unk mask"
    " sep cls special stop max min num n total per page sync input output prompt completion"
    " cancellation cancel unexpected expected word parse parser lex lexer comma string number"
    " operator keyword punctuation ident identifier literal eof newline indent dedent name type"
    " current new old cont continuation continue resume cursor each every any no this that which"
    " one two syntax by out in reasoning thinking thought cached generated context window answer"
    " think image vision audio text code non sub whitespace comment doc design css".split()
)
_NEUTRAL = frozenset(
    "value values val prod production dev development test testing staging stage live raw plain"
    " plaintext text string str b64 base64 hex env default current old new enc encrypted main"
    " primary secondary backup again repeat confirm confirmation confirmed verify verification"
    " retype 1 2 3 4 5 here data hash usuario user admin root db".split()
)
_NOT_SECRET = frozenset(
    "id ids name names type types kind url urls uri uris endpoint endpoints path paths file files"
    " filename dir folder field fields label labels hint hints help message messages msg error"
    " errors err exception count counts counter length len size limit limits max min index idx"
    " position pos offset map maps mapping list lists set sets dict class classes func fn function"
    " callback handler handlers provider providers manager service services store storage factory"
    " generator validator validators validation policy policies rule rules regex pattern patterns"
    " format prefix suffix header headers param params attr attrs attribute attributes column"
    " columns table tables schema model models form page view template button input prompt prompts"
    " placeholder title titles description desc strategy rotation expiry expires expired expiration"
    " exp ttl age lifetime version versions usage algorithm alg algo digest bits reset change"
    " changed required optional enabled disabled visible visibility strength score check checker"
    " checks compare comparison ring board stroke press down up code codes frame pair pairs spec"
    " space event events binding bindings chain budget rate price cost per second seconds timeout s"
    " ms at on off is has can to from for and or by with in of if not only stdin fd env_var ref"
    " refs reference references arn selector source result results response request requests method"
    " methods function usage used left remaining info metadata state status stats auto autocomplete"
    " less mode option options setting settings config configuration engine backend adapter plugin"
    " module package lib library test tests suite case getter setter reader writer parser lexer"
    " lexers stream buffer cache entry entries row rows node nodes item items value_type embeddings"
    " embedding vocab vocabulary classification classifier probability probs logprob logprobs"
    " accuracy mask masks spans span start end".split()
)
_WORDS = lazy_pattern(r"[A-ZÑ]+(?![a-zñ])|[A-ZÑ]?[a-zñ0-9]+|[^\W_]+")
_WEAK = frozenset(
    "credential credentials credencial credenciales creds auth pw secrets pass".split()
)
_SESSIONS = frozenset("phpsessid jsessionid aspsessionid sessionid sessid".split())
_SPANISH_KEYS = frozenset(
    "secreta privada maestra api acceso cifrado wifi usuario root admin bd db correo".split()
)


def split_identifier(name: str) -> list[str]:
    """The words of an identifier in lower case: the same for `dbPassword`, `DB_PASSWORD` and
    `db-password`."""
    return [word.lower() for word in _WORDS.findall(name)]


@lru_cache(maxsize=4096)
def classify_name(name: str) -> NameKind:
    """What a name says about the value beside it."""
    words = _split_joined(split_identifier(name))
    rest = _without_suffixes(words)
    if not rest:
        return NameKind.NONE
    last, before = rest[-1], rest[:-1]
    kind = _kind(last, before, name)
    if kind or last in _NOT_SECRET:
        return kind
    return (
        NameKind.WEAK
        if any(_kind(word, rest[:place], name) > NameKind.WEAK for place, word in enumerate(before))
        else NameKind.NONE
    )


def _without_suffixes(words: list[str]) -> list[str]:
    """Without the words that may follow the name of a secret: `password_prod`, `API_KEY_2`."""
    end = len(words)
    while end > 1 and (words[end - 1] in _NEUTRAL or words[end - 1].isdigit()):
        end -= 1
    return words[:end]


def _split_joined(words: list[str]) -> list[str]:
    """Splits joined words such as `dbpassword` and `accountkey`."""
    parts: list[str] = []
    for word in words:
        stem = word.rstrip("0123456789") or word
        glued = None if stem in _PASSWORDS else _FLAT.match(stem)
        if glued and _is_split(*glued.groups()):
            parts += [*_split_joined([glued[1]]), glued[2]]
        else:
            parts.append(stem)
    return parts


def _is_split(before: str, last: str) -> bool:
    if last in ("pass", "pw"):
        return before in _PASS_OF
    if last.startswith("key"):
        return any(before.endswith(of) for of in _KEY_OF if len(of) > 2)
    return True


def _kind(word: str, before: list[str], name: str) -> NameKind:
    of = before[-1] if before else ""
    if word in _PASSWORDS or (word in ("pass", "pw") and (of in _PASS_OF or name.isupper())):
        return NameKind.PASSWORD
    if word == "clave":
        return NameKind.NONE if of in ("palabra", "palabras") else NameKind.WEAK
    if word in _SPANISH_KEYS and "clave" in before:
        return NameKind.PASSWORD
    if word in ("secret", "secreto"):
        return NameKind.KEY
    if word in ("key", "keys"):
        return _key(of, before, name)
    if word in ("token", "tokens"):
        return (
            NameKind.NONE
            if of in _NOT_TOKEN_OF or (word == "tokens" and not of)
            else NameKind.KEY
            if of
            else NameKind.WEAK
        )
    return NameKind.WEAK if word in _WEAK or word in _SESSIONS else NameKind.NONE


def _key(of: str, before: list[str], name: str) -> NameKind:
    if of in _NOT_KEY_OF:
        return NameKind.NONE
    if of in _KEY_OF or (before and name.isupper()):
        return NameKind.KEY
    return NameKind.WEAK
