"""The documentation site: every link of every page leads somewhere, on the site as in the repository."""

from pathlib import Path

import pytest
from scripts.docs_site import DOCS, ROOT, commands, linked, rest


def test_links_out_of_docs_become_text_and_others_stay() -> None:
    page = DOCS / "kubernetes" / "README.md"
    own = Path("kubernetes/README.md")
    assert linked("[rows](../../sql/rendered)", page, own) == "rows"
    assert linked("[home](../../README.md#two-commands)", page, own) == "[home](../index.md#two-commands)"
    assert linked("[models](../models.md#x)", page, own) == "[models](../models.md#x)"
    assert linked("![chart](../images/dashboard.png)", page, own) == "![chart](../images/dashboard.png)"
    assert linked("[web](https://example.org/a)", page, own) == "[web](https://example.org/a)"


def test_a_link_to_nothing_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"docs/api\.md: gone\.md does not exist"):
        linked("[gone](gone.md)", DOCS / "api.md", Path("api.md"))


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))], ids=lambda p: p.name
)
def test_no_page_links_to_nothing(page: Path) -> None:
    linked(
        page.read_text(encoding="utf-8"), page, page.relative_to(DOCS) if page.is_relative_to(DOCS) else Path(page.name)
    )


def test_references_name_every_command_and_path() -> None:
    text = commands()
    for name in ("candlewave demo", "candlewave models list", "candlewave doctor", "candlewave doctor clock"):
        assert f"\n## {name}\n" in text
    assert "| `--signal" in text
    assert "\n## GET /v1/candles\n" in rest()


def test_every_page_of_docs_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in DOCS.glob("*.md") if f" {page.name}\n" not in menu] == []
