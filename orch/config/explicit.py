"""A Config from what a library user passes: paths, or parsed data (lazily imports YAML)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from orch.config.load import Config, config_from_data, load_config

if TYPE_CHECKING:
    from orch.config.spec import Models, Routing

ConfigSource = str | Path | dict[str, Any] | None


def config_from(models: ConfigSource | Models, routing: ConfigSource | Routing) -> Config:
    """A Config from paths or parsed data; None means the files that the command would find. Raises
    ConfigError."""
    if models is None and routing is None:
        return load_config()
    return config_from_data(_data("models", models), _data("routing", routing))


def _data(which: str, given: Any) -> dict[str, Any] | None:
    if given is None or isinstance(given, dict):
        return given
    if isinstance(given, (str, Path)):
        return _file_data(which, Path(given))
    from dataclasses import asdict

    return asdict(given)


def _file_data(which: str, path: Path) -> dict[str, Any]:
    from orch.config import files, schema, yaml_document
    from orch.config.discovery import FILES
    from orch.errors import ConfigError

    file = path / FILES[which] if path.is_dir() else path
    try:
        document = yaml_document.parse_yaml(
            str(file), files.read_bounded(file, yaml_document.MAX_BYTES).decode("utf-8-sig")
        )
    except files.FileTooLongError:
        raise ConfigError(f"{file}: it has over {yaml_document.MAX_BYTES:,} bytes") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    if document.problems:
        raise ConfigError(
            "\n".join(map(str, document.problems)),
            problems=[str(problem) for problem in document.problems],
        )
    data: dict[str, Any] = schema.expand_short_forms(which, document.data)
    return data
