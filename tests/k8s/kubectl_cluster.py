"""A kubectl for tests of k8s/restore.sh: it keeps workloads, databases and pods in a file, and does what it is asked.

Usage: STATE=FILE python kubectl_cluster.py ARGUMENTS; the file is JSON as `State` says.
"""

import fcntl
import json
import os
import re
import sys
from pathlib import Path
from typing import TypedDict


class Workload(TypedDict):
    """A Deployment or StatefulSet."""

    component: str
    replicas: int
    annotations: dict[str, str]


class State(TypedDict):
    """What a namespace has.

    Attributes:
        workloads: by kind and name.
        databases: what was done in each, in order.
        pods: phase by name.
        paused: whether scalers are.
        template: of meta.
        failing: part of a command in a pod, or of SQL, that fails.
        unready: a workload whose pods never become ready.
        calls: arguments of every call.
    """

    workloads: dict[str, Workload]
    databases: dict[str, list[str]]
    pods: dict[str, str]
    paused: bool
    template: dict[str, object]
    failing: str
    unready: str
    calls: list[str]


def say(text: str) -> None:
    """Answer."""
    sys.stdout.write(text)


def main(path: Path, arguments: list[str]) -> int:
    """Do one call; the ends of a pipe run at once, so each waits for the other's turn."""
    # What comes by a pipe is there when the other end has ended.
    given = sys.stdin.read() if arguments[-1] == "-" or (arguments[2] == "exec" and "-c" not in arguments) else ""
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state: State = json.load(file)
        state["calls"].append(" ".join(arguments))
        assert arguments[:2] == ["-n", "candlewave"]
        code = call(state, arguments[2:], given)
        file.seek(0)
        file.truncate()
        json.dump(state, file)
    return code


def call(state: State, arguments: list[str], given: str) -> int:
    """Do what kubectl would, as far as the script needs it."""
    verb, *rest = arguments
    options = " ".join(rest)
    if verb == "exec":
        return query(state, rest, given)
    if verb == "get":
        return get(state, rest, options)
    if verb == "annotate":
        if rest[0] == "scaledobject":
            state["paused"] = "paused=true" in options
            return 0
        for change in rest[1:]:
            key, equals, value = change.partition("=")
            if equals:
                state["workloads"][rest[0]]["annotations"][key] = value
            elif key.endswith("-"):
                state["workloads"][rest[0]]["annotations"].pop(key[:-1], None)
        return 0
    if verb == "scale":
        state["workloads"][rest[0]]["replicas"] = int(options.rpartition("=")[2])
        return 0
    if verb == "delete":
        state["pods"].pop(rest[1], None)
        return 0
    if verb == "apply":
        pod = json.loads(given)
        command = pod["spec"]["containers"][0]["args"][0]
        failed = bool(state["failing"]) and state["failing"] in command
        state["pods"][pod["metadata"]["name"]] = "Failed" if failed else "Succeeded"
        state["databases"].setdefault("risingwave", []).append("FAILED" if failed else command)
        return 0
    if verb == "wait":
        return 0 if state["pods"].get(rest[0].removeprefix("pod/")) == "Succeeded" else 1
    if verb == "logs":
        say(f"log of {rest[0]}")
        return 0
    if verb == "rollout":
        return 1 if rest[1] == state["unready"] else 0
    raise AssertionError(arguments)


def get(state: State, rest: list[str], options: str) -> int:
    """Answer a question."""
    if "-l" in rest and rest[0] == "pod":
        say(*[f"pod/{name}" for name, w in state["workloads"].items() if w["component"] == "engine" and w["replicas"]])
    elif "-l" in rest:
        component = options.partition("component=")[2].split()[0]
        say("\n".join(name for name, w in state["workloads"].items() if w["component"] == component))
    elif options.endswith("-o json"):
        say(json.dumps(state["template"]))
    elif ".status.phase" in options:
        say(state["pods"].get(rest[0].removeprefix("pod/"), ""))
    elif ".spec.replicas" in options:
        say(str(state["workloads"][rest[0]]["replicas"]))
    elif ".status.readyReplicas" in options:
        workload = state["workloads"][rest[0]]
        say("" if rest[0] == state["unready"] else str(workload["replicas"] or ""))
    elif match := re.search(r"\.metadata\.annotations\.(.+)\}", options):
        say(state["workloads"][rest[0]]["annotations"].get(match[1].replace("\\.", "."), ""))
    else:
        raise AssertionError(options)
    return 0


def query(state: State, rest: list[str], given: str) -> int:
    """Do the statements that psql is given."""
    database = rest[rest.index("-d") + 1] if "-d" in rest else "postgres"
    statements = [rest[at + 1] for at, word in enumerate(rest) if word == "-c"] or [given]
    for statement in statements:
        if state["failing"] and state["failing"] in statement:
            return 3
        if match := re.search(r"datname = '(\w+)'", statement):
            say("1" if match[1] in state["databases"] else "")
        elif match := re.fullmatch(r"ALTER DATABASE (\w+) RENAME TO (\w+)", statement):
            state["databases"][match[2]] = state["databases"].pop(match[1])
        elif match := re.match(r"CREATE DATABASE (\w+)", statement):
            assert match[1] not in state["databases"], "it is there already"
            state["databases"][match[1]] = []
        elif match := re.fullmatch(r"DROP DATABASE IF EXISTS (\w+)", statement):
            state["databases"].pop(match[1], None)
        elif database != "postgres":
            state["databases"][database].append(statement)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(os.environ["STATE"]), sys.argv[1:]))
