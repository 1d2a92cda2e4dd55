"""Units of expressions, and of every indicator down to the trades, against what the catalog says."""

import pytest
from sqlglot import parse_one

from candlewave.core.config import load_config
from candlewave.core.paths import project_root
from candlewave.sqlproject.catalog.indicators import Unit as CatalogUnit
from candlewave.sqlproject.catalog.indicators import catalog
from candlewave.sqlproject.lint.relations import Branch, Relation, Resolver
from candlewave.sqlproject.lint.units import PRICE, PURE, QUANTITY, Unit, UnitError, Units
from candlewave.sqlproject.render import render_objects

TICKS = Relation(("price", "quantity", "ts", "n"), None, stored="ticks")


def unit_of(expression: str) -> Unit | None:
    select = parse_one(f"SELECT {expression} FROM ticks", dialect="risingwave")
    branch = Branch(select, {"ticks": TICKS})
    return Units().of(select.expressions[0].unalias(), branch)


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        ("price", PRICE),
        ("price * quantity", PRICE.times(QUANTITY)),
        ("sum(price * quantity) / nullif(sum(quantity), 0)", PRICE),
        ("ln(price / lag(price) OVER (PARTITION BY n ORDER BY ts))", PURE),
        ("sqrt(avg(price * price))", PRICE),
        ("power(price, 2) / price", PRICE),
        ("var_pop(quantity) / quantity", QUANTITY),
        ("(max(ROW(ts, n, price))).f3", PRICE),
        ("(max(ROW(ts, n, price)) FILTER (WHERE price > 0)).f3", PRICE),
        ("(max(ARRAY[n, price, price * quantity]))[3]", PRICE.times(QUANTITY)),
        ("(max(ARRAY[n, price, price * quantity]))[1]", PURE),
        ("(NULL::double precision[])[1]", None),
        ("CASE WHEN price > 0 THEN price ELSE 0 END", PRICE),
        ("coalesce(price, 0)", PRICE),
        ("0", None),
        ("NULL::double precision", None),
        ("price IS NULL", PURE),
        ("count(price)", PURE),
        ("extract(epoch FROM ts)", PURE),
    ],
)
def test_unit_of_an_expression(expression: str, unit: Unit | None) -> None:
    assert unit_of(expression) == unit


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("price + quantity", "mixes price and quantity"),
        ("price + 1", "mixes price and no unit"),
        ("CASE WHEN price > 60000 THEN 1 END", "mixes price and no unit"),
        ("greatest(price, n)", "mixes price and no unit"),
        ("ln(price)", "a function of a number with the unit price"),
        ("exp(quantity)", "a function of a number with the unit quantity"),
        ("power(price, n)", "a power that varies"),
    ],
)
def test_expression_without_a_unit(expression: str, text: str) -> None:
    with pytest.raises(UnitError, match=text):
        unit_of(expression)


def test_indicators_have_the_units_of_their_catalog() -> None:
    config = load_config()
    objects = {o.name: o for o in render_objects(config, project_root() / "sql")}
    indicators, units = Resolver(objects).relation("indicators"), Units()
    found = {i.name: units.of_column(indicators, i.name) for i in catalog(config.indicators)}
    expected = {CatalogUnit.PRICE: PRICE, CatalogUnit.VOLUME: QUANTITY}
    wanted = {i.name: expected.get(i.unit, PURE) for i in catalog(config.indicators)}
    # Amihud's measure is a move per money traded, which nothing but its own scale can judge.
    wanted[f"amihud_{config.indicators.amihud}"] = Unit().times(PRICE.times(QUANTITY), -1)
    assert found == wanted
