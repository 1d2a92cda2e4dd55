"""Validation against the JSON schemas of several Kubernetes versions and of the custom resources."""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from referencing import Registry, Resource
from tests.k8s.cluster import ROOT, Document, title

VERSIONS = ("1.33", "1.34", "1.35", "1.36")
"""Versions of Kubernetes that the manifests must fit."""

CUSTOM = Path(os.environ.get("K8S_SCHEMAS", ROOT.parent / "shared" / "schemas"))
"""Schemas of custom resources, <group>/<kind>_<version>.json; docs/kubernetes/validation.md says where from."""

OUTLINES = Path(__file__).with_name("outlines.yaml")
"""What we use of kinds without such a schema."""

_FOLDER = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
_BUILT_IN = re.compile(r"^(v1|[a-z]+/v\w+|[a-z.]+\.k8s\.io/v\w+)$")


class NoSchemaError(Exception):
    """There is no schema of a kind."""


def is_built_in(document: Document) -> bool:
    """Whether the kind is Kubernetes' own."""
    return _BUILT_IN.match(document["apiVersion"]) is not None


def problems(document: Document, version: str) -> Iterator[str]:
    """Validate a document of Kubernetes' own kinds; unknown fields are problems too."""
    api = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", document["apiVersion"])
    name = f"{document['kind'].lower()}-{api}.json"
    folder = _FOLDER / f"v{version}.0-local-strict"
    if not (folder / name).exists():
        yield f"{title(document)}: Kubernetes {version} has no {document['kind']} in {document['apiVersion']}"
        return
    for error in _validator(folder, name).iter_errors(document):
        yield f"{title(document)}: Kubernetes {version}: {_text(error)}"


def custom_problems(document: Document) -> Iterator[str]:
    """Validate a custom resource: by its schema, or by the outline of what we use of it.

    Raises:
        NoSchemaError: there is neither.
    """
    outline = outlines().get(f"{document['apiVersion']} {document['kind']}")
    try:
        validator = _custom_validator(custom_schema(document))
    except NoSchemaError:
        if outline is None:
            raise
        validator = jsonschema.Draft202012Validator(outline)
    for error in validator.iter_errors(document):
        yield f"{title(document)}: {_text(error)}"


@cache
def outlines() -> dict[str, Any]:
    """Return the outlines by API version and kind."""
    return {key: value for key, value in yaml.safe_load(OUTLINES.read_text()).items() if "/" in key}


def custom_schema(document: Document) -> Path:
    """Return the file of a custom resource's schema.

    Raises:
        NoSchemaError: it is not there.
    """
    group, _, version = document["apiVersion"].partition("/")
    path = CUSTOM / group / f"{document['kind'].lower()}_{version}.json"
    if not path.exists():
        raise NoSchemaError(f"{group}/{document['kind']} {version}")
    return path


@cache
def _validator(folder: Path, name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((folder / name).read_text())
    return jsonschema.Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions(folder))


@cache
def _definitions(folder: Path) -> "Registry[Any]":
    registry: Registry[Any] = Registry()
    return Resource.from_contents(json.loads((folder / "_definitions.json").read_text())) @ registry


@cache
def _custom_validator(path: Path) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(path.read_text()))


def _text(error: jsonschema.ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path) or "."
    return f"{where}: {error.message[:200]}"
