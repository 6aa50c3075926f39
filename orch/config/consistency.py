"""Checks across the keys of a configuration file: names, URLs, weights, patterns (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from orch.config import regex_limits, spec
from orch.config.headers import header_problem
from orch.config.spec.option_types import KEEP_ALIVE_FORMS, is_keep_alive, option_problems
from orch.config.urls import url_problem
from orch.config.yaml_document import KeyPath, Problem, YamlDocument
from orch.text.lines import is_one_line
from orch.text.model_names import comparison_key, full_name
from orch.text.redact import is_retired_pattern
from orch.text.redact.vendor_keys import FORM_NAMES
from orch.text.requested_model import AUTO_NAMES, ModelNames, is_auto_key
from orch.text.suggestion import did_you_mean

_USUAL_PORTS = {"ollama": "11434", "openai": "8000/v1", "llama-server": "8080"}
MAX_NAME_CHARS = 300
MODELS, ROUTING, KNOWN = "models", "routing", "known_models"
MAX_SECRET_CHARS = 200
"""How far a redaction pattern is assumed to read from one position: no secret is longer."""

NO_VERIFICATION = (
    "false is not allowed: anyone on the way could read the prompts; name the file of the server's"
    " certificate instead, which `openssl s_client -connect HOST:PORT </dev/null | openssl x509"
    " -out server.pem` fetches"
)


def _check_models(document: YamlDocument, data: dict[str, Any]) -> Iterator[Problem]:
    providers = data.get("providers", {})
    yield from _check_shown_names(document, data)
    for name, provider in providers.items():
        yield from _check_provider(document, ("providers", name), provider)
    seen: dict[tuple[str, str], KeyPath] = {}
    for index, model in enumerate(data.get("models", [])):
        path: KeyPath = ("models", index)
        used = model.get("provider", "ollama")
        if used not in providers:
            near = did_you_mean(used, list(providers))
            yield document.problem(
                (*path, "provider"),
                f"unknown provider {used!r}{near}; providers: {', '.join(providers) or 'none'}",
            )
        yield from _check_numbers(document, path, model)
        for option, wrong in option_problems(model.get("options", {})):
            yield document.problem((*path, "options", option), wrong)
        if fault := _gguf_problem(model.get("gguf") or ""):
            yield document.problem((*path, "gguf"), fault)
        for key, name in _names(path, model):
            for one in _keys_of_name(name, used, providers):
                if one in seen and seen[one] != path:
                    yield document.problem(
                        key, f"{name!r} is already a name of {_model_id(data, seen[one])}"
                    )
                    break
                seen.setdefault(one, path)
    yield from _check_aliases(document, data)


def _check_aliases(document: YamlDocument, data: dict[str, Any]) -> Iterator[Problem]:
    """Each alias is a name of its own, and stands for a model or for a name of `auto`."""
    aliases: dict[str, str] = data.get("aliases", {})
    taken = {
        comparison_key(name): _model_id(data, path)
        for index, model in enumerate(data.get("models", []))
        for path, name in _names(("models", index), model)
    }
    keys = Counter(map(comparison_key, aliases))
    for alias, target in aliases.items():
        key, path = comparison_key(alias), ("aliases", alias)
        if not 1 <= len(alias) <= MAX_NAME_CHARS or not is_one_line(alias):
            yield document.problem(path, f"{alias!r} can't be a name")
        elif key.startswith("auto:"):
            yield document.problem(path, f"{alias!r} is a name of orch's own")
        elif key in taken:
            yield document.problem(path, f"{alias!r} is already a name of {taken[key]}")
        elif keys[key] > 1:
            yield document.problem(path, f"{alias!r} appears twice: case does not matter")
        elif fault := _target_problem(target, keys):
            yield document.problem(path, fault)


def _target_problem(target: str, aliases: Collection[str]) -> str:
    """Why an alias can't stand for this; empty if it can."""
    key = comparison_key(target)
    if not 1 <= len(target) <= MAX_NAME_CHARS or not is_one_line(target):
        return f"{target!r} can't be a name"
    if key in aliases:
        return f"{target!r} is an alias itself; write what that stands for"
    if key.startswith("auto:") and not is_auto_key(key):
        return f"there is no {target!r}{did_you_mean(key, AUTO_NAMES)}"
    return ""


def _check_shown_names(document: YamlDocument, data: dict[str, Any]) -> Iterator[Problem]:
    """Names and words that reach terminals and logs must not control them."""
    shown: list[tuple[KeyPath, str]] = [
        (("providers", name), name) for name in data.get("providers", {})
    ]
    for index, model in enumerate(data.get("models", [])):
        path: KeyPath = ("models", index)
        shown += [((*path, key), model[key]) for key in ("id", "name") if key in model]
        for key in ("aliases", "strengths", "weaknesses"):
            shown += [((*path, key, at), word) for at, word in enumerate(model.get(key, []))]
    for path, text in shown:
        if not is_one_line(text):
            yield document.problem(
                path,
                f"{text!r} holds a control character, a tab or a line break; write the name"
                " without it",
            )


