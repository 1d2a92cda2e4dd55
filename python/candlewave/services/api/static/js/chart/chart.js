/** The chart: candles with forecasts, and panes of indicators below. Drawn by TradingView's Lightweight Charts. */

import {
  CandlestickSeries,
  createChart,
  createTextWatermark,
  HistogramSeries,
  LineSeries,
  LineStyle,
} from "../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { clock, day, dayAndClock, price as priceText, priceDigits } from "../format.js";
import { colours, themeChanged } from "./colours.js";
import { fan, past } from "./forecasts.js";
import { isWarming } from "./indicators.js";

/**
 * @typedef {import("../types.js").Bar} Bar
 * @typedef {import("./indicators.js").Series} Series
 * @typedef {import("../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs").ISeriesApi<any>} Drawn
 * @typedef {{pointed: (bar: Bar | null) => void, describe: (bar: Bar) => string, older: () => void, share: () => void}} Listener
 *   pointed: the cursor has gone to another bar, or off the chart; describe: words for a bar, for people who do not see
 *   it; older: the oldest bar has come near the view; share: a link to the bar is wanted
 */

const DAY = 864e5;
/** Pixels of a bar at first: what the forecasts leave room for, within these. */
const WIDEST = 6;
const NARROWEST = 4;
/** Share of the view that the future may take. */
const FUTURE = 0.42;
/** Bars that the axis has beyond the forecasts: its last mark is often no round time, and cut off. */
const BEYOND = 30;

export class Chart {
  /** @type {Bar[]} oldest first, without gaps in its order */
  #bars = [];
  #length = 60e3;
  /** @type {Series[]} */
  #lines = [];
  /** @type {{series: Series, drawn: Drawn}[]} */
  #drawn = [];
  /** Bars of the future that the forecasts reach. */
  #ahead = 0;
  /** @type {number | null} index of the bar under the cursor */
  #cursor = null;

