"""A local server that speaks the part of Elasticsearch 8 that candlewave uses, with faults on demand.

It applies index templates as the real one does: a value that does not fit its field's mapping is refused.

    with FakeElasticsearch() as server:
        server.url                                  # http://127.0.0.1:…
        server.documents("predictions-2026.03.02")  # by id
        server.fail(503, times=2); server.die_after_bulk()
"""

import fnmatch
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_TYPE = "application/vnd.elasticsearch+json;compatible-with=8"
_RISINGWAVE_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")

Answer = tuple[int, dict[str, Any]]


class FakeElasticsearch:
    """The server.

    Args:
        version: what it says it is.
        product: False leaves out the header by which clients know Elasticsearch.
        password: of user ``elastic``; None lets everybody in.
    """

    def __init__(self, version: str = "8.19.3", *, product: bool = True, password: str | None = None) -> None:
        self.version, self.product, self.password = version, product, password
        self.indices: dict[str, dict[str, dict[str, Any]]] = {}
        self.templates: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.requests: Counter[str] = Counter()
        self.after_bulk: Callable[[], None] = lambda: None
        self._failures: list[int] = []
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="fake-elasticsearch", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def fail(self, status: int, times: int = 1) -> None:
        """Answer the next requests with a status."""
        with self._lock:
            self._failures += [status] * times

    def documents(self, index: str) -> dict[str, dict[str, Any]]:
        """Return an index's documents by id."""
        with self._lock:
            return dict(self.indices.get(index, {}))

    def wait_for(self, condition: Callable[["FakeElasticsearch"], bool], timeout: float = 30) -> None:
        """Return when the condition holds; it is looked at after each request."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                raise TimeoutError(
                    f"after {timeout} s: {self.requests}, { ({k: len(v) for k, v in self.indices.items()}) }"
                )

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Do what a request wants."""
        parts = path.strip("/").split("/")
        match method, parts:
            case "GET", [""]:
                return 200, {"version": {"number": self.version}, "tagline": "You Know, for Search"}
            case "GET", ["_ilm", "policy", name]:
                if name not in self.policies:
                    return _not_found(f"Lifecycle policy not found: {name}")
                return 200, {name: {"version": 1, "policy": self.policies[name]}}
            case "PUT", ["_ilm", "policy", name]:
                self.policies[name] = json.loads(body)["policy"]
                return 200, {"acknowledged": True}
            case "GET", ["_index_template", name]:
                if name not in self.templates:
                    return _not_found(f"index template matching [{name}] not found")
                return 200, {"index_templates": [{"name": name, "index_template": self.templates[name]}]}
            case "PUT", ["_index_template", name]:
                self.templates[name] = json.loads(body)
                return 200, {"acknowledged": True}
            case (("POST" | "PUT"), ["_bulk"]):
                return self._bulk(body)
            case "POST", [pattern, "_search"]:
                return self._search(pattern, json.loads(body))
            case "POST", ["_mget"]:
                return self._mget(json.loads(body))
        return 400, {"error": {"type": "illegal_argument_exception", "reason": f"no handler for {method} {path}"}}

    def _bulk(self, body: bytes) -> Answer:
        items = []
        lines = iter(body.splitlines())
        for line in lines:
            [(verb, meta)] = json.loads(line).items()
            document = json.loads(next(lines))
            index, key = meta["_index"], meta["_id"]
            if verb == "update":  # as RisingWave writes: {"doc": …, "doc_as_upsert": true}
                document = {**self.indices.get(index, {}).get(key, {}), **document["doc"]}
            problem = self._misfit(index, document)
            if problem is not None:
                error = {"type": "document_parsing_exception", "reason": problem}
                items.append({verb: {"_index": index, "_id": key, "status": 400, "error": error}})
                continue
            new = key not in self.indices.setdefault(index, {})
            self.indices[index][key] = document
            items.append({verb: {"_index": index, "_id": key, "status": 201 if new else 200}})
        return 200, {
            "took": 1,
            "errors": any(i["status"] >= 400 for item in items for i in item.values()),
            "items": items,
        }

    def _mapping(self, index: str) -> dict[str, dict[str, Any]]:
        for template in self.templates.values():
            if any(fnmatch.fnmatch(index, pattern) for pattern in template["index_patterns"]):
                found: dict[str, dict[str, Any]] = template["template"]["mappings"]["properties"]
                return found
        return {}

    def _misfit(self, index: str, document: dict[str, Any]) -> str | None:
        mapping = self._mapping(index)
        for name, value in document.items():
            if value is None or name not in mapping:
                continue
            kind = mapping[name]["type"]
            fits = {
                "keyword": lambda v: not isinstance(v, dict | list),
                "double": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
                "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
                "boolean": lambda v: isinstance(v, bool),
                "date": _is_time,
            }[kind]
            if not fits(value):
                return f"failed to parse field [{name}] of type [{kind}]: {value!r}"
        return None

    def _search(self, pattern: str, body: dict[str, Any]) -> Answer:
        hits = [
            {"_index": index, "_id": key, "_source": document}
            for index, documents in self.indices.items()
            if fnmatch.fnmatch(index, pattern)
            for key, document in documents.items()
            if all(_passes(document, clause) for clause in body["query"]["bool"]["filter"])
        ]
        fields = [next(iter(order)) for order in body["sort"]]
        assert all(order[f]["order"] == "desc" for order, f in zip(body["sort"], fields, strict=True))
        for hit in hits:
            hit["sort"] = [_sortable(hit["_source"][name]) for name in fields]
        hits.sort(key=lambda hit: hit["sort"], reverse=True)
        after = body.get("search_after")
        if after is not None:
            hits = [hit for hit in hits if hit["sort"] < after]
        return 200, {"took": 1, "timed_out": False, "hits": {"hits": hits[: body["size"]]}}

    def _mget(self, body: dict[str, Any]) -> Answer:
        docs = []
        for wanted in body["docs"]:
            source = self.indices.get(wanted["_index"], {}).get(wanted["_id"])
            docs.append({**wanted, "found": source is not None, **({"_source": source} if source else {})})
        return 200, {"docs": docs}

    def _handler(fake) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                kind = next((p for p in path.split("/") if p.startswith("_")), "info")
                with fake._lock:
                    if fake.password is not None and not self._is_known():
                        status, answer = 401, {"error": {"reason": "missing authentication credentials"}}
                    elif fake._failures:
                        status = fake._failures.pop(0)
                        answer = {"error": {"type": "busy", "reason": "es_rejected_execution_exception"}}
                    else:
                        status, answer = fake.answer(self.command, path, body)
                if kind == "_bulk" and status == 200:
                    fake.after_bulk()
                text = json.dumps(answer).encode()
                self.send_response(status)
                if fake.product:
                    self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Type", _TYPE)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                with fake._changed:
                    fake.requests[kind] += 1
                    fake._changed.notify_all()

            do_GET = do_PUT = do_POST = do_HEAD = _do  # noqa: N815

            def _is_known(self) -> bool:
                import base64

                login = base64.b64encode(f"elastic:{fake.password}".encode()).decode()
                return self.headers.get("Authorization") == f"Basic {login}"

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _not_found(reason: str) -> Answer:
    return 404, {"error": {"type": "resource_not_found_exception", "reason": reason}, "status": 404}


def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return False
    if _RISINGWAVE_TIME.fullmatch(value):
        return True
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return "T" in value


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _sortable(value: Any) -> Any:
    return int(_moment(value).timestamp() * 1000) if _is_time(value) else value


def _passes(document: dict[str, Any], clause: dict[str, Any]) -> bool:
    [(kind, body)] = clause.items()
    match kind:
        case "term":
            return all(document.get(name) == value for name, value in body.items())
        case "terms":
            return all(document.get(name) in values for name, values in body.items())
        case "range":
            return all(_within(document[name], limits) for name, limits in body.items())
    raise ValueError(f"no query {kind}")


def _within(value: str, limits: dict[str, Any]) -> bool:
    assert limits["format"] == "epoch_millis"
    millis = _sortable(value)
    return limits.get("gte", millis) <= millis and (millis < limits["lt"] if "lt" in limits else True)


def all_documents(server: FakeElasticsearch) -> Iterator[tuple[str, str]]:
    """Return index and id of every document."""
    for index, documents in server.indices.items():
        for key in documents:
            yield index, key
