"""What Alembic runs: the body of ``migrations/env.py``, and how a revision finds its runner."""

from typing import Any

from alembic import context, op
from alembic.ddl.postgresql import PostgresqlImpl

from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.runner import Runner
from candlewave.engine.migrate.steps import Abandon, Add, Create, Drop, Keep, Step
from candlewave.sqlproject.render import from_text


class RisingWaveImpl(PostgresqlImpl):
    """Tells Alembic that RisingWave exists; it rolls nothing back."""

    __dialect__ = "risingwave"
    transactional_ddl = False


class ScriptPrinter:
    """Stands in for a runner when the SQL is printed instead of carried out; parameters stay unfilled."""

    def run(self, steps: tuple[Step, ...], _revision: str | None) -> None:
        """Print every step."""
        write = op.get_context().impl.static_output
        for step in steps:
            match step:
                case Create(text):
                    write(text.rstrip() + ";\n")
                case Drop(kind, name):
                    write(f"DROP {kind.upper()} {name};\n")
                case Add(text, columns):
                    table = from_text(text)
                    for column in table.statement.columns:
                        if column.name in columns:
                            write(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {column.type};\n')
                case Keep(text):
                    write(f"-- table {from_text(text).name} stays as it is\n")
                case Abandon(name):
                    write(f"-- table {name} stays, no longer managed\n")


def current_runner() -> Runner | ScriptPrinter:
    """Return what carries out the steps of the revision that runs now.

    Raises:
        MigrationError: Alembic was started by something else than candlewave.
    """
    runner = context.config.attributes.get("runner")
    if runner is None:
        raise MigrationError("revisions are applied by `candlewave migrate`, which holds the lease and the records")
    return runner  # type: ignore[no-any-return]


def run_migrations() -> None:
    """Let Alembic run the revisions that were asked for."""
    attributes: dict[str, Any] = context.config.attributes
    current_runner()
    if context.is_offline_mode():
        context.configure(dialect_name="risingwave", version_table_pk=False)
    else:
        context.configure(connection=attributes["connection"], version_table_pk=False, transactional_ddl=False)
    context.run_migrations()
