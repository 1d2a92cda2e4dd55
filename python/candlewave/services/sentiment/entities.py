"""Which assets a text is about: names, tickers, cashtags, pairs; words with another meaning only in context."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from candlewave.services.sentiment.config import AssetConfig

MARKET_RELEVANCE = 0.25
"""Relevance of news about the market as a whole for each single asset."""

_QUOTES = r"(?:USDT|USDC|USD|EUR|GBP|JPY|KRW|BTC|ETH|PERP)"
_TICKER = re.compile(rf"(?<![\w$@/.-])(\$?)([A-Z][A-Z0-9]{{1,9}}?)(?:[/_-]?{_QUOTES})?(?:'s|s)?(?![\w@])")
_CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z][A-Za-z0-9]{1,9})(?![\w])")
_WORD = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")
_CRYPTO_WORDS = """
    crypto cryptos cryptocurrency cryptocurrencies token tokens coin coins altcoin altcoins blockchain blockchains
    defi nft nfts staking stakers wallet wallets mainnet testnet airdrop memecoin memecoins stablecoin stablecoins
    protocol dapp dapps dex web3 onchain on-chain tvl hodl binance coinbase kraken bybit okx kucoin bitfinex
    bitcoin btc ethereum ether eth whale whales layer-1 layer-2 rollup validator validators
"""
_CRYPTO = frozenset(_CRYPTO_WORDS.split())
_MARKET = re.compile(
    r"\b(?:crypto(?:currency|currencies|s)?|digital assets?|altcoins?|stablecoins?|defi|web3|blockchains?|bitcoin etfs?"
    r"|crypto market|virtual currenc(?:y|ies)|spot etfs?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Mention:
    """An asset that a text is about, with relevance in [0, 1]; ``direct`` is False for market-wide news."""

    asset: str
    relevance: float
    direct: bool = True


class Recogniser:
    """Find assets in texts. Safe to share among threads.

    Args:
        assets: how each is recognised.
        market_assets: those that market-wide news counts for.
    """

    def __init__(self, assets: Mapping[str, AssetConfig], market_assets: Iterable[str] = ()) -> None:
        self._assets = dict(assets)
        self._market = tuple(dict.fromkeys(market_assets))
        for asset in self._market:
            self._assets.setdefault(asset, AssetConfig(ambiguous=asset.isalpha() and len(asset) <= 2))
        claims: dict[str, tuple[str | None, bool]] = {}
        for known in self._assets.values():
            for name in known.exclude:
                claims.setdefault(name, (None, True))
        for asset, known in self._assets.items():
            claims.update({name: (asset, False) for name in known.weak if name not in claims})
        for asset, known in self._assets.items():
            claims.update(dict.fromkeys(known.names, (asset, True)))
        self._claims = claims
        # The longest name wins, so that an excluded "bitcoin cash" is not read as bitcoin.
        alternatives = "|".join(
            r"\s+".join(map(re.escape, name.split())) for name in sorted(claims, key=lambda name: (-len(name), name))
        )
        self._names = re.compile(rf"(?<![\w$@])(?:{alternatives})(?!\w)", re.IGNORECASE) if claims else None

    def names(self, asset: str) -> frozenset[str]:
        """Return the single words that name an asset, in lower case, its ticker among them."""
        known = self._assets.get(asset, AssetConfig())
        words = {asset.lower()}
        for name in (*known.names, *known.weak):
            words.add(name.split()[0])
        return frozenset(words)

    def find(self, title: str, summary: str = "", tags: Iterable[str] = ()) -> list[Mention]:
        """Return the assets of an article, most relevant first.

        Args:
            title: the headline.
            summary: what follows it; counts for less.
            tags: tickers that the source itself attached.
        """
        everything = f"{title}\n{summary}"
        words = {word.lower() for word in _WORD.findall(everything)}
        in_title = self._in(title, everything, words)
        in_summary = self._in(summary, everything, words)
        tagged = {tag for tag in tags if tag in self._assets}
        found: dict[str, float] = {}
        for rank, asset in enumerate(in_title):
            found[asset] = 1.0 if rank == 0 else 0.8
        for asset in (*in_summary, *sorted(tagged)):
            found.setdefault(asset, 0.5)
        crowd = 1.0 if len(found) <= 3 else 3.0 / len(found)
        mentions = [Mention(a, max(MARKET_RELEVANCE, r * crowd)) for a, r in found.items()]
        if not in_title and self._market and _MARKET.search(title):
            mentions += [Mention(a, MARKET_RELEVANCE, direct=False) for a in self._market if a not in found]
        return sorted(mentions, key=lambda m: (-m.relevance, m.asset))

    def _in(self, text: str, everything: str, words: set[str]) -> list[str]:
        """Return the assets named in a text, in order of their first mention."""
        places: dict[str, int] = {}

        def note(asset: str, place: int) -> None:
            places[asset] = min(place, places.get(asset, place))

        taken: list[tuple[int, int]] = []
        for match in self._names.finditer(text) if self._names else ():
            asset, sure = self._claims[" ".join(match.group().lower().split())]
            taken.append(match.span())
            if asset is not None and (
                sure or (match.group()[0].isupper() and self._in_context(asset, everything, words))
            ):
                note(asset, match.start())
        for match in _CASHTAG.finditer(text):
            if match.group(1).upper() in self._assets:
                note(match.group(1).upper(), match.start())
        shouting = sum(c.isupper() for c in text) > 0.7 * sum(c.isalpha() for c in text)
        for match in _TICKER.finditer(text):
            asset = match.group(2)
            if asset not in self._assets or any(a <= match.start(2) < b for a, b in taken):
                continue
            ambiguous = self._assets[asset].ambiguous
            if not match.group(1) and ambiguous and (shouting or not self._in_context(asset, everything, words)):
                continue
            note(asset, match.start())
        return sorted(places, key=lambda asset: (places[asset], asset))

    def _in_context(self, asset: str, everything: str, words: set[str]) -> bool:
        """Return whether a text speaks of crypto, or of what belongs to an asset, besides the asset's own name."""
        known = self._assets[asset]
        own = {asset.lower(), *known.weak}
        if (words & _CRYPTO) - own:
            return True
        lowered = everything.lower()
        return any(re.search(rf"(?<!\w){re.escape(c)}(?!\w)", lowered) for c in known.context if c not in own)