def _gguf_problem(gguf: str) -> str | None:
    """Why a model file can't have this name, or None."""
    if "\0" in gguf:
        return "there is a zero character in it"
    if not gguf.startswith("package:"):
        return None
    package, _, path = gguf.removeprefix("package:").partition("/")
    if (
        not package.isidentifier()
        or {"", ".", ".."} & set(path.split("/"))
        or "\\" in path
        or ":" in path
    ):
        return (
            f"{gguf!r} is not a file in the folder of an installed package; the form is"
            " package:NAME/FILE"
        )
    return None


def _names(path: KeyPath, model: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    yield (*path, "id"), model["id"]
    for number, alias in enumerate(model.get("aliases", [])):
        yield (*path, "aliases", number), alias


def _keys_of_name(name: str, provider: str, providers: dict[str, Any]) -> list[tuple[str, str]]:
    """What no other model's name may share: the full name, and at one Ollama any spelling of it."""
    keys = [("", full_name(name))]
    if providers.get(provider, {}).get("kind") == "ollama":
        keys.append((provider, comparison_key(name)))
    return keys


def _model_id(data: dict[str, Any], path: KeyPath) -> str:
    return str(data["models"][path[1]]["id"])


def _check_provider(
    document: YamlDocument, path: KeyPath, provider: dict[str, Any]
) -> Iterator[Problem]:
    if fault := _keep_alive_problem(provider.get("keep_alive")):
        yield document.problem((*path, "keep_alive"), fault)
    one, several = provider.get("base_url"), provider.get("base_urls")
    if provider["kind"] == "llamacpp":
        if one or several:
            yield document.problem(
                (*path, "base_url"), "a llamacpp provider runs inside orch and has no address"
            )
        return
    if not one and not several and provider["kind"] != "lmstudio":  # which has a default
        yield document.problem(
            (*path, "base_url"),
            f"a provider of kind {provider['kind']} needs base_url, such as"
            f" http://127.0.0.1:{_USUAL_PORTS[provider['kind']]}",
        )
    if one and several:
        yield document.problem((*path, "base_urls"), "give base_url or base_urls, not both")
    for url in [one] if one else several or []:
        if fault := url_problem(url):
            yield document.problem((*path, "base_url" if one else "base_urls"), fault)
    yield from _check_connection(document, path, provider)


def _check_connection(
    document: YamlDocument, path: KeyPath, provider: dict[str, Any]
) -> Iterator[Problem]:
    """The headers and the certificates of a provider."""
    headers, verify = provider.get("headers", {}), provider.get("verify")
    seen: set[str] = set()
    for name, value in headers.items():
        if fault := header_problem(name, value):
            yield document.problem((*path, "headers", name), fault)
        if name.lower() in seen:
            yield document.problem((*path, "headers", name), f"{name} appears twice")
        seen.add(name.lower())
    if provider.get("api_key") and "authorization" in seen:
        yield document.problem(
            (*path, "headers"), "give api_key or the header Authorization, not both"
        )
    if verify is False:
        yield document.problem((*path, "verify"), NO_VERIFICATION)
    if isinstance(verify, str) and ("\0" in verify or not verify.strip()):
        yield document.problem((*path, "verify"), "is not a path")


def _keep_alive_problem(value: str | None) -> str | None:
    """Why a value can't be keep_alive, or None."""
    if value is None or is_keep_alive(value):
        return None
    return f"{value!r} is not a duration; write {KEEP_ALIVE_FORMS}"


def _check_numbers(
    document: YamlDocument, path: KeyPath, model: dict[str, Any]
) -> Iterator[Problem]:
    window, num_ctx = model.get("context_window"), model.get("num_ctx")
    if window and num_ctx and num_ctx > window:
        yield document.problem(
            (*path, "num_ctx"), f"{num_ctx} is more than context_window, {window}"
        )
    both = set(model.get("strengths", [])) & set(model.get("weaknesses", []))
    if both:
        yield document.problem(
            (*path, "weaknesses"), f"{', '.join(sorted(both))}: a strength and a weakness at once"
        )


def _check_routing(document: YamlDocument, data: dict[str, Any]) -> Iterator[Problem]:
    sets: list[tuple[KeyPath, dict[str, float]]] = [(("weights",), data["weights"])]
    sets += [(("profiles", name), weights) for name, weights in data.get("profiles", {}).items()]
    for path, weights in sets:
        total = sum(weights.values())
        if abs(total - 1) > 1e-6:
            yield document.problem(path, f"the weights sum to {total:g}, not 1")
    yield from _check_patterns(document, data.get("task_types", {}))
    url = data.get("memory", {}).get("qdrant_url")
    if url and (fault := url_problem(url)):
        yield document.problem(("memory", "qdrant_url"), fault)
    yield from _check_redaction(document, data.get("redaction", {}))


def _check_redaction(document: YamlDocument, rule: dict[str, Any]) -> Iterator[Problem]:
    """Redaction patterns read every text whole, so the sum of their costs at one position is
    bounded."""
    steps = 0
    for name, pattern in rule.get("patterns", {}).items():
        fault = regex_limits.pattern_problem(pattern, read_chars=1)
        steps += (
            0
            if fault or is_retired_pattern(pattern)
            else regex_limits.max_steps(pattern, MAX_SECRET_CHARS)
        )
        if not fault and steps > regex_limits.MAX_STEPS * MAX_SECRET_CHARS:
            fault = (
                "this pattern and those before it could take too long on some texts; bound its"
                " repeats, such as .{0,40} for .*"
            )
        if fault:
            yield document.problem(("redaction", "patterns", name), fault)
    for index, name in enumerate(rule.get("allow", ())):
        if name not in FORM_NAMES:
            yield document.problem(
                ("redaction", "allow", index),
                f"unknown form {name!r}; the name of a form is in its mark, such as [redacted:"
                " jwt]",
            )


def _check_patterns(document: YamlDocument, rules: dict[str, Any]) -> Iterator[Problem]:
    """Checks each pattern, and the total time of all. A total that is too high is reported at the
    slowest pattern in this file."""
    patterns = {
        ("task_types", name, "patterns", at): pattern
        for name, rule in rules.items()
        for at, pattern in enumerate(rule.get("patterns", []))
    }
    if len(patterns) > regex_limits.MAX_COUNT:
        yield document.problem(
            ("task_types",),
            f"there are {len(patterns):,} patterns; {regex_limits.MAX_COUNT:,} are allowed in all",
        )
        return
    faults = {
        path: fault
        for path, pattern in patterns.items()
        if (fault := regex_limits.pattern_problem(pattern))
    }
    yield from (document.problem(path, fault) for path, fault in faults.items())
    steps = {
        path: regex_limits.max_steps(pattern)
        for path, pattern in patterns.items()
        if path not in faults
    }
    if sum(steps.values()) > regex_limits.MAX_STEPS_IN_ALL:
        slowest = max(steps, key=lambda path: (path in document.positions, steps[path]))
        yield document.problem(slowest, regex_limits.TOO_MUCH_IN_ALL)


def _check_known(document: YamlDocument, data: dict[str, Any]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, model in enumerate(data.get("models", [])):
        path: KeyPath = ("models", index)
        if model["name"] in seen:
            yield document.problem((*path, "name"), f"{model['name']!r} appears twice")
        seen.add(model["name"])
        if model.get("active_b") and model["active_b"] > model["params_b"]:
            yield document.problem(
                (*path, "active_b"),
                f"{model['active_b']:g} is more than params_b, {model['params_b']:g}",
            )


CHECKS = {MODELS: _check_models, ROUTING: _check_routing, KNOWN: _check_known}
"""Checks across keys, by file."""


def unknown_preferences(
    models: spec.Models, routing: spec.Routing, document: YamlDocument
) -> list[Problem]:
    """Ids in `prefer` that models.yaml lacks. Only warnings: many users have their own models.yaml
    with the shipped routing.yaml."""
    listed = _listed_keys(models)
    return [
        document.problem(
            ("task_types", str(task_type), "prefer", index), f"models.yaml has no model {name!r}"
        )
        for task_type, rule in routing.task_types.items()
        for index, name in enumerate(rule.prefer)
        if comparison_key(name) not in listed
    ]


def unknown_targets(models: spec.Models, document: YamlDocument) -> list[Problem]:
    """Aliases for models that models.yaml lacks. Only warnings: an installed model need not be
    listed."""
    listed, names = _listed_keys(models), ModelNames(providers=models.providers)
    return [
        document.problem(("aliases", alias), f"models.yaml has no model {target!r}")
        for alias, target in models.aliases.items()
        if not names.is_auto(target) and comparison_key(target) not in listed
    ]


def _listed_keys(models: spec.Models) -> set[str]:
    """Every name of the listed models, as names are compared."""
    return {
        comparison_key(name)
        for model in models.models
        for name in (model.id, *model.aliases, f"{model.provider}/{model.id}", model.name)
        if name
    }
