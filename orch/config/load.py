"""Finds models.yaml and routing.yaml, reads them, and gives one checked Config; a cached copy spares YAML and pydantic."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch import paths
from orch.config import spec
from orch.errors import ConfigError
from orch.version import VERSION

FILES = {"models": "models.yaml", "routing": "routing.yaml"}
_ROOT_KEYS = {"models": ("providers", "models"), "routing": ("weights", "task_types")}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_LOCAL_MAY_SET = {"models": ("version", "unlisted", "providers", "models"), "routing": ("version", "weights", "profiles", "task_types")}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Source:
    """One file that was read. `place` is flag, environment, directory, user or package."""

    which: str
    path: Path
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Config:
    """Both files, checked, with their hash and where they came from."""

    models: spec.Models
    routing: spec.Routing
    hash: str
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()


def packaged(which: str) -> Path:
    """The shipped file: inside the wheel, or at the top of the checkout for an editable install."""
    inside = Path(__file__).parent / "defaults" / FILES[which]
    return inside if inside.exists() else Path(__file__).parents[2] / FILES[which]


def find(config_dir: Path | None, env: Mapping[str, str], cwd: Path) -> tuple[dict[str, Source], list[str]]:
    """The file to use for each of the two, and remarks about files that were passed over. Raises ConfigError."""
    found: dict[str, Source] = {}
    notes: list[str] = []
    named = [(config_dir, "flag")] if config_dir else []
    if env.get("ORCH_CONFIG"):
        named.append((Path(env["ORCH_CONFIG"]).expanduser(), "environment"))
    for directory, place in named:
        here = {which: directory / name for which, name in FILES.items() if (directory / name).is_file()}
        if not here:
            what = "--config" if place == "flag" else "ORCH_CONFIG"
            raise ConfigError(f"{what}: {directory} holds neither models.yaml nor routing.yaml", "orch config init --to DIR writes both")
        for which, path in here.items():
            found.setdefault(which, _read(which, path, place))
    if not named:
        found, notes = _in_directory(cwd)
    for which, name in FILES.items():
        own = paths.config_dir(env) / name
        if which not in found and own.is_file():
            found[which] = _read(which, own, "user")
        found.setdefault(which, _read(which, packaged(which), "package"))
    return found, notes


def _in_directory(cwd: Path) -> tuple[dict[str, Source], list[str]]:
    """The working directory's files, when both stand there and look like orch's."""
    here = {which: cwd / name for which, name in FILES.items()}
    there = [path for path in here.values() if path.is_file()]
    if not there:
        return {}, []
    try:
        sources = {which: _read(which, path, "directory") for which, path in here.items()} if len(there) == 2 else {}
    except ConfigError:
        sources = {}
    if sources and all(_has_keys(which, source.text) for which, source in sources.items()):
        return sources, []
    names = " and ".join(path.name for path in there)
    return {}, [f"{names} in this folder ignored: orch uses such files only where both stand there with its keys"]


def _has_keys(which: str, text: str) -> bool:
    return all(re.search(rf"^{key}\s*:", text, re.MULTILINE) for key in _ROOT_KEYS[which])


def _read(which: str, path: Path, place: str) -> Source:
    try:
        return Source(which, path, place, path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})", "save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def load(config_dir: Path | None = None, env: Mapping[str, str] = os.environ, cwd: Path | None = None) -> Config:
    """Both files, from the cache where it fits. Raises ConfigError with every fault of both."""
    found, notes = find(config_dir, env, cwd or Path.cwd())
    base = {which: _trusted_base(which, env) if source.place == "directory" else None for which, source in found.items()}
    shipped = packaged("routing").read_text(encoding="utf-8")
    digest = hashlib.sha256(VERSION.encode())
    for text in (*(source.text for source in found.values()), shipped, *(b.text for b in base.values() if b), *(s.place for s in found.values())):
        digest.update(b"\0" + text.encode())
    key = digest.hexdigest()[:24]
    data = _cached(key, env) or _checked(found, base, env, key)
    try:
        filled = {which: interpolate(data[which], env) for which in FILES}
    except KeyError:
        data = _checked(found, base, env, key)  # names the unset variable and its place
        filled = {which: interpolate(data[which], env) for which in FILES}
    models = _with_ollama_host(spec.build_models(filled["models"]), env)
    return Config(models, spec.build_routing(filled["routing"]), key[:12], tuple(found.values()), tuple(notes))


def from_data(models: dict[str, Any] | None, routing: dict[str, Any] | None, env: Mapping[str, str] = os.environ) -> Config:
    """A Config from parsed data; what is None is the shipped file. Raises ConfigError."""
    found = {which: _read(which, packaged(which), "package") for which in FILES}
    for which, data in (("models", models), ("routing", routing)):
        if data is not None:
            found[which] = Source(which, Path(f"<{which}>"), "flag", json.dumps(data))
    checked = _checked(found, {which: None for which in FILES}, env, "")
    filled = {which: interpolate(checked[which], env) for which in FILES}
    digest = hashlib.sha256(json.dumps(checked, sort_keys=True).encode()).hexdigest()
    return Config(spec.build_models(filled["models"]), spec.build_routing(filled["routing"]), digest[:12], tuple(found.values()))


def _trusted_base(which: str, env: Mapping[str, str]) -> Source:
    own = paths.config_dir(env) / FILES[which]
    return _read(which, own, "user") if own.is_file() else _read(which, packaged(which), "package")


# ---------------------------------------------------------------- checking


def _checked(found: dict[str, Source], base: dict[str, Source | None], env: Mapping[str, str], key: str) -> dict[str, Any]:
    """Parses and checks both files; gives the data before `${…}`. Raises ConfigError."""
    result, problems = check_sources(found, base, env)
    if problems:
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        raise ConfigError(
            f"{count} in the configuration\n" + "\n".join(f"  {problem}" for problem in problems),
            "orch config validate checks again; orch config schema lists every key",
            problems=problems,
        )
    _keep(key, result, env)
    return result


def check_sources(found: dict[str, Source], base: dict[str, Source | None], env: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The data of both files before `${…}`, and every fault of both as file:line:column: path: what."""
    from orch.config import schema, source

    result: dict[str, Any] = {}
    problems: list[source.Problem] = []
    for which, file in found.items():
        document = source.parse(str(file.path), file.text)
        raw = schema.normalise(which, document.data)
        if not document.problems:
            filled, unset = _fill_and_find_unset(raw, env)
            document.problems += [document.problem(path, f"the environment variable {name} is not set; write ${{{name}:-default}}") for path, name in unset]
            if which == "routing":
                filled = _over_shipped(filled)
            _, faults = schema.check(which, document, filled)
            document.problems += faults
        if base[which] is not None and not document.problems:
            document.problems += _overreach(which, document, raw, _parsed(which, base[which]))
        problems += document.problems
        if not document.problems:
            result[which] = _typed(schema, which, document, raw, base[which])
    return result, [str(problem) for problem in problems]


