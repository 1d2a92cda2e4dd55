"""Commands about news: the service sentiment-extractor, and scoring and evaluating headlines by hand."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("sentiment-extractor")(sentiment_extractor)
    group = typer.Typer(help="Score headlines, and measure how good the scores are.", no_args_is_help=True)
    group.command()(evaluate)
    group.command()(score)
    app.add_typer(group, name="sentiment")


def sentiment_extractor() -> None:
    """Service: read news, recognise assets, score what is good or bad for them, publish to Kafka.

    CANDLEWAVE_NEWS_CONFIG names a file of sources and assets (docs/sentiment.md); keys of news APIs and of the language
    model come from the environment or from secret files.
    """
    from candlewave.cli.common import load_project
    from candlewave.services.frame import run_service
    from candlewave.services.sentiment.config import load_news_config
    from candlewave.services.sentiment.service import main
    from candlewave.services.sentiment.settings import SentimentSettings

    settings, config = load_project()
    news_settings = SentimentSettings.load()
    news = load_news_config(news_settings.news_config)
    code = run_service("sentiment-extractor", settings, lambda service: main(service, config, news, news_settings))
    raise typer.Exit(code)


def evaluate(
    file: Annotated[Path, typer.Argument(help="Labelled headlines: CSV, JSON or JSON lines.")],
    plot: Annotated[
        Path | None,
        typer.Option(help="Where the plot goes; sentiment-evaluation.png in the data directory if left out."),
    ] = None,
    worst: Annotated[int, typer.Option(help="Also list this many of the largest errors.", min=0)] = 0,
) -> None:
    """Score labelled headlines with the offline scorer and compare.

    Columns are text,score or title,sentiment or text,label; labels are numbers from -1 to 1, or words such as positive.
    """
    import time

    from candlewave.cli.common import load_settings
    from candlewave.services.sentiment.evaluate import evaluate as compare
    from candlewave.services.sentiment.evaluate import read_labelled, save_plot, score_all
    from candlewave.services.sentiment.offline.scorer import OfflineScorer

    labelled = read_labelled(file)
    scorer = OfflineScorer()
    begin = time.perf_counter()
    scores = score_all(labelled, lambda text: scorer.score(text).score)
    seconds = time.perf_counter() - begin
    result = compare(labelled, scores)
    typer.echo(f"cosine {result.cosine:.3f}")
    typer.echo(f"pearson {result.pearson:.3f}")
    typer.echo(f"sign accuracy {result.sign_accuracy:.1%} of {result.signed} headlines with a sign")
    typer.echo(f"sign accuracy with zeros {result.sign_accuracy_all:.1%} of {result.count}")
    typer.echo(f"{result.count / seconds:,.0f} headlines/s")
    typer.echo("")
    typer.echo("label \\ score  negative   neutral  positive")
    for name, row in zip(result.classes, result.confusion, strict=True):
        typer.echo(f"{name:<13}" + "".join(f"{count:>10}" for count in row))
    typer.echo("")
    typer.echo("class        precision    recall        F1  headlines")
    for name, c in result.classes.items():
        typer.echo(f"{name:<13}{c.precision:>9.3f}{c.recall:>10.3f}{c.f1:>10.3f}{c.support:>11}")
    if worst:
        typer.echo("")
        ranked = sorted(zip(labelled, scores, strict=True), key=lambda pair: -abs(pair[1] - pair[0].value))
        for item, value in ranked[:worst]:
            typer.echo(f"label {item.value:+.2f} score {value:+.2f}  {item.text}")
    target = plot or load_settings().data_dir / "sentiment-evaluation.png"
    save_plot(target, labelled, scores, result)
    typer.echo(f"\nplot: {target}")


def score(
    text: Annotated[str, typer.Argument(help="The headline.")],
    asset: Annotated[str | None, typer.Option(help="Score for this asset, such as BTC.")] = None,
) -> None:
    """Score one headline with the offline scorer, and say why."""
    from candlewave.services.sentiment.config import load_news_config
    from candlewave.services.sentiment.entities import Recogniser
    from candlewave.services.sentiment.offline.scorer import OfflineScorer
    from candlewave.services.sentiment.settings import SentimentSettings

    recogniser = Recogniser(load_news_config(SentimentSettings.load().news_config).assets)
    mentions = recogniser.find(text, "")
    focus = recogniser.names(asset.upper()) if asset else frozenset()
    others = frozenset().union(*(recogniser.names(m.asset) for m in mentions if asset and m.asset != asset.upper()))
    result = OfflineScorer().score(text, focus, others - focus)
    typer.echo(f"score {result.score:+.3f}")
    typer.echo(f"confidence {result.confidence:.2f}")
    typer.echo(f"event {result.event}")
    if mentions:
        typer.echo("assets " + ", ".join(f"{m.asset} (relevance {m.relevance:.2f})" for m in mentions))
    for reason in result.evidence:
        typer.echo(f"  {reason.value:+.2f}  {' '.join(result.words[reason.begin : reason.end])}")
