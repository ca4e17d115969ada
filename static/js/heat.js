import { duration } from "./format.js";

const drawn = new WeakMap();
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

// Bands are known within 1 %, so a link lets their bounds out by as much.
const SLACK = 0.01;

const seconds = (s) => new Date(s * 1000).toISOString().replace(".000", "");

class Heat {
  constructor(figure) {
    this.svg = figure.querySelector("svg");
    this.source = figure.querySelector("script[type='application/json']");
    this.words = figure.querySelector(".under");
    this.hint = this.words.textContent;
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.leave());
    this.svg.addEventListener("click", (event) => {
      this.point(event);
      if (this.at) location.assign(this.at.url);
    });
  }

  // cell is what lies under a point: a count of one band, or the pending writes.
  cell(event) {
    const data = JSON.parse(this.source.textContent);
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    const [left, right, top, row] = data.box;
    const width = (right - left) / data.columns.length;
    const column = Math.floor((p.x - left) / width);
    if (column < 0 || column >= data.columns.length) return null;
    const from = data.from + column * data.step;
    const box = { x: left + column * width, width };
    const url = new URL(data.url, location.href);
    url.searchParams.set("from", seconds(from));
    url.searchParams.set("to", seconds(from + data.step));
    const when = `${clock.format(from * 1000)} to ${clock.format((from + data.step) * 1000)}`;
    if (p.y < top && data.pending[column] > 0) {
      url.searchParams.set("pending", "true");
      return { url, words: `${data.pending[column].toLocaleString()} not visible yet, begun ${when}`, y: data.top, height: top - data.top - 5, ...box };
    }
    const band = data.bands.length - 1 - Math.floor((p.y - top) / row);
    const cells = data.columns[column];
    for (let i = 0; i < cells.length; i += 2) {
      if (cells[i] !== band) continue;
      const [low, high] = data.bands[band];
      if (low > 0) url.searchParams.set("min_lag", `${Math.floor(low * (1 - SLACK))}ns`);
      url.searchParams.set("max_lag", `${Math.ceil(high * (1 + SLACK))}ns`);
      const lag = low > 0 ? `${duration(low)} to ${duration(high)}` : `up to ${duration(high)}`;
      return { url, words: `${cells[i + 1].toLocaleString()} took ${lag}, begun ${when}`, y: top + (data.bands.length - 1 - band) * row, height: row, ...box };
    }
    return null;
  }

  point(event) {
    this.at = this.cell(event);
    if (!this.at) return this.leave();
    this.svg.dataset.over = "";
    this.words.textContent = this.at.words;
    let mark = this.svg.querySelector(".at");
    if (!mark) {
      mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      mark.setAttribute("class", "at");
      this.svg.append(mark);
    }
    for (const name of ["x", "y", "width", "height"]) mark.setAttribute(name, this.at[name]);
  }

  leave() {
    this.at = null;
    delete this.svg.dataset.over;
    this.svg.querySelector(".at")?.remove();
    this.words.textContent = this.hint;
  }
}

// heat makes the cells of the heatmap tell what they hold and lead to examples, and
// shows the newest end where the drawing is wider than the screen.
export function heat() {
  for (const box of document.querySelectorAll("[data-newest]")) {
    const svg = box.querySelector("svg");
    if (!svg || drawn.has(svg)) continue;
    drawn.set(svg, new Heat(box.closest("figure")));
    box.scrollLeft = box.scrollWidth;
  }
}
