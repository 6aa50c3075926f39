"""`orch config`: validates, shows and creates models.yaml and routing.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orch.cli import context
from orch.cli.options import Json
from orch.errors import ConfigError, UsageError
from orch.text.lines import one_line

if TYPE_CHECKING:
    from orch.config.load import Config

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="Validate, show and create models.yaml and routing.yaml.",
)


@app.command("validate")
def config_validate(
    ctx: typer.Context,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")] = False,
    as_json: Json = False,
) -> None:
    """Check both files and report every problem with its position."""
    from orch.cli import render

    try:
        config = context.read_config(ctx)
        errors, warnings = [], [*config.warnings, *_unknown_models(config)]
    except ConfigError as error:
        errors, warnings = render.config_problems(error), []
    bad = bool(errors or (strict and warnings))
    if as_json:
        render.print_json({"v": 1, "ok": not bad, "errors": errors, "warnings": warnings})
    else:
        for line in errors:
            render.print_stderr(line)
        for line in warnings:
            render.print_stderr(f"{'error' if strict else 'warning'}: {one_line(line)}")
        if not bad:
            render.print_stdout("\n".join(f"ok: {source.path}" for source in config.sources))
    raise typer.Exit(2 if bad else 0)


def _unknown_models(config: Config) -> list[str]:
    """The names in both files of models that models.yaml does not list."""
    from orch.config.consistency import unknown_preferences, unknown_targets
    from orch.config.yaml_document import parse_yaml

    files = {file.which: file for file in config.sources}
    models, routing = (
        parse_yaml(str(files[which].path), files[which].text) for which in ("models", "routing")
    )
    return [
        *map(str, unknown_targets(config.models, models)),
        *map(str, unknown_preferences(config.models, config.routing, routing)),
    ]


@app.command("show")
def config_show(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the configuration in use, with defaults filled in and keys hidden."""
    from dataclasses import asdict

    from orch.cli import render
    from orch.config.secrets import mask_secrets

    config = context.read_config(ctx)
    data = {"models": asdict(config.models), "routing": asdict(config.routing)}
    plain = mask_secrets(json.loads(json.dumps(data)))
    if as_json:
        render.print_json(
            {
                "v": 1,
                "hash": config.hash,
                "sources": [str(source.path) for source in config.sources],
                **plain,
            }
        )
        return
    import yaml

    render.print_stdout(
        f"# {config.hash}\n"
        + "\n".join(f"# {source.path} ({source.origin})" for source in config.sources)
    )
    render.print_stdout(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=140))


@app.command("schema")
def config_schema(
    which: Annotated[
        str, typer.Argument(metavar="[models|routing|known-models]", show_default=False)
    ] = "",
) -> None:
    """Print the JSON Schema of models.yaml, routing.yaml or known_models.yaml; default: all."""
    from orch.cli import render
    from orch.config.schema import json_schema

    names = ("models", "routing", "known_models")
    wanted = which.replace("-", "_")
    if wanted not in ("", *names):
        raise UsageError(
            f"unknown schema {which!r}",
            "one of: models, routing, known-models",
        )
    value = json_schema(wanted) if wanted else {name: json_schema(name) for name in names}
    render.print_stdout(json.dumps(value, ensure_ascii=False, indent=2))


@app.command("path")
def config_path(ctx: typer.Context, as_json: Json = False) -> None:
    """Show which files are used, and where orch looks for them."""
    import os

    from orch.cli import render
    from orch.config import paths
    from orch.config.discovery import find_sources, packaged_file, working_directory

    sources, notes = find_sources(context.chosen_config_dir(ctx), os.environ, working_directory())
    if as_json:
        render.print_json(
            {
                "v": 1,
                "files": {w: str(s.path) for w, s in sources.items()},
                "user_dir": str(paths.config_dir()),
                "notes": notes,
            }
        )
        return
    for which, source in sources.items():
        render.print_stdout(f"{which}: {source.path} ({source.origin})")
    searched = (
        "--config DIR",
        "$ORCH_CONFIG",
        "the working directory (both files)",
        str(paths.config_dir()),
        str(packaged_file("models").parent),
    )
    render.print_stdout("search order: " + " > ".join(searched))
    for note in notes:
        render.print_warning(note)


CLIENTS = tuple("claude codex opencode aider continue qwen open-webui llm zed vscode".split())
"""The keys of `clients.snippets.SNIPPETS`, which shell completion need not load."""


def complete_client(incomplete: str) -> list[str]:
    """Names of clients for shell completion."""
    return [name for name in CLIENTS if name.startswith(incomplete)]


@app.command("client")
def config_client(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=f"One of: {', '.join(CLIENTS)}.",
            autocompletion=complete_client,
            show_default=False,
        ),
    ],
) -> None:
    """Print the settings of a client, with the models that are there and what each can hold."""
    from orch.cli import render
    from orch.cli.clients.snippets import SNIPPETS
    from orch.cli.clients.source import current_endpoint

    if name not in SNIPPETS:
        raise UsageError(f"no settings are known for {name!r}", f"one of: {', '.join(SNIPPETS)}")
    snippet, endpoint = SNIPPETS[name], current_endpoint(ctx)
    render.print_stderr(f"for {snippet.place}:")
    if endpoint.needs_key:
        render.print_stderr(snippet.key_advice)
    if not endpoint.installed:
        render.print_warning("no model can answer now; orch health shows why")
    render.print_stdout(snippet.block(endpoint))


@app.command("init")
def config_init(
    to: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Folder to write to. Default: your config folder.",
            show_default=False,
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace existing files; a copy is kept.")
    ] = False,
) -> None:
    """Write models.yaml and routing.yaml, with their schemas, for editing."""
    from orch.cli import render
    from orch.config import paths
    from orch.config.discovery import FILES, packaged_file
    from orch.config.schema import json_schema

    folder = Path(to).expanduser() if to else paths.config_dir()
    existing = [folder / name for name in FILES.values() if (folder / name).exists()]
    if existing and not force:
        raise ConfigError(
            f"{existing[0]} already exists", "orch config init --force replaces it and keeps a copy"
        )
    try:
        for old in existing:
            old.replace(old.with_name(old.name + ".bak"))
        for which, name in FILES.items():
            text = packaged_file(which).read_text(encoding="utf-8")
            first, rest = text.split("\n", 1)
            assert "$schema=" in first
            paths.write_private(
                folder / name, f"# yaml-language-server: $schema=./{which}.schema.json\n{rest}"
            )
            paths.write_private(
                folder / f"{which}.schema.json", json.dumps(json_schema(which), indent=2) + "\n"
            )
            render.print_stdout(f"wrote {folder / name}")
    except OSError as error:
        raise ConfigError(
            f"{folder} can't be written: {error.strerror or error}",
            "orch config init --to DIR writes elsewhere",
        ) from None
