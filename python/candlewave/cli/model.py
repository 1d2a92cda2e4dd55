"""Commands about the SQL objects: lint, render; those about migrations have a module of their own."""

import inspect
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.common import fail, load_project

if TYPE_CHECKING:
    from candlewave.core.settings import Settings
    from candlewave.sqlproject.render import SqlObject


class Engine(StrEnum):
    """Which engine's text is wanted."""

    RISINGWAVE = "risingwave"
    EMBEDDED = "embedded"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(render)
    app.command()(lint)


def lint(
    explain: Annotated[str | None, typer.Option(help="Print the reason of a rule, such as CW003.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules.")] = False,
) -> None:
    """Check the SQL models in sql/; needs no engine. Exit code 1 when a rule is violated or sql/rendered is stale."""
    from candlewave.sqlproject.lint import RULES
    from candlewave.sqlproject.lint import lint as check
    from candlewave.sqlproject.rendered import stale_files

    if rules:
        for code, rule in RULES.items():
            typer.echo(f"{code}  {inspect.getdoc(rule).splitlines()[0]}")  # type: ignore[union-attr]
        return
    if explain is not None:
        if explain.upper() not in RULES:
            fail(f"there is no rule {explain}; rules are {', '.join(RULES)}")
        typer.echo(f"{explain.upper()}: {inspect.getdoc(RULES[explain.upper()])}")
        return
    _, config = load_project(connects=False)
    findings = check(config)
    for finding in findings:
        typer.echo(str(finding))
    if findings:
        codes = sorted({finding.code for finding in findings})
        typer.echo(f"{len(findings)} violations; `candlewave lint --explain {codes[0]}` says why a rule is there")
        raise typer.Exit(1)
    if stale := stale_files():
        fail(stale_text(stale))
    typer.echo(f"sql/: no violation of {len(RULES)} rules, sql/rendered is up to date")


def stale_text(stale: list[str]) -> str:
    """Return what to do about stale files."""
    return f"sql/ renders to something else than {', '.join(stale)}: run `make render`"


def render(
    objects: Annotated[list[str] | None, typer.Argument(help="Names of objects; all when none is given.")] = None,
    engine: Annotated[Engine, typer.Option(help="Whose text to print.")] = Engine.RISINGWAVE,
    out: Annotated[Path | None, typer.Option(help="Write a file per object into this folder instead.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Bring sql/rendered up to date instead: RisingWave's text, with defaults.")
    ] = False,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Print passwords, not ***.")] = False,
) -> None:
    """Print the SQL that an engine gets for the objects of sql/, in dependency order."""
    from candlewave.core.paths import own_root
    from candlewave.sqlproject.render import render_objects
    from candlewave.sqlproject.rendered import terminated, write_rendered

    if write:
        if objects or out or engine is not Engine.RISINGWAVE:
            fail("--write renders every object for RisingWave; give it no other option")
        if own_root() is not None:
            fail("--write is about candlewave's own sql/rendered; for a project's SQL use --out FOLDER")
        changed = write_rendered()
        typer.echo("\n".join(changed) or "sql/rendered is up to date")
        return
    settings, config = load_project(connects=False)
    known = {o.name: o for o in render_objects(config)}
    unknown = [name for name in objects or () if name not in known]
    if unknown:
        fail(f"there is no object {unknown[0]}; objects are {', '.join(known)}")
    wanted = [o for o in known.values() if not objects or o.name in objects]
    if engine is Engine.EMBEDDED:
        texts = {o.name: _embedded_text(o) for o in wanted}
    elif settings.kafka_bootstrap_servers is None:
        texts = {o.name: o.text for o in wanted}
        typer.echo("KAFKA_BOOTSTRAP_SERVERS is not set: deploy-time parameters are left as ${name}", err=True)
    else:
        texts = {o.name: _filled(o.text, settings, mask_secrets=not show_secrets) for o in wanted}
    if out is None:
        typer.echo("\n\n".join(terminated(text).rstrip() for text in texts.values()))
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / f"{name}.sql").write_text(terminated(text), encoding="utf-8")
    typer.echo(f"wrote {len(texts)} files to {out}")


def _filled(text: str, settings: "Settings", *, mask_secrets: bool) -> str:
    """Return the text with its parameters; as it is when it belongs to a part of the deployment that is not set up."""
    from candlewave.sqlproject.parameters import UnsetParameterError, fill

    try:
        return fill(text, settings, mask_secrets=mask_secrets)
    except UnsetParameterError as error:
        typer.echo(f"left as it is: {error}", err=True)
        return text


def _embedded_text(sql_object: "SqlObject") -> str:
    """Return an object's header, and PostgreSQL's text of what it is; what PostgreSQL has no word for is a comment."""
    from candlewave.engine.embedded.translate import translate_query
    from candlewave.sqlproject.ddl import Kind, plain_table
    from candlewave.sqlproject.header import split_header

    comment, _ = split_header(sql_object.text)
    statement = sql_object.statement
    notes: list[str] = []
    if statement.connector and statement.connector.properties.get("connector") == "elasticsearch":
        notes.append(f"-- embedded: `candlewave up` sends rows of {statement.relation} to ELASTICSEARCH_URL")
    elif statement.connector:
        verb = "publishes rows of" if statement.kind is Kind.SINK else "filled from"
        what = f"{verb} {statement.relation} to" if statement.relation else verb
        notes.append(f"-- embedded: {what} topic {statement.connector.topic.removeprefix('${topic_prefix}')}")
    if statement.kind is Kind.TABLE:
        rule = "first row of a key wins" if statement.append_only else "last row of a key wins"
        notes.append(f"-- embedded: by triggers, the {rule}")
        body = plain_table(replace(statement, append_only=False, on_conflict=None))
    elif statement.kind is Kind.SINK:
        body = "-- embedded: nothing to create"
    elif statement.kind is Kind.VIEW and not sql_object.header.footprints:
        body = f"CREATE VIEW {statement.name} AS\n{translate_query(statement.query or '')}"
    else:
        keys = ", ".join(sql_object.header.keys)
        notes.append(f"-- embedded: a table with primary key ({keys}), whose touched rows each refresh replaces")
        body = f"CREATE TABLE {statement.name} AS\n{translate_query(statement.query or '')}"
    return "\n".join([comment, *notes, body])
