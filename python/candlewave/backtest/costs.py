"""What trading a market costs, and which positions it allows."""

from dataclasses import dataclass
from typing import Any

from candlewave.core.config import Config, CostsConfig
from candlewave.core.markets import Kind, Market

_UNKNOWN_FEE = 10.0
"""Of an exchange that neither the settings nor ccxt know, such as that of simulated trades."""

_BASIS_POINTS = 10_000


@dataclass(frozen=True)
class Terms:
    """What trading one market costs, in basis points of the traded value.

    Attributes:
        market: exchange and symbol.
        fee_bps: taker's fee per side.
        fee_from: who says so.
        spread_bps: between bid and ask; each side pays half.
        funding_bps: of a perpetual contract, per eight hours, paid by longs and shorts; None when unknown.
    """

    market: Market
    fee_bps: float
    fee_from: str
    spread_bps: float
    funding_bps: float | None = None

    @property
    def kind(self) -> Kind:
        """What is traded; a symbol of no known form is an asset."""
        return self.market.kind or "spot"

    @property
    def per_side(self) -> float:
        """Cost of trading one unit of value once, as a fraction."""
        return (self.fee_bps + self.spread_bps / 2) / _BASIS_POINTS

    @property
    def funding(self) -> float:
        """Cost of holding one unit of value over a time of funding, as a fraction."""
        return (self.funding_bps or 0.0) / _BASIS_POINTS if self.kind == "swap" else 0.0

    @property
    def may_short(self) -> bool:
        """Whether one may sell what one does not have: contracts only, an asset would have to be borrowed."""
        return self.kind in ("swap", "future")

    @property
    def refusal(self) -> str | None:
        """Why the market is not traded; None when it is."""
        if self.kind == "option":
            return "options are not traded: their price is not that of the asset"
        if self.kind == "swap" and self.funding_bps is None:
            return (
                f"not traded: what funding costs is unknown (funding_bps in table [costs.{self.market.exchange}] of"
                " candlewave.toml)"
            )
        return None


def terms(market: Market, config: Config, *, fee_bps: float | None = None, spread_bps: float | None = None) -> Terms:
    """Return what trading a market costs: as said, else as ``candlewave.toml`` says, else as ccxt does.

    Args:
        market: exchange and symbol.
        config: table ``costs``.
        fee_bps, spread_bps: said for all markets.
    """
    costs = config.costs.get(market.exchange, CostsConfig())
    spread = costs.spread_bps if spread_bps is None else spread_bps
    if fee_bps is not None:
        fee, fee_from = fee_bps, "--fee-bps"
    elif costs.fee_bps is not None:
        fee, fee_from = costs.fee_bps, "candlewave.toml"
    elif (known := taker_fee_bps(market)) is not None:
        fee, fee_from = known, "ccxt"
    else:
        fee, fee_from = _UNKNOWN_FEE, "assumed"
    return Terms(market, fee, fee_from, spread, costs.funding_bps)


def taker_fee_bps(market: Market) -> float | None:
    """Return the taker's fee of the lowest tier as ccxt has it without asking the exchange; None when it has none."""
    import ccxt

    if market.exchange not in ccxt.exchanges:
        return None
    fees: dict[str, Any] = getattr(ccxt, market.exchange)().fees
    for name in _schedules(market):
        schedule = fees.get(name) or {}
        taker = schedule.get("trading", schedule).get("taker")
        if taker is not None:
            return round(float(taker) * _BASIS_POINTS, 6)
    return None


def _schedules(market: Market) -> tuple[str, ...]:
    """Return ccxt's names of the fees that a market may have, the most special first."""
    kind = market.kind or "spot"
    if kind == "spot":
        return ("spot", "trading")
    settle = market.symbol.partition(":")[2].partition("-")[0]
    margin = "linear" if settle == market.quote else "inverse"
    return (kind, margin, "contract", "trading")
