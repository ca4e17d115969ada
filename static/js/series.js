import { duration } from "./format.js";

// Turns the drawings of time series into ones that can be pointed at and zoomed.
// The numbers come with the page; choosing a span writes it into the address.
const drawn = new WeakMap();

const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dashes = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4], [2, 2, 6, 2], [1, 3]];

const percent = (v) => (v === null || v === undefined ? "—" : `${(v * 100).toFixed(v > 0.99 ? 3 : 1)}%`);
const plain = (v) => (v === null || v === undefined ? "—" : v.toLocaleString());
const formats = { duration, percent, count: plain };

function zoom(u) {
  const { left, width } = u.select;
  if (width < 8) return;
  const from = new Date(u.posToVal(left, "x") * 1000);
  const to = new Date(u.posToVal(left + width, "x") * 1000);
  const url = new URL(location.href);
  url.searchParams.delete("range");
  url.searchParams.set("from", from.toISOString().replace(/\.\d+Z$/, "Z"));
  url.searchParams.set("to", to.toISOString().replace(/\.\d+Z$/, "Z"));
  location.assign(url);
}

// promise draws the line of what was promised over the plot.
const promise = (u) => {
  const { promise: promised } = u.facts;
  if (!promised) return;
  const y = Math.round(u.valToPos(promised, "y", true));
  if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) return;
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = tone("--bad");
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(u.bbox.left, y);
  ctx.lineTo(u.bbox.left + u.bbox.width, y);
  ctx.stroke();
  ctx.restore();
};

// incrs are the distances at which an axis of durations is readable.
const incrs = [];
for (let n = 1; n <= 1e8; n *= 10) incrs.push(n, 2 * n, 5 * n);
for (const s of [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000]) incrs.push(s * 1e9);

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exact = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const whole = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

// moments are the labels of the time axis: the day where it changes, else the time.
function moments(u, splits, axis, space, incr) {
  let last = "";
  return splits.map((s) => {
    const date = day.format(s * 1000);
    if (incr >= 86400) return date;
    const time = (incr < 60 ? exact : clock).format(s * 1000);
    const changed = last !== "" && last !== date;
    last = date;
    return changed ? `${time}\n${date}` : time;
  });
}

// marks draws the moments at which something was changed. Words that would run into
// those of another go a row lower, or to the left at the right edge; where there is
// no room at all the line stands alone, and the list of changes has the words.
const ROWS = 3;
const marks = (u) => {
  const { ctx, bbox } = u;
  const px = devicePixelRatio;
  const ends = Array(ROWS).fill(-Infinity); // of the words in each row
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = tone("--ink-3");
  ctx.font = `${11 * px}px ${tone("--sans")}`;
  ctx.textAlign = "left";
  ctx.setLineDash([2 * px, 3 * px]);
  for (const mark of (u.facts.marks ?? []).toSorted((a, b) => a.at - b.at)) {
    const x = Math.round(u.valToPos(mark.at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const wide = ctx.measureText(mark.text).width;
    const fits = x + 4 * px + wide <= bbox.left + bbox.width;
    const from = fits ? x + 4 * px : x - 4 * px - wide;
    const row = ends.findIndex((end) => from > end + 6 * px);
    if (row < 0 || from < bbox.left) continue;
    ends[row] = from + wide;
    ctx.fillText(mark.text, from, bbox.top + (11 + 14 * row) * px);
  }
  ctx.restore();
};

// alone are the points without a neighbour: no line would show them.
function alone(u, seriesIdx) {
  const v = u.data[seriesIdx];
  const known = (i) => i >= 0 && i < v.length && v[i] !== null && v[i] !== undefined;
  const out = [];
  for (let i = 0; i < v.length; i++) if (known(i) && !known(i - 1) && !known(i + 1)) out.push(i);
  return out;
}

// latest shows the newest values in the legend while nobody points at the chart.
const latest = (u) => {
  if (u.cursor.idx === null || u.cursor.left < 0) u.setLegend({ idx: u.data[0].length - 1 }, false);
};

function options(data, width) {
  const show = formats[data.unit] ?? plain;
  const axis = { stroke: tone("--ink-3"), grid: { stroke: tone("--line"), width: 1 }, ticks: { show: false }, font: `12px ${tone("--sans")}` };
  return {
    width,
    height: 280,
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
    select: { show: true },
    scales: { y: { range: (u, __, max) => [0, Math.max(max, (u.facts ?? data).promise ?? 0, 1) * 1.08] } },
    axes: [
      { ...axis, values: moments },
      { ...axis, size: 64, values: (_, ticks) => ticks.map(show), ...(data.unit === "duration" ? { incrs } : {}) },
    ],
    legend: { markers: { dash: (u, i) => ["solid", "dashed", "dotted"][(i - 1) % 3] } },
    series: [
      { label: "Time", value: (_, v) => (v === null ? "—" : whole.format(v * 1000)) },
      ...data.lines.map((line, i) => ({
        label: line.name, stroke: tone(`--s${i % 8}`), dash: dashes[i % 8], width: 1.75,
        spanGaps: false, points: { show: true, size: 4, filter: alone }, value: (_, v) => show(v),
      })),
    ],
    hooks: { setSelect: [zoom], init: [(u) => { u.facts = data; }], draw: [promise, marks], setData: [latest], ready: [latest], setCursor: [latest] },
  };
}

function draw(figure) {
  const source = figure.querySelector("script[type='application/json']");
  const plot = figure.querySelector(".plot");
  if (!source || !plot) return;
  const text = source.textContent;
  const old = drawn.get(figure);
  if (old && old.text === text) return;
  const data = JSON.parse(text);
  const values = [data.at, ...data.lines.map((l) => l.values)];
  const names = data.lines.map((l) => l.name).join("\n");
  if (old && old.names === names && plot.contains(old.u.root)) {
    old.u.facts = data;
    old.u.setData(values);
    old.text = text;
    return;
  }
  old?.u.destroy();
  plot.replaceChildren();
  figure.classList.add("on");
  const u = new window.uPlot(options(data, plot.clientWidth), values, plot);
  drawn.set(figure, { u, text, names });
}

let watching = false;

function watch() {
  if (watching) return;
  watching = true;
  const all = (then) => document.querySelectorAll("figure.series").forEach(then);
  let queued = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(queued);
    queued = requestAnimationFrame(() => all((f) => {
      const d = drawn.get(f);
      if (d) d.u.setSize({ width: f.querySelector(".plot").clientWidth, height: 280 });
    }));
  });
  document.addEventListener("tidemark:theme", () => all((f) => {
    drawn.get(f)?.u.destroy();
    drawn.delete(f);
    draw(f);
  }));
}

// series draws every figure that has numbers.
export function series() {
  if (!window.uPlot) return;
  for (const figure of document.querySelectorAll("figure.series")) draw(figure);
  watch();
}