def _typed(schema: Any, which: str, document: Any, raw: dict[str, Any], base: Source | None) -> dict[str, Any]:
    """Checked data for the cache. `${…}` stays as text: it is filled in again at every load."""
    if base is not None:
        raw = {key: value for key, value in raw.items() if key in _LOCAL_MAY_SET[which]} | {
            key: value for key, value in _parsed(which, base).items() if key not in _LOCAL_MAY_SET[which]
        }
    merged = _over_shipped(raw) if which == "routing" else raw
    if next(_strings_with_variables(merged), None) is None:
        checked, _ = schema.check(which, document, merged)
        return dict(checked)
    return dict(merged)


def _parsed(which: str, file: Source | None) -> dict[str, Any]:
    from orch.config import schema, source

    if file is None:
        return {}
    data = schema.normalise(which, source.parse(str(file.path), file.text).data)
    return data if isinstance(data, dict) else {}


def _over_shipped(data: Any) -> Any:
    """What a routing.yaml leaves out is taken from the shipped one; lists and weights are replaced whole."""
    if not isinstance(data, dict):
        return data
    shipped = _parsed("routing", _read("routing", packaged("routing"), "package"))
    return _merge(shipped, data)


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        beneath = under.get(key)
        whole = key == "weights" or (isinstance(beneath, dict) and set(beneath) == set(spec.TERMS))
        merged[key] = _merge(beneath, value) if isinstance(beneath, dict) and isinstance(value, dict) and not whole else value
    return merged


