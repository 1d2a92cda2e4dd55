"use strict";
// Reads the endpoints once a second and draws what they say. No library, no build step.

const element = (id) => document.getElementById(id);
const state = { about: null, market: null, timeframe: "1m", bars: [], pointer: null };
const BARS = 180;

async function read(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path.split("?")[0]} answered ${response.status}`);
  return response.json();
}

function number(value) {
  if (value === null) return "–";
  const digits = Math.max(2, Math.min(10, 6 - Math.ceil(Math.log10(Math.abs(value) || 1))));
  return value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: digits });
}

function age(time) {
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(0)} h` : `${(seconds / 86400).toFixed(0)} days`;
}

function showMarkets(markets) {
  const select = element("market");
  const names = markets.map((m) => `${m.exchange} ${m.symbol}`);
  if (names.join() === [...select.options].map((o) => o.text).join()) return;
  select.replaceChildren(...markets.map((m, i) => new Option(names[i], JSON.stringify([m.exchange, m.symbol]))));
  const kept = markets.find((m) => state.market && m.exchange === state.market[0] && m.symbol === state.market[1]);
  state.market = kept ? [kept.exchange, kept.symbol] : markets.length ? [markets[0].exchange, markets[0].symbol] : null;
  if (state.market) select.value = JSON.stringify(state.market);
}

function showTimeframes() {
  element("timeframes").replaceChildren(...state.about.timeframes.map((name) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.setAttribute("aria-pressed", String(name === state.timeframe));
    button.onclick = () => { state.timeframe = name; showTimeframes(); refresh(); };
    return button;
  }));
}

function showFreshness(layers) {
  element("freshness").replaceChildren(...layers.map((layer) => {
    const box = document.createElement("div");
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    term.textContent = layer.layer;
    value.textContent = layer.newest ? `${age(layer.newest)} old` : "nothing yet";
    value.classList.toggle("stale", !layer.newest || Date.now() - Date.parse(layer.newest) > 150e3);
    box.append(term, value);
    return box;
  }));
}

function showPrice() {
  const last = state.bars.at(-1);
  const price = element("price");
  price.replaceChildren();
  if (!last) { price.textContent = "Waiting for the first candle"; return; }
  const note = document.createElement("small");
  note.textContent = `  ${state.market[1]} · ${last.is_open ? "open bar" : "closed bar"} of ${last.open_time.slice(0, 16).replace("T", " ")} UTC`;
  price.append(number(last.close), note);
}

function showLegend(bar) {
  const { ema, rsi } = state.about;
  element("legend").textContent = bar
    ? `${bar.open_time.slice(0, 16).replace("T", " ")}  open ${number(bar.open)}  high ${number(bar.high)}  low ${number(bar.low)}` +
      `  close ${number(bar.close)}  volume ${number(bar.volume)}  EMA ${ema} ${number(bar.ema)}  RSI ${rsi} ${number(bar.rsi)}`
    : `Upper pane: candles and EMA ${ema}; lower pane: RSI ${rsi} with its lines at 30 and 70. Point at a bar to read it.`;
}

