"""The exchange on RisingWave, statement by statement, against a model of its catalog: names, numbers, dependencies.

Dependencies hold numbers, so a swap of names leaves them, and what is still read cannot be dropped.
"""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from candlewave.engine.embedded.beside import Exchange
from candlewave.engine.migrate import MigrationError
from candlewave.engine.migrate.risingwave import RisingWaveTarget
from candlewave.engine.migrate.targets import Record
from candlewave.sqlproject.ddl import Kind

_SINK = "CREATE SINK s FROM a WITH (\n    connector = 'kafka',\n    topic = 't'\n) FORMAT UPSERT ENCODE JSON\n"


class Interrupted(BaseException):
    """Stands for a killed process."""


class Catalog:
    """Relations by name: kind, number, and the numbers of what they read."""

    def __init__(self) -> None:
        self.relations: dict[str, tuple[Kind, int, frozenset[int]]] = {}
        self.records: dict[str, Record] = {}
        self.statements: list[str] = []
        self.left = 10_000

    def add(self, name: str, kind: Kind, *reads: str) -> None:
        number = 1 + max((number for _, number, _ in self.relations.values()), default=0)
        self.relations[name] = (kind, number, frozenset(self.relations[read][1] for read in reads))

    def number(self, name: str) -> int:
        return self.relations[name][1]

    def execute(self, text: str) -> None:
        """Carry out one statement; the fuse blows before it."""
        if self.left == 0:
            raise Interrupted
        self.left -= 1
        self.statements.append(" ".join(text.split()))
        if match := re.fullmatch(r"ALTER ([A-Z ]+) public\.(\w+) SWAP WITH public\.(\w+)", text):
            kind, one, other = match.groups()
            assert self.relations[one][0] is self.relations[other][0] is Kind(kind.lower())
            self.relations[one], self.relations[other] = self.relations[other], self.relations[one]
        elif match := re.fullmatch(r"ALTER ([A-Z ]+) public\.(\w+) RENAME TO (\w+)", text):
            kind, old, new = match.groups()
            assert self.relations[old][0] is Kind(kind.lower())
            assert new not in self.relations
            self.relations[new] = self.relations.pop(old)
        elif match := re.fullmatch(r"DROP ([A-Z ]+) public\.(\w+)", text):
            number = self.number(match[2])
            assert not [n for n, (_, _, reads) in self.relations.items() if number in reads], f"{match[2]} is read"
            del self.relations[match[2]]
        elif match := re.match(r"CREATE SINK (\w+) FROM (\w+) ", text):
            assert match[1] not in self.relations
            self.add(match[1], Kind.SINK, match[2])
        else:
            raise AssertionError(f"unexpected statement: {text}")


class Target(RisingWaveTarget):
    """Speaks to the model instead of an engine."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.schema = "public"
        self.conn = self  # type: ignore[assignment]

    def execute(self, statement: Any, _parameters: Sequence[object] = ()) -> None:
        self.catalog.execute(statement.as_string(None).strip())

    def existing(self) -> dict[str, Kind]:
        return {name: kind for name, (kind, _, _) in self.catalog.relations.items()}

    def inputs(self) -> dict[str, frozenset[str]]:
        names = {number: name for name, (_, number, _) in self.catalog.relations.items()}
        return {n: frozenset(names[r] for r in reads) for n, (_, _, reads) in self.catalog.relations.items()}

    def object_id(self, name: str) -> int | None:
        return self.catalog.number(name) if name in self.catalog.relations else None

    def records(self) -> dict[str, Record]:
        return dict(self.catalog.records)

    def note(self, record: Record) -> None:
        self._burn()
        self.catalog.records[record.name] = record

    def forget(self, name: str) -> None:
        self._burn()
        self.catalog.records.pop(name, None)

    def _burn(self) -> None:
        if self.catalog.left == 0:
            raise Interrupted
        self.catalog.left -= 1


def built() -> Catalog:
    """An engine with t -> a -> v -> b and a sink of a; a, v and b are built beside, b as a plain view now."""
    catalog = Catalog()
    catalog.add("t", Kind.TABLE)
    catalog.add("a", Kind.MATERIALIZED_VIEW, "t")
    catalog.add("v", Kind.VIEW, "a")
    catalog.add("b", Kind.MATERIALIZED_VIEW, "v")
    catalog.add("s", Kind.SINK, "a")
    catalog.add("removed", Kind.VIEW, "b")
    catalog.add("a__next", Kind.MATERIALIZED_VIEW, "t")
    catalog.add("v__next", Kind.VIEW, "a__next")
    catalog.add("b__next", Kind.VIEW, "v__next")
    for name in ("a__next", "v__next", "b__next"):
        catalog.records[name] = Record(name, "new", "", "built")
    return catalog


def final_record(name: str) -> Record:
    return Record(name, "new", "", "ready", kind="view", definition="text")


PLAN = Exchange(
    {"a__next": "a", "v__next": "v", "b__next": "b"},
    {"a": "text", "v": "text", "b": "text"},
    frozenset({"removed", "s"}),
    ((_SINK, False),),
)
MADE = {name: final_record(name) for name in ("a", "v", "b", "s")}


def check_done(catalog: Catalog, new: dict[str, int]) -> None:
    assert catalog.relations.keys() == {"t", "a", "v", "b", "s"}
    assert {name: catalog.number(name) for name in new} == new
    assert catalog.relations["s"][2] == {new["a"]}
    assert catalog.records == MADE


def test_everything_is_exchanged_and_the_old_dropped_from_readers_on() -> None:
    catalog = built()
    new = {name: catalog.number(f"{name}__next") for name in ("a", "v", "b")}
    Target(catalog).exchange(PLAN, MADE)
    check_done(catalog, new)
    (sink,) = [statement for statement in catalog.statements if statement.startswith("CREATE SINK")]
    assert sink.startswith("CREATE SINK s__next FROM a WITH ( snapshot = 'false', connector = 'kafka'")


def test_interrupted_anywhere_it_is_finished_or_taken_back() -> None:
    counting = built()
    Target(counting).exchange(PLAN, MADE)
    total = 10_000 - counting.left
    finished = reverted = 0
    for operations in range(total):
        for abort in (False, True):
            catalog = built()
            before = dict(catalog.relations)
            new = {name: catalog.number(f"{name}__next") for name in ("a", "v", "b")}
            catalog.left = operations
            with pytest.raises(Interrupted):
                Target(catalog).exchange(PLAN, MADE)
            catalog.left = 10_000
            if abort:
                try:
                    was_under_way = Target(catalog).revert()
                except MigrationError as error:
                    assert "cannot be aborted" in str(error)  # noqa: PT017
                else:
                    reverted += was_under_way
                    assert catalog.relations == before
                    continue
            if Target(catalog).resume():
                finished += 1
                check_done(catalog, new)
            else:
                assert operations == 0 or catalog.records == MADE
    assert finished > 10
    assert reverted > 3
