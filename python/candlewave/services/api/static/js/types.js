/**
 * What the page works with. Times are milliseconds since 1970; prices are in the market's quote currency.
 *
 * @typedef {{exchange: string, symbol: string}} Market
 * @typedef {Market & {base: string, quote: string, isSynthetic: boolean, lastPrice: number | null,
 *   lastTrade: number | null, state: "live" | "silent" | "history" | "waiting", lastEvent: number | null, loading: {from: number, to: number, records: number} | null}} ListedMarket
 *   loading: history that is being loaded; state: data arrive; they have stopped; it was replayed and only has a past; none has ever arrived
 * @typedef {{silent: string | null, coming: string | null, trained: Map<string, string>, training: Training | null}} ModelNotes
 *   silent: a champion that does not forecast any more; coming: one that was promoted and has not forecast yet; trained: what each model was trained on, by name and version;
 *   training: that runs, or failed last
 * @typedef {{isRunning: boolean, reason: string, since: number | null, fitted: number, total: number}} Training
 *   since: when it began; fitted: boosters of the total
 * @typedef {{version: string, exchange: string, timeframes: string[], horizons: number[], indicators: string[],
 *   interval: number}} About
 *   exchange: the default one; horizons in minutes; interval: share of outcomes that the band should hold
 * @typedef {{time: number, end: number, open: number, high: number, low: number, close: number, volume: number,
 *   trades: number | null, isOpen: boolean, isFilled: boolean, values: Record<string, number | null>}} Bar
 *   time: when it opens; values: indicators by name and warm_bars, none while it is open
 * @typedef {{unit: string, warmUp: number, isEntry: boolean}} Indicator
 *   warmUp: bars that it wants; isEntry: of `[[indicators.own]]`
 * @typedef {{horizon: number, targetTime: number, madeAt: number, reference: number, low: number, middle: number,
 *   high: number, role: string, model: string, version: string, medianBy: string, bandBy: string}} Forecast
 *   horizon in minutes; low, middle and high: 10 %, 50 % and 90 % quantile of the price at targetTime
 * @typedef {Forecast & {realised: number | null, isCovered: boolean | null}} Outcome
 * @typedef {{horizon: number, model: string, version: string, span: string, hour: number, forecasts: number,
 *   mae: number | null, skill: number | null, intervalSkill: number | null, coverage: number | null,
 *   direction: number | null, bias: number | null}} Score
 *   errors are log returns; skill against the last price; direction: share of right signs
 * @typedef {{title: string, url: string, source: string, published: number, score: number}} Headline
 * @typedef {{time: number, value: number}} Mood
 * @typedef {{layer: string, age: number | null}} Layer
 *   age of the newest data in milliseconds when it was read
 * @typedef {{readAt: number, closedUntil: number | null, layers: Layer[]}} Freshness
 *   readAt: `performance.now()` of reading
 * @typedef {{id: string, rule: string, summary: string, severity: string, status: string, time: number}} Alert
 * @typedef {{reference: number, from: number, high: number, low: number, isWhole: boolean}} Day
 *   price a day ago (isWhole), or of the oldest hour there is, and the extremes since then
 */
export {};