function draw() {
  const canvas = element("chart");
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const style = getComputedStyle(document.body);
  // Canvas does not resolve light-dark(); a probe element does.
  const colour = (name) => { const probe = element("legend"); const old = probe.style.color; probe.style.color = `var(--${name})`; const c = getComputedStyle(probe).color; probe.style.color = old; return c; };
  const [up, down, line, quiet, emaColour, rsiColour] = ["up", "down", "line", "quiet", "ema", "rsi"].map(colour);
  const bars = state.bars;
  if (!bars.length) return;
  const right = 76, top = 12, split = height * 0.72, low = height - 22;
  const step = (width - right) / bars.length;
  const min = Math.min(...bars.map((b) => b.low)), max = Math.max(...bars.map((b) => b.high));
  const pad = (max - min || max * 0.001) * 0.06;
  const y = (v) => split - 14 - ((v - min + pad) / (max - min + 2 * pad)) * (split - 14 - top);
  const x = (i) => i * step + step / 2;
  pen.font = `12px ${style.fontFamily}`;
  pen.textBaseline = "middle";
  for (let k = 0; k <= 4; k++) {
    const v = min + ((max - min) * k) / 4;
    pen.strokeStyle = line; pen.beginPath(); pen.moveTo(0, y(v)); pen.lineTo(width - right, y(v)); pen.stroke();
    pen.fillStyle = quiet; pen.fillText(number(v), width - right + 8, y(v));
  }
  const volume = Math.max(...bars.map((b) => b.volume)) || 1;
  bars.forEach((b, i) => {
    pen.fillStyle = pen.strokeStyle = b.close >= b.open ? up : down;
    pen.globalAlpha = 0.25;
    const tall = (b.volume / volume) * (split - top) * 0.18;
    pen.fillRect(x(i) - step * 0.35, split - 10 - tall, step * 0.7, tall);
    pen.globalAlpha = b.is_open ? 0.55 : 1;
    pen.beginPath(); pen.moveTo(x(i), y(b.high)); pen.lineTo(x(i), y(b.low)); pen.stroke();
    pen.fillRect(x(i) - step * 0.35, Math.min(y(b.open), y(b.close)), Math.max(1, step * 0.7), Math.max(1, Math.abs(y(b.open) - y(b.close))));
    pen.globalAlpha = 1;
  });
  const curve = (values, scale, stroke) => {
    pen.strokeStyle = stroke; pen.lineWidth = 1.6; pen.beginPath();
    let pending = true;
    values.forEach((v, i) => { if (v === null) { pending = true; return; } if (pending) pen.moveTo(x(i), scale(v)); else pen.lineTo(x(i), scale(v)); pending = false; });
    pen.stroke(); pen.lineWidth = 1;
  };
  pen.save(); pen.beginPath(); pen.rect(0, 0, width - right, split); pen.clip();
  curve(bars.map((b) => b.ema), y, emaColour);
  pen.restore();
  const r = (v) => low - (v / 100) * (low - split - 6);
  for (const v of [30, 70]) {
    pen.strokeStyle = line; pen.beginPath(); pen.moveTo(0, r(v)); pen.lineTo(width - right, r(v)); pen.stroke();
    pen.fillStyle = quiet; pen.fillText(`RSI ${v}`, width - right + 8, r(v));
  }
  curve(bars.map((b) => b.rsi), r, rsiColour);
  pen.fillStyle = quiet;
  const every = Math.ceil(90 / step);
  for (let i = Math.floor(every / 2); i < bars.length; i += every) {
    const label = state.timeframe === "1d" ? bars[i].open_time.slice(5, 10) : bars[i].open_time.slice(11, 16);
    pen.textAlign = "center"; pen.fillText(label, x(i), height - 10); pen.textAlign = "start";
  }
  const chosen = state.pointer === null ? null : Math.min(bars.length - 1, Math.max(0, Math.floor(state.pointer / step)));
  if (chosen !== null) {
    pen.strokeStyle = quiet; pen.setLineDash([3, 3]); pen.beginPath(); pen.moveTo(x(chosen), top); pen.lineTo(x(chosen), low); pen.stroke(); pen.setLineDash([]);
  }
  showLegend(chosen === null ? null : bars[chosen]);
}

let running = false;
async function refresh() {
  if (running) return;
  running = true;
  try {
    state.about ??= await read("/v1/about");
    if (!element("timeframes").children.length) showTimeframes();
    showMarkets(await read("/v1/symbols"));
    showFreshness(await read("/v1/freshness"));
    if (state.market) {
      const [exchange, symbol] = state.market;
      const query = new URLSearchParams({ exchange, symbol: symbol.replace("/", "-"), timeframe: state.timeframe, limit: BARS });
      state.bars = await read(`/v1/candles?${query}`);
      element("synthetic").hidden = exchange !== "simulated";
    }
    showPrice();
    draw();
    element("problem").hidden = true;
  } catch (error) {
    element("problem").textContent = `No news from the server: ${error.message}. Trying again.`;
    element("problem").hidden = false;
  } finally {
    running = false;
  }
}

element("market").onchange = (event) => { state.market = JSON.parse(event.target.value); refresh(); };
element("chart").onpointermove = (event) => { state.pointer = event.offsetX; draw(); };
element("chart").onpointerleave = () => { state.pointer = null; draw(); };
window.onresize = draw;
refresh();
setInterval(refresh, 1000);
