"""Finds passwords passed by position: `curl -u`, `docker login -p`, `mysql -p`, `auth=("bob",
"…")`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from orch.text.redact.secret_names import NameKind
from orch.text.redact.secret_values import ValueStyle, is_secret_value
from orch.text.redact.text_view import Span, TextView

_VALUE = (
    r"(?:\"(?P<double>[^\"\n]{1,300})\"|'(?P<single>[^'\n]{1,300})'"
    r"|(?P<bare>(?:[^\s\"'<>|&]|&(?=[^\s&])){1,300}))"
)
_USER = (
    r"(?:\"[^\"\n:]{0,100}:(?P<double>[^\"\n]{1,300})\"|'[^'\n:]{0,100}:(?P<single>[^'\n]{1,300})'"
    r"|[^\s\"':]{0,100}:(?P<bare>[^\s\"'<>|&/]{1,300}))"
)
_TWO = r"\s{0,4}[^,\n]{1,200},\s{0,4}[\"'][^\"'\n]{0,100}[\"']\s{0,4},\s{0,4}"
"""The two arguments before a password: a host and a user."""

COMMANDS: tuple[tuple[str, str], ...] = (
    ("curl", rf"\s(?:-u|--user|-U|--proxy-user)[ =]?{_USER}"),
    (
        "curl",
        r"\s(?:-b|--cookie)[ =](?:\"[^\"\n=]{1,60}=(?P<double>[^\"\n]{3,2000})\""
        r"|'[^'\n=]{1,60}=(?P<single>[^'\n]{3,2000})'"
        r"|[\w.-]{1,60}=(?P<bare>[^\s\"'<>|&]{3,2000}))",
    ),
    ("http", rf"\bhttps?(?: [^\s-]\S{{0,60}}){{0,3}} (?:-a|--auth)[ =]{_USER}"),
    ("wget", rf"\s--(?:http-|ftp-|proxy-)?password[ =]{_VALUE}"),
    ("ftp", rf"\bl?ftp\b[^\n]{{0,60}}\s-u ?[^\s,:]{{1,60}}[,:]{_VALUE}"),
    ("login", rf"\blogin\b[^\n]{{0,200}}?\s-p[ =]?{_VALUE}"),
    ("mysql", rf"\bmysql\w{{0,10}}\b[^\n]{{0,200}}?\s-p{_VALUE}"),
    ("mariadb", rf"\bmariadb(?:-\w{{1,12}})?\b[^\n]{{0,200}}?\s-p{_VALUE}"),
    ("mysqladmin", rf"\bmysqladmin\b[^\n]{{0,200}}?\spassword {_VALUE}"),
    ("mongo", rf"\bmongo\w{{0,10}}\b[^\n]{{0,200}}?\s-p[ =]?{_VALUE}"),
    ("sshpass", rf"\bsshpass\s{{1,4}}-p\s{{0,4}}{_VALUE}"),
    ("redis-cli", rf"\bredis-cli\b[^\n]{{0,200}}?\s-a[ =]?{_VALUE}"),
    ("sqlcmd", rf"\bsqlcmd\b[^\n]{{0,200}}?\s-P ?{_VALUE}"),
    ("bcp", rf"\bbcp\b[^\n]{{0,200}}?\s-P ?{_VALUE}"),
    ("isql", rf"\bisql\b[^\n]{{0,200}}?\s-P ?{_VALUE}"),
    ("ldap", rf"\bldap\w{{3,10}}\b[^\n]{{0,200}}?\s-w ?{_VALUE}"),
    ("unzip", rf"\bunzip\b[^\n]{{0,200}}?\s-P ?{_VALUE}"),
    ("zip", rf"\bzip\b[^\n]{{0,200}}?\s-P ?{_VALUE}"),
    ("7z", rf"\b7za?\b[^\n]{{0,200}}?\s-p{_VALUE}"),
    ("rar", rf"\b(?:un)?rar\b[^\n]{{0,200}}?\s-h?p{_VALUE}"),
    ("openssl", rf"\s-(?:pass|passin|passout)\s{{1,4}}[\"']?pass:{_VALUE}"),
    ("openssl", rf"\bopenssl\b[^\n]{{0,200}}?\s-k {_VALUE}"),
    ("smb", rf"\s(?:-U|--user)[ =]?[\"']?[\w\\/.-]{{1,80}}%{_VALUE}"),
    (
        "htpasswd",
        (
            r"\bhtpasswd\b[^\n]{0,60}?\s-\w{0,4}b\w{0,4}(?: -\w{1,4})*(?:"
            rf" [\w./~-]{{1,200}})? [\w.@-]{{1,60}} {_VALUE}\s*$"
        ),
    ),
    ("net use", rf"\bnet use\b[^\n]{{0,200}}?\s/user:\S{{1,80}} {_VALUE}"),
    ("net use", rf"\bnet use\b[^\n]{{0,120}}?\s{_VALUE} /user:"),
    ("net user", rf"\bnet user \S{{1,60}} {_VALUE}"),
    ("xfreerdp", rf"\s/p:{_VALUE}"),
    ("rdesktop", rf"\brdesktop\b[^\n]{{0,200}}?\s-p ?{_VALUE}"),
    ("ssh-keygen", rf"\bssh-keygen\b[^\n]{{0,200}}?\s-[NP] ?{_VALUE}"),
    ("chpasswd", rf"\becho\s{{1,4}}(?:-\w{{1,3}} )?{_USER}\s{{0,4}}\|\s{{0,4}}(?:sudo )?chpasswd"),
    (
        "-stdin",
        (
            r"\b(?:echo|printf)\s{1,4}(?:-\w{1,3}"
            rf" )?{_VALUE}\s{{0,4}}\|[^\n|]{{1,200}}?(?:--pass\w{{1,10}}-stdin|sudo -S)"
        ),
    ),
    ("sudo -s", rf"\b(?:echo|printf)\s{{1,4}}(?:-\w{{1,3}} )?{_VALUE}\s{{0,4}}\|\s{{0,4}}sudo -S"),
    ("vault login", rf"\bvault login (?!-){_VALUE}"),
    (
        "convertto-securestring",
        rf"(?i)convertto-securestring\s{{1,4}}(?:-string\s{{1,4}})?{_VALUE}",
    ),
    (
        "identified",
        rf"(?i)\b(?:create|alter|grant|set)\b[^\n;]{{1,120}}?\sidentified\s{{1,4}}(?:with\s{{1,4}}[\w'\"]{{1,40}}\s{{1,4}})?by\s{{1,4}}(?:password\s{{1,4}})?{_VALUE}",
    ),
    ("password(", r"(?i)\bpassword\(\s{0,4}'(?P<single>[^'\n]{4,300})'\s{0,4}\)"),
    ("oauth2-bearer", rf"\s--oauth2-bearer[ =]{_VALUE}"),
    ("sqlplus", r"\bsqlplus\b[^\n]{0,60}?\s[\w$#]{1,60}/(?P<bare>[^\s@\"']{1,100})@"),
    ("expdp", r"\bexpdp\b[^\n]{0,60}?\s[\w$#]{1,60}/(?P<bare>[^\s@\"']{1,100})@"),
    ("impdp", r"\bimpdp\b[^\n]{0,60}?\s[\w$#]{1,60}/(?P<bare>[^\s@\"']{1,100})@"),
    (
        "auth",
        rf"(?:\bauth\s{{0,4}}=\s{{0,4}}|BasicAuth)\(\s{{0,4}}[\"'][^\"'\n]{{0,100}}[\"']\s{{0,4}},\s{{0,4}}(?=[\"']){_VALUE}",
    ),
    (
        ".login(",
        rf"\.login\(\s{{0,4}}[\"'][^\"'\n]{{1,100}}[\"']\s{{0,4}},\s{{0,4}}(?=[\"']){_VALUE}",
    ),
    ("mysql", rf"\bmysqli?(?:_connect)?\({_TWO}(?=[\"']){_VALUE}"),
    ("sequelize(", rf"\bSequelize\({_TWO}(?=[\"']){_VALUE}"),
    ("getconnection(", rf"\bgetConnection\({_TWO}(?=[\"']){_VALUE}"),
    ("pdo(", rf"\bPDO\({_TWO}(?=[\"']){_VALUE}"),
    ("snmp", rf"\bsnmp\w{{3,8}}\b[^\n]{{0,200}}?\s-[AXc] ?{_VALUE}"),
    ("nmcli", rf"\bnmcli\b[^\n]{{0,200}}?\bpassword {_VALUE}"),
    (":*:", r"^[\w.*-]{1,100}:(?:\d{4,5}|\*):[\w*-]{1,60}:[\w.*@-]{1,60}:(?P<bare>[^\s:]{4,200})$"),
    (":54", r"^[\w.*-]{1,100}:(?:\d{4,5}|\*):[\w*-]{1,60}:[\w.*@-]{1,60}:(?P<bare>[^\s:]{4,200})$"),
    (
        ":6432:",
        r"^[\w.*-]{1,100}:(?:\d{4,5}|\*):[\w*-]{1,60}:[\w.*@-]{1,60}:(?P<bare>[^\s:]{4,200})$",
    ),
    ("az login", rf"\baz login\b[^\n]{{0,200}}?\s-p {_VALUE}"),
)
"""A lower-case literal that must occur, and the pattern; the group named after the kind of quotes
is the password."""


def find_command_passwords(view: TextView) -> Iterator[Span]:
    """The passwords in the commands of a text."""
    for number, (literal, _) in enumerate(COMMANDS):
        if literal.encode() in view.lowered:
            for match in _rule(number).finditer(view.text):
                kind = match.lastgroup
                if kind and _is_password(match.group(kind), kind):
                    yield (
                        match.start(kind),
                        match.end(kind),
                        "mysql_password" if literal == "mysql" else "command_password",
                    )


@cache
def _rule(number: int) -> re.Pattern[str]:
    return re.compile(COMMANDS[number][1], re.MULTILINE)


def _is_password(value: str, kind: str) -> bool:
    return not value.isdigit() and is_secret_value(
        value, NameKind.PASSWORD, ValueStyle.TIGHT if kind == "bare" else ValueStyle.QUOTED
    )
