// Turns the drawings of time series into ones that can be pointed at and zoomed.
// The numbers come with the page; choosing a span writes it into the address.
const drawn = new WeakMap();

const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dashes = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4], [2, 2, 6, 2], [1, 3]];

const units = [[1e9 * 86400, "d"], [1e9 * 3600, "h"], [1e9 * 60, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"]];

function duration(ns) {
  if (ns === null || ns === undefined) return "—";
  if (ns === 0) return "0";
  const [size, name] = units.find(([s]) => Math.abs(ns) >= s * 0.9995) ?? [1, "ns"];
  const v = ns / size;
  return `${v >= 9.95 ? v.toFixed(0) : v.toFixed(1).replace(/\.0$/, "")} ${name}`;
}

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
const promise = (data) => (u) => {
  if (!data.promise) return;
  const y = Math.round(u.valToPos(data.promise, "y", true));
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

function options(data, width) {
  const show = formats[data.unit] ?? plain;
  const axis = { stroke: tone("--ink-3"), grid: { stroke: tone("--line"), width: 1 }, ticks: { show: false }, font: `12px ${tone("--sans")}` };
  return {
    width,
    height: 280,
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
    select: { show: true },
    scales: { y: { range: (_, __, max) => [0, Math.max(max, data.promise ?? 0, 1) * 1.08] } },
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map(show) }],
    series: [
      {},
      ...data.lines.map((line, i) => ({
        label: line.name, stroke: tone(`--s${i % 8}`), dash: dashes[i % 8], width: 1.75,
        spanGaps: false, points: { show: false }, value: (_, v) => show(v),
      })),
    ],
    hooks: { setSelect: [zoom], draw: [promise(data)] },
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