def _overreach(which: str, document: Any, data: dict[str, Any], base: dict[str, Any]) -> Iterator[Any]:
    """What a file of the working directory may not set: a cloned repository must not redirect anyone's prompts."""
    said = "may not be set by a file of the working directory; put it into {} or use --config"
    own = said.format(paths.config_dir())
    shipped = _parsed(which, _read(which, packaged(which), "package"))
    for key, value in data.items():
        if key not in _LOCAL_MAY_SET[which] and value not in (base.get(key), shipped.get(key)):
            yield document.problem((key,), own)
    for path in _strings_with_variables(data):
        yield document.problem(path, "${…} " + own)
    for name, provider in data.get("providers", {}).items():
        path = ("providers", name)
        if provider.get("api_key"):
            yield document.problem((*path, "api_key"), own)
        urls = [provider["base_url"]] if provider.get("base_url") else provider.get("base_urls", [])
        for url in urls:
            if not is_loopback(url):
                yield document.problem((*path, "base_url"), f"{url} is not on this machine: it {own}")
    for index, model in enumerate(data.get("models", [])):
        if not str(model.get("gguf") or "package:").startswith("package:"):
            yield document.problem(("models", index, "gguf"), own)


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    return host in _LOOPBACK or host.startswith("127.")


# ---------------------------------------------------------------- ${VAR:-default}


def interpolate(value: Any, env: Mapping[str, str]) -> Any:
    """Fills `${VAR:-default}` into parsed strings. Raises KeyError with the variable's name."""
    if isinstance(value, dict):
        return {key: interpolate(entry, env) for key, entry in value.items()}
    if isinstance(value, list):
        return [interpolate(entry, env) for entry in value]
    if not isinstance(value, str) or "${" not in value:
        return value

    def fill(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        return env.get(name) or default if default is not None else env[name]

    return _VARIABLE.sub(fill, value)


def _strings_with_variables(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, (dict, list)):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _strings_with_variables(entry, (*path, key))
    elif isinstance(value, str) and _VARIABLE.search(value):
        yield path


def _fill_and_find_unset(data: Any, env: Mapping[str, str]) -> tuple[Any, list[tuple[tuple[str | int, ...], str]]]:
    """The data with variables filled in, and the path and name of each that is unset (filled with a stand-in, so that checking goes on)."""
    unset: list[tuple[tuple[str | int, ...], str]] = []
    stand_in = dict(env)
    for path in _strings_with_variables(data):
        value = data
        for part in path:
            value = value[part]
        for match in _VARIABLE.finditer(value):
            name = match.group(1)
            if match.group(2) is None and name not in env:
                unset.append((path, name))
                stand_in[name] = "http://127.0.0.1:1"
    return interpolate(data, stand_in), unset


# ---------------------------------------------------------------- the cache, and OLLAMA_HOST


def _cache_file(key: str, env: Mapping[str, str]) -> Path:
    return paths.cache_dir(env) / "config" / f"{key}.json"


def _cached(key: str, env: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        data = json.loads(_cache_file(key, env).read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and set(data) == set(FILES) else None


def _keep(key: str, data: dict[str, Any], env: Mapping[str, str]) -> None:
    """Keeps checked data, unless a variable feeds a number: that must be checked anew each time."""
    safe = ("api_key", "base_url", "base_urls", "qdrant_url")
    variables = (path for which in FILES for path in _strings_with_variables(data[which]))
    if not key or any(not {str(part) for part in path} & set(safe) for path in variables):
        return
    try:
        folder = _cache_file(key, env).parent
        paths.write_private(_cache_file(key, env), json.dumps(data))
        for old in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-16]:
            old.unlink(missing_ok=True)
    except OSError:
        pass  # a cache that can't be written costs time, nothing else


def _with_ollama_host(models: spec.Models, env: Mapping[str, str]) -> spec.Models:
    """OLLAMA_HOST replaces the default address, as it does for Ollama's own client; an address of one's own in models.yaml stays."""
    host = env.get("OLLAMA_HOST", "").strip()
    if not host:
        return models
    from dataclasses import replace

    url = ollama_url(host)
    providers = {
        name: replace(provider, base_url=url) if provider.kind == "ollama" and (provider.base_url or "").rstrip("/") == spec.DEFAULT_OLLAMA_URL else provider
        for name, provider in models.providers.items()
    }
    return replace(models, providers=providers)


def ollama_url(host: str) -> str:
    """The address that OLLAMA_HOST means: scheme and port filled in, 0.0.0.0 read as this machine. Raises ConfigError."""
    from urllib.parse import urlsplit

    scheme, _, rest = host.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        port = parts.port or {"http": 80, "https": 443}.get(scheme, 11434)
    except ValueError:
        raise ConfigError(f"OLLAMA_HOST: {host!r} is not an address", "it looks like 127.0.0.1:11434") from None
    name = parts.hostname or "127.0.0.1"
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    return f"{scheme or 'http'}://{f'[{name}]' if ':' in name else name}:{port}{parts.path.rstrip('/')}"
