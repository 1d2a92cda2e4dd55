"""Secrets are found wherever they were committed or logged, and words are none."""

import random
import string
import subprocess
from pathlib import Path

import pytest
from scripts import secrets_scan

LETTERS = string.ascii_letters + string.digits


def drawn(count: int, letters: str = LETTERS, seed: int = 1) -> str:
    return "".join(random.Random(seed).choices(letters, k=count))


HEX = "0123456789abcdef"
SECRETS = {
    "private key": f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{drawn(64)}\n",
    "key of AWS": "AKIA" + drawn(16, string.ascii_uppercase + string.digits),
    "token of GitHub": "ghp_" + drawn(36),
    "token of GitLab": "glpat-" + drawn(20),
    "token of Slack": "xoxb-" + drawn(30, string.digits),
    "webhook of Slack": f"https://hooks.slack.com/services/T{drawn(8, HEX[:10])}/B{drawn(8, HEX[:10])}/{drawn(24)}",
    "key of Google": "AIza" + drawn(35),
    "key of a language model": "sk-proj-" + drawn(48),
    "token of a registry": "npm_" + drawn(36),
    "JSON web token": f"eyJ{drawn(20)}.eyJ{drawn(40)}.{drawn(43)}",
    "key of candlewave": f"cw_{drawn(12, HEX)}_{drawn(43)}",
    "password in an address": f"postgresql://candlewave:{drawn(20)}@db:5432/x",
    "password": f'KAFKA_SASL_PASSWORD="{drawn(24)}"',
}
"""One of each form, made anew here: written out, they would be found in this file."""
WORDS = """
password = "kafka-password-of-this-test"
API_KEY_PEPPER=change-me-before-you-deploy
postgresql://candlewave:***@db:5432/x http://user:password@host
secret = settings.kafka_sasl_password.get_secret_value()
token: ${{ secrets.TOKEN }} api_key="$(cat /run/secrets/key)"
"--hash=sha256:065665c041c42a5938ed220bdcd7230f22527fbec085e1853d2402c8a3615d9d"
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def commit(folder: Path, text: str | None, message: str = "Change") -> None:
    file = folder / "file.txt"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)


@pytest.mark.parametrize("form", {**secrets_scan.CERTAIN, **secrets_scan.LIKELY})
def test_each_form_is_found_in_tree_and_history(
    repository: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(repository, f"first\n{SECRETS[form]}\nlast\n")
    [found] = secrets_scan.tree(repository)
    assert (found.form, found.place) == (form, f"{repository}/file.txt:2")
    commit(repository, None)
    assert list(secrets_scan.tree(repository)) == []
    [found] = secrets_scan.history(repository)
    assert found.form == form
    assert found.place.startswith("commit ")
    assert secrets_scan.main(repository, []) == 1
    shown = capsys.readouterr().out
    assert form in shown
    assert found.text[:12] not in shown


def test_a_secret_in_a_message_or_a_log_is_found(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    commit(repository, WORDS, f"Use {SECRETS['key of AWS']}")
    [found] = secrets_scan.history(repository)
    assert found.place.startswith("message of ")
    logs = tmp_path_factory.mktemp("logs")
    (logs / "service.log").write_text('{"event": "connecting", "url": "' + SECRETS["password in an address"] + '"}\n')
    assert [finding.place for finding in secrets_scan.files([logs])] == [f"{logs}/service.log:1"]


def test_words_are_no_secrets(repository: Path) -> None:
    commit(repository, WORDS)
    assert secrets_scan.main(repository, []) == 0


def test_this_repository_has_none() -> None:
    assert [str(finding) for finding in secrets_scan.tree(secrets_scan.ROOT)] == []
