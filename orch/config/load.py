"""Loads models.yaml and routing.yaml as one validated Config; a cached copy avoids YAML and
pydantic."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orch.config import paths, spec
from orch.config.discovery import (
    FILES,
    KNOWN_MODELS,
    SourceFile,
    find_sources,
    packaged_file,
    read_source,
    trusted_source,
    working_directory,
)
from orch.config.interpolation import interpolate, strings_with_variables
from orch.config.urls import (
    corrected_base_url,
    display_url,
    ignored_port,
    ollama_host_url,
    trimmed_ollama_host,
)
from orch.config.version import VERSION
from orch.types import TaskType

EXTRA_KEYS = ("own", "shipped")
"""What is stored beside the data of the files."""


@dataclass(frozen=True, slots=True)
class Config:
    """Both files, validated, with their hash and their sources."""

    models: spec.Models
    routing: spec.Routing
    hash: str
    sources: tuple[SourceFile, ...] = ()
    notes: tuple[str, ...] = ()
    """About files that were found and ignored."""
    corrections: tuple[str, ...] = ()
    """Addresses that were corrected, as sentences."""
    own_rules: Mapping[TaskType, spec.TaskTypeRule] = field(default_factory=dict)
    """The user's own keywords and patterns, which the shipped routing.yaml does not have."""
    shipped_models: tuple[spec.ModelSpec, ...] = ()
    """The models of the shipped models.yaml: their ratings and strengths are not the user's."""
    known_models: Mapping[str, Any] = field(default_factory=dict)
    """The user's known_models.yaml, validated."""
    shipped_prefer: frozenset[TaskType] = frozenset()
    """Types whose `prefer` comes from the shipped routing.yaml."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about both files, although they can be used."""
        return (*self.notes, *self.corrections)


def load_config(
    config_dir: Path | None = None,
    env: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
    named: Mapping[str, Path] | None = None,
) -> Config:
    """Loads both files, from the cache where possible; `named` (models, routing) overrides the
    files that are found. Raises ConfigError with every problem."""
    files, notes = find_sources(config_dir, env, cwd or working_directory())
    files |= {which: read_source(which, path, "flag") for which, path in (named or {}).items()}
    base = trusted_sources(files, env)
    shipped = [packaged_file(which).read_text(encoding="utf-8") for which in FILES]
    digest = hashlib.sha256(VERSION.encode())
    for text in (
        *(source.text for source in files.values()),
        *shipped,
        *(b.text for b in base.values() if b),
        *(s.origin for s in files.values()),
    ):
        digest.update(b"\0" + text.encode())
    key = digest.hexdigest()[:24]
    data = _cached(key, env) or _validate_and_cache(files, base, env, key)
    try:
        filled = {which: interpolate(data[which], env) for which in FILES}
    except KeyError:
        data = _validate_and_cache(
            files, base, env, key
        )  # names the unset variable and its position
        filled = {which: interpolate(data[which], env) for which in FILES}
    models, corrections = _with_addresses(spec.build_models(filled["models"]), env)
    return Config(
        models,
        spec.build_routing(filled["routing"]),
        key[:12],
        tuple(files.values()),
        tuple(notes),
        corrections,
        **_own_and_shipped(data),
    )


def config_from_data(
    models: dict[str, Any] | None,
    routing: dict[str, Any] | None,
    env: Mapping[str, str] = os.environ,
) -> Config:
    """A Config from parsed data; for None, the file that the command would find. Raises
    ConfigError."""
    files, _ = find_sources(None, env, working_directory())
    for which, data in (("models", models), ("routing", routing)):
        if data is not None:
            files[which] = SourceFile(which, Path(f"<{which}>"), "flag", _yaml_text(data))
    validated = _validate_and_cache(files, trusted_sources(files, env), env, "")
    filled = {which: interpolate(validated[which], env) for which in FILES}
    digest = hashlib.sha256(json.dumps(validated, sort_keys=True).encode()).hexdigest()
    built, corrections = _with_addresses(spec.build_models(filled["models"]), env)
    return Config(
        built,
        spec.build_routing(filled["routing"]),
        digest[:12],
        tuple(files.values()),
        corrections=corrections,
        **_own_and_shipped(validated),
    )


