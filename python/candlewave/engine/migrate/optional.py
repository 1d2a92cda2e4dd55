"""Objects that an engine has only where an optional part of the deployment is set up."""

from collections.abc import Callable, Mapping

from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.parameters import UnsetParameterError
from candlewave.sqlproject.render import SqlObject


def left_out(objects: Mapping[str, SqlObject], fill: Callable[[str], str]) -> frozenset[str]:
    """Return the sinks whose destination is not set up, and the views that are there for these alone.

    Args:
        objects: in dependency order.
        fill: puts deploy-time parameters into a text.
    """
    names: set[str] = set()
    for name, sql_object in reversed(list(objects.items())):
        readers = set(sql_object.header.readers)
        if sql_object.kind is Kind.SINK:
            if _is_unset(sql_object.text, fill):
                names.add(name)
        elif sql_object.kind is not Kind.TABLE and readers and readers <= names:
            names.add(name)
    return frozenset(names)


def _is_unset(text: str, fill: Callable[[str], str]) -> bool:
    try:
        fill(text)
    except UnsetParameterError:
        return True
    except ValueError:  # said when the object is made
        return False
    return False
