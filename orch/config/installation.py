"""How orch was installed, and the command that adds an extra or a library to this installation.

Built from the installer's records (`direct_url.json`, PEP 610): a bare name would be looked up on
an index, where it may belong to anybody.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

NAME = "orch-llm"
_LIBRARY = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"""\s*(?:\band\s+)?extra\s*==\s*['"]([\w.-]+)['"]""")


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation. `requires` are its requirements from the metadata, `libraries` the names of
    the installed distributions.

    `direct_url` is None if it came from an index.
    """

    prefix: Path
    python: str
    direct_url: Mapping[str, Any] | None
    requires: Sequence[str] = ()
    libraries: frozenset[str] = frozenset()
    by_pip: bool = False

    @classmethod
    def detect(cls) -> Installation:
        """The running installation. A checkout that was never installed counts as editable."""
        from importlib.metadata import PackageNotFoundError, distribution, distributions

        prefix, root = Path(sys.prefix), Path(__file__).parents[2]
        try:
            installed = distribution(NAME)
        except PackageNotFoundError:
            return cls(
                prefix,
                sys.executable,
                {"url": root.as_uri(), "dir_info": {"editable": True}},
                by_pip=_has_pip(),
            )
        direct_url = installed.read_text("direct_url.json")
        names = frozenset(_normalized(each.name) for each in distributions() if each.name)
        by_pip = (installed.read_text("INSTALLER") or "").strip() != "uv" and _has_pip()
        return cls(
            prefix,
            sys.executable,
            json.loads(direct_url) if direct_url else None,
            installed.requires or (),
            names,
            by_pip,
        )


def has_mcp_sdk() -> bool:
    """Whether the SDK of the Model Context Protocol is here, with the types that it comes with."""
    from importlib.util import find_spec

    return find_spec("mcp") is not None and find_spec("mcp_types") is not None


def install_extra_command(extra: str) -> str:
    """The command that installs an extra (serve, memory, embedded)."""
    return install_command(Installation.detect(), extra)


def install_library_command(name: str, *flags: str) -> str:
    """The command that installs a library in a version that orch supports."""
    installation = Installation.detect()
    version = next(
        (
            each.partition(";")[0]
            for each in _requirements_of(installation.requires)
            if _distribution_name(each) == _normalized(name)
        ),
        name,
    )
    return _shell_words([*_pip_install(installation), *flags, version])


def install_command(installation: Installation, extra: str) -> str:
    """The command that adds an extra. Installed extras stay: some installers rebuild the
    environment."""
    source = _source(installation.direct_url)
    root = source[1] if source and source[0] == "-e" else ""
    if source is None:
        return _shell_words(
            [
                *_pip_install(installation),
                *(
                    each
                    for each in _requirements_of(installation.requires, extra)
                    if _distribution_name(each) not in installation.libraries
                ),
            ]
        )
    if root and installation.prefix == Path(root) / ".venv":
        return _shell_words(
            ["uv", "sync", "--project", root, "--inexact", "--no-dev", "--extra", extra]
        )
    if (installation.prefix / "uv-receipt.toml").is_file():
        return _shell_words(
            [
                "uv",
                "tool",
                "install",
                *_with_extras(source, _installed_extras(installation) | {extra}),
            ]
        )
    if (installation.prefix / "pipx_metadata.json").is_file():
        return _shell_words(
            [
                "pipx",
                "install",
                "--force",
                *_with_extras(source, _installed_extras(installation) | {extra}),
            ]
        )
    if (
        "archive-v0" in installation.prefix.parts
    ):  # uvx: an environment in uv's cache, rebuilt for each requirement
        return _shell_words(
            [
                "uvx",
                "--from",
                _with_extras(source, _installed_extras(installation) | {extra})[-1],
                "orch",
            ]
        )
    return _shell_words([*_pip_install(installation), *_with_extras(source, {extra})])


def _pip_install(installation: Installation) -> list[str]:
    """The command that installs into the environment of orch."""
    return (
        [installation.python, "-m", "pip", "install"]
        if installation.by_pip
        else ["uv", "pip", "install", "--python", installation.python]
    )


# ---------------------------------------------------------------- where it came from


def _source(direct_url: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """The words of an install command, the location last; None for an index, and for a folder or
    file that no longer exists."""
    from urllib.request import url2pathname  # imports http.client, which memory does not need

    if direct_url is None:
        return None
    url, vcs = direct_url["url"], direct_url.get("vcs_info")
    inside = f"#subdirectory={direct_url['subdirectory']}" if direct_url.get("subdirectory") else ""
    if vcs:
        revision = f"@{vcs['requested_revision']}" if vcs.get("requested_revision") else ""
        return (f"{vcs['vcs']}+{url}{revision}{inside}",)
    if urlsplit(url).scheme != "file":
        return (f"{url}{inside}",)
    path = url2pathname(urlsplit(url).path)
    if inside or not Path(path).exists():
        return None
    return ("-e", path) if direct_url.get("dir_info", {}).get("editable") else (path,)


def _with_extras(source: tuple[str, ...], extras: set[str]) -> list[str]:
    *flags, place = source
    asked = f"[{','.join(sorted(extras))}]"
    return [*flags, f"{NAME}{asked} @ {place}" if "://" in place else f"{place}{asked}"]


# ---------------------------------------------------------------- what it requires


def _requirements_of(requires: Sequence[str], extra: str | None = None) -> list[str]:
    """The requirements of an extra, or all, without the marker that names the extra."""
    requirements = []
    for each in requires:
        name = _EXTRA.search(each)
        if extra is None or (name and name[1] == extra):
            what, _, condition = (
                part.strip() for part in _EXTRA.sub("", each).replace("'", '"').partition(";")
            )
            requirements.append(f"{what}; {condition}" if condition else what)
    return requirements


def _installed_extras(installation: Installation) -> set[str]:
    """The installed extras: those with at least one library present and none of the unconditional
    ones missing."""
    extras = set()
    for extra in {match[1] for each in installation.requires if (match := _EXTRA.search(each))}:
        wanted = [
            (";" not in each, _distribution_name(each) in installation.libraries)
            for each in _requirements_of(installation.requires, extra)
        ]
        if any(is_in for _, is_in in wanted) and all(is_in for always, is_in in wanted if always):
            extras.add(extra)
    return extras


def _distribution_name(requirement: str) -> str:
    match = _LIBRARY.match(requirement)
    return _normalized(match[0]) if match else ""


def _normalized(name: str) -> str:
    """The normalized name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _has_pip() -> bool:
    from importlib.util import find_spec

    return find_spec("pip") is not None


def _shell_words(words: Sequence[str]) -> str:
    """The words quoted for a shell."""
    if sys.platform != "win32":
        return shlex.join(words)
    from subprocess import list2cmdline

    return list2cmdline(words)
