/** Markets of one base asset side by side, on whatever exchange. */

import { make, makeTable, update } from "../dom.js";
import { horizon, percent, price, signed } from "../format.js";

/**
 * @typedef {import("../types.js").ListedMarket} ListedMarket
 * @typedef {import("../types.js").Forecast} Forecast
 */

/** So many others are compared: each asks for its forecasts. */
const MOST = 7;
/** @type {Record<ListedMarket["state"], string>} */
const STATES = { live: "Live", silent: "No data", history: "History", waiting: "Waiting" };

/**
 * The markets of the same base asset that have a price, the market itself first.
 * @param {ListedMarket} market
 * @param {ListedMarket[]} markets
 */
export function venuesOf(market, markets) {
  const others = markets.filter((other) => other.base === market.base && other.lastPrice !== null && (other.exchange !== market.exchange || other.symbol !== market.symbol));
  return [market, ...others.slice(0, MOST)];
}

/**
 * @param {HTMLElement} host
 * @param {ListedMarket[]} venues the market that is shown first
 * @param {number[]} horizons minutes
 * @param {Map<string, Forecast[]>} forecasts by exchange and symbol
 * @param {(market: ListedMarket) => string} addressOf where a market is shown
 */
export function showVenues(host, venues, horizons, forecasts, addressOf) {
  const [own] = venues;
  const rows = venues.map((venue) => {
    const medians = new Map((forecasts.get(`${venue.exchange} ${venue.symbol}`) ?? []).map((forecast) => [forecast.horizon, forecast.middle / forecast.reference - 1]));
    const name = `${venue.symbol} on ${venue.exchange}`;
    const isComparable = venue !== own && venue.quote === own.quote && venue.lastPrice !== null && own.lastPrice !== null;
    return [
      venue === own ? name : make("a", { href: addressOf(venue) }, name),
      price(venue.lastPrice),
      isComparable ? signed((Number(venue.lastPrice) / Number(own.lastPrice) - 1) * 1e4, 1) : "–",
      ...horizons.map((minutes) => percent(medians.get(minutes), 2, true)),
      STATES[venue.state],
    ];
  });
  const heads = ["Market", "Price", make("abbr", { title: "difference from the market shown, in basis points (1/100 %)" }, "Difference"), ...horizons.map(horizon), "Data"];
  update(
    host,
    makeTable(`Markets of ${own.base}`, heads, rows, new Set(heads.map((_, n) => n).slice(1, -1))),
    make("p", { className: "foot" }, "Difference: from the market shown, in basis points, where both are in the same currency. Under a horizon: the median forecast against the close that it was made from."),
  );
}
