"""Finds the file of a model: in an Ollama registry (or a hub that speaks its protocol), or at a URL
with a SHA-256."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from orch.cli.commands.setup.download import Artifact
from orch.cli.commands.setup.web import TRY_LATER, open_url
from orch.config.urls import display_url
from orch.errors import OrchError, UsageError
from orch.providers.http.httpx_options import import_httpx

REGISTRY = "https://registry.ollama.ai"
REGISTRY_VARIABLE = "ORCH_OLLAMA_REGISTRY"
"""Environment variable that names a mirror."""
WEIGHTS, PROJECTOR = "application/vnd.ollama.image.model", "application/vnd.ollama.image.projector"
"""Kinds of layers: https://github.com/ollama/ollama, server/images.go."""
MAX_MANIFEST_BYTES = 1_000_000
_MANIFEST = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
_PART = r"[A-Za-z0-9_][\w.-]*"
_NAME = re.compile(
    rf"(?:(?P<host>{_PART}\.{_PART}(?::\d+)?)/)?(?:(?P<space>{_PART})/)?(?P<model>{_PART})(?::(?P<tag>{_PART}))?"
)


class RegistryPath(NamedTuple):
    """A model in a registry: its URL without the last part, and the tag."""

    url: str
    tag: str


def is_url(name: str) -> bool:
    """Whether it is a URL, not a name."""
    return "://" in name


def registry_path(name: str, env: Mapping[str, str] = os.environ) -> RegistryPath:
    """The place in a registry of a name as Ollama parses it: `qwen3:4b`, `someone/model`,
    `hf.co/OWNER/REPO:TAG`. Raises UsageError."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise UsageError(
            f"{name!r} is not the name of a model",
            "for example qwen3:4b-instruct, or the https URL of a GGUF file with --sha256",
        )
    base = (
        f"https://{parts['host']}"
        if parts["host"]
        else env.get(REGISTRY_VARIABLE, "").rstrip("/") or REGISTRY
    )
    return RegistryPath(
        f"{base}/v2/{parts['space'] or 'library'}/{parts['model']}", parts["tag"] or "latest"
    )


def find_artifact(name: str, sha256: str = "", env: Mapping[str, str] = os.environ) -> Artifact:
    """The file of a model, from the registry's manifest; a URL is not queried. Raises OrchError."""
    if is_url(name):
        if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
            raise UsageError(
                "a URL needs the SHA-256 of its file, 64 hexadecimal digits",
                f"orch setup {name} --sha256 …",
            )
        return Artifact(name, sha256.lower())
    if sha256:
        raise UsageError(
            "--sha256 goes with a URL; for a name the registry has it", f"orch setup {name}"
        )
    place = registry_path(name, env)
    digest, size = _weights(_manifest(f"{place.url}/manifests/{place.tag}"), name)
    return Artifact(f"{place.url}/blobs/sha256:{digest}", digest, size)


def _manifest(url: str) -> Any:
    try:
        with open_url(url, _MANIFEST) as response:
            data = b""
            for piece in response.iter_bytes():
                data += piece
                if len(data) > MAX_MANIFEST_BYTES:
                    raise OrchError(f"{display_url(url)} is not a manifest: it is too long")
    except import_httpx().TransportError as error:
        raise OrchError(
            f"{display_url(url)}: {' '.join(str(error).split()) or type(error).__name__}", TRY_LATER
        ) from None
    try:
        return json.loads(data)
    except ValueError:
        raise OrchError(f"{display_url(url)} is not a manifest: it is not JSON") from None


def _weights(manifest: Any, name: str) -> tuple[str, int]:
    """SHA-256 and size of the one file with weights."""
    layers = manifest.get("layers") if isinstance(manifest, dict) else None
    entries = [each for each in layers or () if isinstance(each, dict)]
    weights = [
        (each.get("digest"), each.get("size"))
        for each in entries
        if each.get("mediaType") == WEIGHTS
    ]
    if len(weights) != 1:
        why = (
            "it has none: Ollama runs it on its own machines"
            if not weights
            else f"it has {len(weights):,}"
        )
        raise OrchError(f"{name} is not one file of weights: {why}", "orch setup offers others")
    digest, size = weights[0]
    if (
        not isinstance(digest, str)
        or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
        or not isinstance(size, int)
        or size <= 0
    ):
        raise OrchError(f"the registry has no usable digest and size of {name}")
    return digest.removeprefix("sha256:"), size


def file_name(name: str, artifact: Artifact) -> str:
    """The name of its local file: its name and the beginning of its SHA-256, so that a newer
    version is another file."""
    last = name.rpartition("/")[2].removesuffix(".gguf") if is_url(name) else name
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', last)[:80]}-{artifact.sha256[:12]}.gguf"
