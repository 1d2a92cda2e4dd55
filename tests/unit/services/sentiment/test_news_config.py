"""Sources that are configured wrongly, in words."""

from pathlib import Path

import pytest

from candlewave.services.sentiment.config import NewsConfigError, load_news_config


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('kind = "gopher"\nurl = "https://a.example"', "source 'a': kind 'gopher' is not one of rss, "),
        ('kind = "rss"', "source 'a': kind rss needs url"),
        ('kind = "rss"\nurl = "https://a.example"\npath = "x"', "source 'a': kind rss needs url"),
        ('kind = "files"\nurl = "https://a.example"', "source 'a': kind files needs path"),
        ('kind = "simulated"\npath = "x"', "source 'a': kind simulated needs neither path nor url"),
        ('kind = "rss"\nurl = "ftp://a.example"', "'ftp://a.example' is neither http nor https"),
    ],
)
def test_a_source_that_cannot_be_opened_is_named(tmp_path: Path, source: str, text: str) -> None:
    file = tmp_path / "news.toml"
    file.write_text(f'[[sources]]\nname = "a"\n{source}\n')
    with pytest.raises(NewsConfigError, match=text):
        load_news_config(file)
