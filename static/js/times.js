const absolute = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const steps = [
  [60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [Infinity, 86400, "d"],
];

function relative(then, now) {
  const s = Math.round((now - then) / 1000);
  const size = Math.abs(s);
  if (size < 2) return "now";
  const [, unit, name] = steps.find(([limit]) => size < limit);
  const text = `${Math.floor(size / unit)} ${name}`;
  return s < 0 ? `in ${text}` : `${text} ago`;
}

function show(el, now) {
  const then = Date.parse(el.dateTime);
  if (Number.isNaN(then)) return;
  const full = absolute.format(then);
  if (el.title !== full) el.title = full;
  const sameDay = new Date(then).toDateString() === new Date(now).toDateString();
  const text = el.dataset.as === "clock" ? (sameDay ? clock : clockDay).format(then)
    : el.dataset.as === "full" ? full
    : relative(then, now);
  if (el.textContent !== text) el.textContent = text;
}

// The server's clock may differ from the viewer's: ages are counted from the
// server's now, so that nothing is "in 3 s" because a laptop is late.
const skew = () => {
  const at = Date.parse(document.querySelector("#page")?.dataset.now ?? "");
  return Number.isNaN(at) ? 0 : at - loaded;
};
let loaded = Date.now();
let ticking = false;

// times writes every <time> in the viewer's zone: relative, the whole on hover.
export function times() {
  loaded = Date.now();
  const all = () => {
    const now = Date.now() + skew();
    for (const el of document.querySelectorAll("time[datetime]")) show(el, now);
  };
  all();
  if (!ticking) {
    ticking = true;
    setInterval(() => document.hidden || all(), 1000);
  }
}
