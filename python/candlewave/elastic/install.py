"""Install the lifecycle policy and the index templates; a second run changes nothing."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from candlewave.elastic.client import asking, require_version
from candlewave.elastic.indices import INDICES, POLICY, policy, template
from candlewave.elastic.settings import SearchSettings

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

_MARK = "candlewave_sha256"


def install(client: "Elasticsearch", settings: SearchSettings, say: Callable[[str], None] = lambda _: None) -> int:
    """Bring policy and templates to what this version of candlewave wants; return how many were changed.

    Indices that are there already keep their mappings; the next day's have the new ones.

    Args:
        client: of the server.
        settings: days of the lifecycle.
        say: called with a line for each.

    Raises:
        SearchError: the server refuses, is too old, or cannot be reached; what was done before stays.
    """
    from elasticsearch import NotFoundError

    require_version(client)
    changed = 0
    wanted = policy(settings)
    with asking(f"install lifecycle policy {POLICY}"):
        try:
            found = client.ilm.get_lifecycle(name=POLICY)[POLICY]["policy"].get("_meta", {})
        except NotFoundError:
            found = None
        if _differs(found, wanted):
            client.ilm.put_lifecycle(name=POLICY, policy={**wanted, "_meta": _meta(wanted)})
            changed += 1
        say(_line(f"lifecycle policy {POLICY}", found, wanted))
    for index in INDICES:
        wanted = template(index)
        with asking(f"install index template {index.template}"):
            try:
                kept = client.indices.get_index_template(name=index.template)["index_templates"]
                found = kept[0]["index_template"].get("_meta", {})
            except NotFoundError:
                found = None
            if _differs(found, wanted):
                client.indices.put_index_template(name=index.template, **wanted, meta=_meta(wanted))
                changed += 1
            say(_line(f"index template {index.template}", found, wanted))
    return changed


def _meta(wanted: Mapping[str, Any]) -> dict[str, str]:
    text = json.dumps(wanted, sort_keys=True)
    return {"managed_by": "candlewave", _MARK: hashlib.sha256(text.encode()).hexdigest()}


def _differs(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    return found is None or found.get(_MARK) != _meta(wanted)[_MARK]


def _line(what: str, found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str:
    state = "installed" if found is None else "changed" if _differs(found, wanted) else "as it should be"
    return f"{what}: {state}"