def _yaml_text(data: dict[str, Any]) -> str:
    """The data as JSON that is YAML too. JSON would write an emoji as two escapes, which YAML does
    not put together, and YAML reads some characters above ASCII only as escapes."""
    text = json.dumps(data, ensure_ascii=False)
    return re.sub("[\x7f-\uffff]", lambda char: f"\\u{ord(char.group()):04x}", text)


def _own_and_shipped(data: Mapping[str, Any]) -> dict[str, Any]:
    """Separates the user's own settings from the shipped ones."""
    shipped = data["shipped"]
    models = tuple(spec.build_model(entry) for entry in shipped["models"])
    prefer = frozenset(map(TaskType, shipped["prefer"]))
    return {
        "own_rules": spec.build_rules(data["own"]),
        "known_models": data.get(KNOWN_MODELS, {}),
        "shipped_models": models,
        "shipped_prefer": prefer,
    }


def trusted_sources(
    files: dict[str, SourceFile], env: Mapping[str, str]
) -> dict[str, SourceFile | None]:
    """The trusted source beside each file of the working directory, None for the others."""
    return {
        which: trusted_source(which, env) if source.origin == "directory" else None
        for which, source in files.items()
    }


def _validate_and_cache(
    files: dict[str, SourceFile],
    base: dict[str, SourceFile | None],
    env: Mapping[str, str],
    key: str,
) -> dict[str, Any]:
    from orch.config.validate import validated_data  # YAML and pydantic: 9x `python -c pass`

    data = validated_data(files, base, env)
    _store(key, data, env)
    return data


# ---------------------------------------------------------------- the cache, and OLLAMA_HOST


def _cache_file(key: str, env: Mapping[str, str]) -> Path:
    return paths.cache_dir(env) / "config" / f"{key}.json"


def _cached(key: str, env: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        data = json.loads(_cache_file(key, env).read_bytes())
    except (OSError, ValueError):
        return None
    return (
        data
        if isinstance(data, dict) and set(data) - {KNOWN_MODELS} == {*FILES, *EXTRA_KEYS}
        else None
    )


def _store(key: str, data: dict[str, Any], env: Mapping[str, str]) -> None:
    """Caches validated data, unless a variable feeds a number: that must be validated at each
    load."""
    safe = ("api_key", "headers", "verify", "base_url", "base_urls", "qdrant_url", "qdrant_api_key")
    variables = (path for which in FILES for path in strings_with_variables(data[which]))
    if not key or any(not {str(part) for part in path} & set(safe) for path in variables):
        return
    try:
        folder = _cache_file(key, env).parent
        paths.write_private(_cache_file(key, env), json.dumps(data))
        for old in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-16]:
            old.unlink(missing_ok=True)
    except OSError:
        pass  # without a cache only the start takes longer


def _with_ollama_host(models: spec.Models, env: Mapping[str, str]) -> spec.Models:
    """OLLAMA_HOST replaces the default URL, as it does for Ollama's own client; another URL in
    models.yaml stays."""
    host = trimmed_ollama_host(env.get("OLLAMA_HOST", ""))
    if not host:
        return models
    url = ollama_host_url(host)
    providers = {
        name: replace(provider, base_url=url)
        if provider.kind == "ollama"
        and (provider.base_url or "").rstrip("/") == spec.DEFAULT_OLLAMA_URL
        else provider
        for name, provider in models.providers.items()
    }
    return replace(models, providers=providers)


def _with_addresses(
    models: spec.Models, env: Mapping[str, str]
) -> tuple[spec.Models, tuple[str, ...]]:
    """The models with the addresses that are used, and what was corrected in them."""
    models, corrections = _with_ollama_host(models, env), list[str]()
    if port := ignored_port(env.get("OLLAMA_HOST", "")):
        corrections.append(f"OLLAMA_HOST: {port!r} is not a port; the default port is used")
    providers = dict(models.providers)
    for name, provider in providers.items():
        urls = tuple(corrected_base_url(url, provider.kind) for url in provider.urls)
        for given, url in zip(provider.urls, urls, strict=True):
            if given.rstrip("/") != url:
                shown = f"{display_url(given)} is used as {display_url(url)}"
                corrections.append(
                    f"provider {name}: {shown}: kind {provider.kind} takes the address without the"
                    " path of its API, which orch appends"
                )
        if urls != provider.urls:
            several = urls if provider.base_urls else ()
            one = None if several else urls[0]
            providers[name] = replace(provider, base_url=one, base_urls=several)
    return replace(models, providers=providers), tuple(corrections)
