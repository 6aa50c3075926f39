"""Ordinary prompts, code, diffs and logs stay as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orch.text.redact import Redactor

ROOT = Path(__file__).parents[3]
PROMPTS = (
    Path(os.environ.get("ORCH_PROMPTS") or ROOT.parent / "shared" / "data" / "classify")
    / "train_written.jsonl"
)
ASKED = 300
SECRETS_AMONG_THEM = (
    "SECRET_KEY",
    "DB_PASSWORD",
    "POSTGRES_PASSWORD",
    "Authorization: Bearer",
    "/ key: ",
)
REDACTOR = Redactor({})

TALK = """
What is the difference between a token and a word for a language model?
How many tokens does the context window of llama3.1:8b hold? max_tokens=100, temperature=0.2
The secret is patience. The secret to good bread is time.
Is the password incorrect, or is the password expired? My password is not working.
Write an email: your password has been changed; the password is required at login.
Explain key=value files, primary key, foreign key and sort(key=len).
The key to success is persistence; the keyboard has 104 keys: which key is Escape?
What does "password: <your password>" mean in this manual?
Set password: ${DB_PASSWORD} and token: {{ token }} in the template.
Tokens: small units. Token: the smallest unit of text. Passwords: never share them.
Which key signature has three sharps? Key: A major. Keys: C, G, D.
Compare OAuth tokens, API keys and cookies: what is a bearer token?
Why is 'Bearer authentication' called so? Authorization: none.
La clave es la paciencia. La clave del éxito es constancia. El secreto es practicar.
¿La contraseña es obligatoria? La contraseña debe tener ocho caracteres. La contraseña es incorrecta.
¿Qué palabra clave uso? Palabras clave: energía, clima, ciudad. Clave primaria: id.
Contraseña: la palabra que abre la puerta. Contraseñas seguras: consejos y ejemplos.
El token: unidad mínima. ¿Cuántos tokens tiene esta frase?
Traduce: "The password must be at least 8 characters long."
Cookie: a small sweet. Cookies: 200 g flour, 100 g butter, 1 egg.
The pass is at 2,400 m; pass: 10, fail: 2. Pass rate = 97.5%
The meeting is at https://meet.example.com/abc-defg-hij and the docs at https://docs.example.com/v1/token/refresh?lang=es&page=2
mail bob@example.com or ssh bob@10.0.0.1; see http://localhost:8080/@bob and https://medium.com/@someone
git clone git@github.com:someone/something.git; docker run -p 8080:80 -u 1000:1000 nginx; mkdir -p build/out
Is 'correct horse battery staple' a strong passphrase?
""".strip().split("\n")
CODE = """
def login(user: str, password: str, token: str | None = None) -> bool:
password = getpass("Password: ")
password = os.environ["DB_PASSWORD"]
password = config.get("database", "password")
api_key = os.getenv("OPENAI_API_KEY", "")
const token = await fetchToken(); const key = Object.keys(map)[0];
items = sorted(items, key=lambda item: item.name); max(rows, key=len)
<li key={item.id}>{item.name}</li>
for key, value in data.items(): print(f"{key}={value}")
client = Client(api_key=api_key, password=password, token=self.token)
if (!password) { throw new Error("Password is required"); }
<input type="password" name="password" placeholder="Password" />
"password": {"type": "string", "description": "The user's password", "minLength": 8}
errors = {"password": "This field is required.", "token": "Invalid or expired token."}
PASSWORD_RESET_TIMEOUT = 259200
TOKEN_URL = "https://auth.example.com/oauth/token"
secret_name = "prod/db"; key_path = "/etc/ssl/private/server.key"
eos_token = "</s>"; pad_token_id = 0; tokenizer.pad_token = tokenizer.eos_token
cache_key = f"user:{user_id}"; sort_key: str = "created_at"; partition_key = "tenant_id"
PRIMARY KEY (id), FOREIGN KEY (user_id) REFERENCES users (id), UNIQUE KEY uq (email)
parser.add_argument("--password", "-p", help="the password to log in with")
usage: tool [--token TOKEN] [--password PASSWORD] [--key FILE]
headers = {"Authorization": f"Bearer {token}", "X-Api-Key": api_key}
curl -H "Authorization: Bearer $TOKEN" -u "$USER:$PASS" https://api.example.com
let token: &str = tokens.next(); pub password: Option<String>,
private String password; public void setPassword(String password) { this.password = password; }
token := r.Header.Get("Authorization"); key := fmt.Sprintf("%s:%d", name, id)
SELECT key, value FROM settings WHERE key = 'theme' AND token IS NOT NULL;
export PATH=$PATH:/usr/local/bin; PWD=/home/bob/project; OLDPWD=/home/bob
commit 9fceb02d0ae598e95dc970b74767f19372d61af8
index 83db48f..bf2a3c1 100644
id: 123e4567-e89b-12d3-a456-426614174000, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mQ2v8e0l1Yx3oXk5bH4Jm0s2V9n7f6d5c4b3a2918 bob@laptop
self.password = self.distribution.password; RegEnumKey = win32api.RegEnumKey
username, password = proxy_auth
def load(name: bytes | None, key: PKCS12PrivateKeyTypes | None, token: Token) -> GetAvailableLanguagesNode: ...
"limit_key": "maxResults", "result_key": "efficiencyMetricsByGroup"
any type that can be identified by reference. (n.keep&&(l.srcToken=a),o.push(l)); r.password=null;let i=await c
{month:!0,number:!0,password:!0,range:!0,search:!0},{simpleKeys:!1,explicitKey:!0,srcToken=a}
.token.keyword { color: #569cd6; } --token-color: #6c6c6ccc;
"scripts": {"build": "sk-build --npm_config_registry=https://registry.npm.example"}
""".strip().split("\n")


@pytest.mark.parametrize("text", [*TALK, *CODE])
def test_ordinary_text_stays(text: str) -> None:
    assert REDACTOR.redact(text) == text


def test_ordinary_texts_in_a_row_stay() -> None:
    text = "\n".join([*TALK, *CODE])
    assert REDACTOR.redact(text) == text


@pytest.mark.skipif(
    not PROMPTS.is_file(),
    reason=(
        f"the prompts are kept outside the repository: {PROMPTS} is missing (ORCH_PROMPTS names"
        " their folder)"
    ),
)
@pytest.mark.parametrize("language", ["en", "es"])
def test_no_real_prompt_is_changed(language: str) -> None:
    rows = [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]
    texts = [
        row["text"]
        for row in rows
        if row["lang"] == language
        and not any(secret in row["text"] for secret in SECRETS_AMONG_THEM)
    ]
    assert len(texts) >= ASKED
    assert [text for text in texts if REDACTOR.redact(text) != text] == []


def test_no_line_of_orchs_source_is_changed() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "orch").rglob("*.py")
        if path.parent.name != "redact"
    ]
    assert [
        line
        for text in sources
        if (clean := REDACTOR.redact(text)) != text
        for line in clean.splitlines()
        if "[redacted: " in line
    ] == []