  /**
   * @param {HTMLElement} host a slider; the chart is drawn into its first element
   * @param {Listener} listener
   */
  constructor(host, listener) {
    this.host = host;
    this.listener = listener;
    const canvas = /** @type {HTMLElement} */ (host.firstElementChild);
    this.chart = createChart(canvas, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11.5, fontFamily: getComputedStyle(host).fontFamily },
      rightPriceScale: { borderVisible: false, entireTextOnly: true, scaleMargins: { top: 0.08, bottom: 0.06 } },
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        minBarSpacing: 1.2,
        barSpacing: WIDEST,
        allowShiftVisibleRangeOnWhitespaceReplacement: true,
        tickMarkFormatter: (/** @type {number} */ time) => this.#tick(time * 1e3),
      },
      localization: { timeFormatter: (/** @type {any} */ time) => dayAndClock(time * 1e3) },
      // A plain wheel scrolls the page.
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: false },
      kineticScroll: { touch: !matchMedia("(prefers-reduced-motion: reduce)").matches, mouse: false },
    });
    this.candles = this.chart.addSeries(CandlestickSeries, { lastValueVisible: false, priceLineVisible: false });
    this.last = this.candles.createPriceLine({ price: 0, lineVisible: false, axisLabelVisible: false, lineWidth: 1, lineStyle: LineStyle.Dotted });
    // Has times only, so that the axis goes on into the future.
    this.future = this.chart.addSeries(LineSeries, { lastValueVisible: false, priceLineVisible: false });
    const scale = {
      x: (/** @type {number} */ time) => this.#x(time),
      timeAt: (/** @type {number} */ logical) => this.#timeAt(logical),
      length: () => this.#length,
      colours,
      font: getComputedStyle(host).fontFamily,
    };
    this.fan = fan(scale);
    this.past = past(scale);
    this.candles.attachPrimitive(this.fan);
    this.candles.attachPrimitive(this.past);
    this.recolour();
    this.#listen();
  }

  /**
   * Show bars of a market; those of the same market stay where they are.
   * @param {Bar[]} bars oldest first
   * @param {number} length of a bar in milliseconds
   * @param {boolean} isNew another market or timeframe: go to the newest bar
   */
  show(bars, length, isNew) {
    const pointed = this.#cursor === null ? undefined : this.#bars[this.#cursor]?.time;
    this.#bars = bars;
    this.#length = length;
    const digits = bars.length ? priceDigits(bars[bars.length - 1].close) : 2;
    this.candles.applyOptions({ priceFormat: { type: "custom", formatter: (/** @type {number} */ value) => priceText(value, digits), minMove: 10 ** -digits } });
    this.candles.setData(bars.map(candle));
    this.refreshLines();
    this.#extend();
    if (isNew) this.newest();
    const at = bars.findIndex(({ time }) => time === pointed);
    this.#cursor = at < 0 ? null : at;
    this.#markLast();
    this.#tell(false);
  }

  /**
   * Show a bar that is new, or has changed.
   * @param {Bar} bar
   */
  update(bar) {
    const last = this.#bars.at(-1);
    const isNewest = !last || bar.time >= last.time;
    if (isNewest && bar.time === last?.time) this.#bars[this.#bars.length - 1] = bar;
    else if (isNewest) this.#bars.push(bar);
    else {
      const at = this.#bars.findIndex(({ time }) => time === bar.time);
      if (at < 0) return;
      this.#bars[at] = bar;
    }
    this.candles.update(candle(bar), !isNewest);
    for (const { series, drawn } of this.#drawn) {
      const point = pointOf(series, bar, colours());
      if ("value" in point) drawn.update(point, !isNewest);
    }
    if (isNewest && bar.time !== last?.time) this.#extend();
    this.#markLast();
    this.#tell(false);
  }

  /** Redraw the indicators: the bars have got values. */
  refreshLines() {
    const palette = colours();
    for (const { series, drawn } of this.#drawn) drawn.setData(this.#bars.map((bar) => pointOf(series, bar, palette)));
  }

  /** @param {Series[]} lines what to draw over the candles and in the panes below */
  showLines(lines) {
    this.#lines = lines;
    this.host.style.setProperty("--panes", String(this.#drawLines()));
  }

  /** @returns {number} panes below the candles */
  #drawLines() {
    const lines = this.#lines;
    for (const { drawn } of this.#drawn) this.chart.removeSeries(drawn);
    const titles = [...new Set(lines.map(({ pane }) => pane))].filter(Boolean);
    this.#drawn = lines.map((series) => {
      const pane = series.pane ? titles.indexOf(series.pane) + 1 : 0;
      return { series, drawn: this.chart.addSeries(series.isColumn ? HistogramSeries : LineSeries, lineOptions(series), pane) };
    });
    const palette = colours();
    for (const [n, pane] of this.chart.panes().entries()) {
      pane.setStretchFactor(n ? 1 : 4);
      if (n) createTextWatermark(pane, { horzAlign: "left", vertAlign: "top", lines: [{ text: titles[n - 1], color: palette.quiet, fontSize: 11.5, fontFamily: getComputedStyle(this.host).fontFamily }] });
    }
    const marked = new Set();
    for (const { series, drawn } of this.#drawn) {
      if (marked.has(series.pane)) continue;
      marked.add(series.pane);
      for (const price of series.marks ?? []) drawn.createPriceLine({ price, color: palette.quiet, lineWidth: 1, lineStyle: LineStyle.SparseDotted, axisLabelVisible: false });
    }
    this.refreshLines();
    return titles.length;
  }

  /** @param {import("../types.js").Forecast[]} forecasts by horizon */
  showForecasts(forecasts) {
    this.fan.show(forecasts);
    this.#extend();
  }

  /** @param {import("../types.js").Outcome[]} outcomes oldest first */
  showPast(outcomes) {
    // Those that came due, one for the end of each bar: there is one a minute, which would be noise over longer bars.
    this.past.show(outcomes.filter(({ targetTime, realised }) => realised !== null && targetTime % this.#length === 0));
  }

  /** Take the colours of the theme, and the zone of the times. */
  recolour() {
    themeChanged();
    const { panel, quiet, line, grid, up, down, ink } = colours();
    const crosshair = { color: quiet, labelBackgroundColor: ink, width: /** @type {1} */ (1) };
    this.chart.applyOptions({
      layout: {
        background: { color: panel },
        textColor: quiet,
        panes: { separatorColor: line, separatorHoverColor: grid },
      },
      grid: { vertLines: { color: grid }, horzLines: { color: grid } },
      crosshair: { vertLine: crosshair, horzLine: crosshair },
    });
    // Rising candles are hollow: they differ from falling ones not only by colour.
    this.candles.applyOptions({ upColor: panel, borderUpColor: up, wickUpColor: up, downColor: down, borderDownColor: down, wickDownColor: down });
    this.#drawLines();
    this.#markLast();
  }

  /** Go to the newest bar, at the usual width. */
  newest() {
    const { barSpacing, rightOffset } = this.#usual();
    this.chart.timeScale().applyOptions({ barSpacing, rightOffset });
    this.chart.timeScale().scrollToPosition(rightOffset, false);
  }

  /** @returns {Bar[]} the bars in view, oldest first */
  seen() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    return range ? this.#bars.slice(Math.max(0, Math.ceil(range.from)), Math.max(0, Math.floor(range.to) + 1)) : [];
  }

  /**
   * Move the view to a moment, and the cursor to its bar. The library moves at the next frame, and until then tells where
   * the cursor was.
   * @param {number} time
   */
  goTo(time) {
    const index = () => Math.max(0, Math.min(this.#bars.length - 1, this.#indexAt(time)));
    requestAnimationFrame(() => {
      const scale = this.chart.timeScale();
      const range = scale.getVisibleLogicalRange();
      if (range) scale.scrollToPosition(scale.scrollPosition() + index() - (range.from + range.to) / 2, false);
      requestAnimationFrame(() => {
        this.#point(index());
        this.#reveal();
      });
    });
  }

  /** @returns {number} time of the oldest bar in view */
  oldestSeen() {
    return this.#timeAt(this.chart.timeScale().getVisibleLogicalRange()?.from ?? 0);
  }

  /** @param {number} factor above one shows more bars */
  zoom(factor) {
    const scale = this.chart.timeScale();
    scale.applyOptions({ barSpacing: Math.max(1.2, Math.min(40, scale.options().barSpacing / factor)) });
  }

  /** Width of a bar in pixels and bars of the future, when the newest bar is looked at. */
  #usual() {
    const wide = this.chart.timeScale().width() || this.host.clientWidth;
    const barSpacing = Math.max(NARROWEST, Math.min(WIDEST, (wide * FUTURE) / (this.#ahead + 1)));
    return { barSpacing, rightOffset: Math.max(2, Math.min(this.#ahead + 1, Math.floor((wide / barSpacing) * FUTURE))) };
  }

  /** Let the time axis reach as far as the forecasts. */
  #extend() {
    const last = this.#bars.at(-1);
    if (!last) {
      this.future.setData([]);
      return;
    }
    const target = Math.max(last.end, ...this.fan.items.map(({ targetTime }) => targetTime));
    const ahead = Math.min(240, Math.ceil((target - last.end) / this.#length) + 1);
    const grows = ahead > this.#ahead + 1;
    this.#ahead = ahead;
    this.future.setData(Array.from({ length: ahead + BEYOND }, (_, n) => ({ time: seconds(last.time + (n + 1) * this.#length) })));
    const position = this.chart.timeScale().scrollPosition();
    // The first forecasts: make room, unless somebody looks at older bars.
    if (grows && position >= 0) this.newest();
  }

  /**
   * Pixel of a moment. A bar is drawn around its middle, so its opening moment is half a bar before that.
   * @param {number} time
   */
  #x(time) {
    const index = this.#indexAt(time);
    const scale = this.chart.timeScale();
    const middle = scale.logicalToCoordinate(/** @type {any} */ (index)) ?? 0;
    return middle + ((time - this.#timeAt(index)) / this.#length - 0.5) * scale.options().barSpacing;
  }

  /**
   * Index of the bar that a moment falls into; it goes on beyond both ends.
   * @param {number} time
   */
  #indexAt(time) {
    const bars = this.#bars;
    const last = bars.length - 1;
    if (last < 0) return 0;
    if (time >= bars[last].time) return last + Math.floor((time - bars[last].time) / this.#length);
    if (time < bars[0].time) return Math.floor((time - bars[0].time) / this.#length);
    let from = 0;
    let to = last;
    while (to - from > 1) {
      const middle = (from + to) >> 1;
      if (bars[middle].time <= time) from = middle;
      else to = middle;
    }
    return from;
  }

  /** @param {number} logical position on the axis; bars are at whole numbers */
  #timeAt(logical) {
    const bars = this.#bars;
    if (!bars.length) return 0;
    const index = Math.max(0, Math.min(bars.length - 1, Math.floor(logical)));
    return bars[index].time + (logical - index) * this.#length;
  }

  /** Mark the newest price on the axis. */
  #markLast() {
    const last = this.#bars.at(-1);
    if (!last) {
      this.last.applyOptions({ lineVisible: false, axisLabelVisible: false });
      return;
    }
    const { up, down, panel } = colours();
    const color = last.close >= last.open ? up : down;
    this.last.applyOptions({ price: last.close, color, axisLabelColor: color, axisLabelTextColor: panel, lineVisible: true, axisLabelVisible: true });
  }

  /** @param {number} time */
  #tick(time) {
    return this.#length >= DAY || clock(time) === "00:00" ? day(time) : clock(time);
  }

  /** @param {boolean} isMoved the cursor has moved; else the bars have changed */
  #tell(isMoved) {
    const bars = this.#bars;
    const bar = this.#cursor === null ? null : (bars[this.#cursor] ?? null);
    const at = this.#cursor ?? bars.length - 1;
    this.host.setAttribute("aria-valuemax", String(Math.max(0, bars.length - 1)));
    this.host.setAttribute("aria-valuenow", String(Math.max(0, at)));
    // Not while the chart has the focus and only its prices change: a screen reader would speak every second.
    if (isMoved || document.activeElement !== this.host) {
      const read = bar ?? bars.at(-1);
      this.host.setAttribute("aria-valuetext", read ? this.listener.describe(read) : "No candles yet");
    }
    this.listener.pointed(bar);
  }

  /** @param {number | null} index */
  #point(index) {
    const next = index === null || !this.#bars.length ? null : Math.max(0, Math.min(this.#bars.length - 1, index));
    if (next === this.#cursor) return;
    this.#cursor = next;
    this.#tell(true);
  }

  #listen() {
    const scale = this.chart.timeScale();
    this.chart.subscribeCrosshairMove(({ logical }) => {
      this.#point(logical === undefined ? null : logical < this.#bars.length ? logical : null);
    });
    scale.subscribeVisibleLogicalRangeChange((range) => {
      if (range && range.from < 20 && this.#bars.length) this.listener.older();
    });
    this.host.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.host.addEventListener("keydown", (event) => this.#key(event));
    this.host.addEventListener("blur", () => {
      this.chart.clearCrosshairPosition();
      this.#point(null);
    });
  }

  /** @param {WheelEvent} event with Ctrl (a pinch on a touchpad too) it zooms, sideways it scrolls */
  #wheel(event) {
    const scale = this.chart.timeScale();
    if (event.ctrlKey) this.zoom(Math.exp(event.deltaY * 0.004));
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      scale.scrollToPosition(scale.scrollPosition() + event.deltaX / scale.options().barSpacing, false);
    } else return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.#bars.length - 1;
    const at = this.#cursor ?? last + 1;
    /** @type {Record<string, number>} */
    const goes = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last };
    if (event.key in goes) {
      this.#point(goes[event.key]);
      this.#reveal();
    } else if (event.key === "+" || event.key === "=") this.zoom(0.8);
    else if (event.key === "-") this.zoom(1.25);
    else if (event.key === "l" || event.key === "L") this.listener.share();
    else if (event.key === "Escape") {
      this.chart.clearCrosshairPosition();
      this.#point(null);
    } else return;
    event.preventDefault();
  }

  /** Show the cursor on its bar, and move the view so that it is in it. */
  #reveal() {
    const index = this.#cursor;
    if (index === null) return;
    const scale = this.chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range) {
      const shift = index < range.from + 1 ? index - range.from - 1 : index > range.to - 1 ? index - range.to + 1 : 0;
      if (shift) scale.scrollToPosition(scale.scrollPosition() + shift, false);
    }
    const bar = this.#bars[index];
    this.chart.setCrosshairPosition(bar.close, seconds(bar.time), this.candles);
  }
}

/** @param {number} time @returns {import("../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs").UTCTimestamp} */
const seconds = (time) => /** @type {any} */ (time / 1e3);

/** @param {Bar} bar */
const candle = ({ time, open, high, low, close }) => ({ time: seconds(time), open, high, low, close });

/**
 * @param {Series} series
 * @param {Bar} bar
 * @param {Record<string, string>} palette
 */
function pointOf(series, bar, palette) {
  const value = series.read(bar);
  const time = seconds(bar.time);
  if (value === null || value === undefined) return { time };
  if (!series.isColumn) return isWarming(series, bar) ? { time, value, color: palette.line } : { time, value };
  const isUp = series.colour === "sign" ? value >= 0 : bar.close >= bar.open;
  return { time, value, color: isUp ? palette.upsoft : palette.downsoft };
}

/** @param {Series} series */
function lineOptions({ colour, isDashed, range, text }) {
  return {
    color: colours()[colour],
    lineWidth: /** @type {2} */ (1.5),
    lineStyle: isDashed ? LineStyle.Dashed : LineStyle.Solid,
    lastValueVisible: false,
    priceLineVisible: false,
    crosshairMarkerVisible: false,
    ...(text ? { priceFormat: { type: /** @type {"custom"} */ ("custom"), formatter: text, minMove: 1e-8 } } : {}),
    ...(range ? { autoscaleInfoProvider: () => ({ priceRange: { minValue: range[0], maxValue: range[1] } }) } : {}),
  };
}
