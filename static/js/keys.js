const typing = (el) => el.closest("input, textarea, select, [contenteditable]") !== null;

// rows are the links that j and k step through: the first link of each row of the
// page's main tables, in order.
const rows = () =>
  [...document.querySelectorAll("[data-rows] > tbody > tr")]
    .map((tr) => tr.querySelector("a[href]"))
    .filter((a) => a && a.getClientRects().length > 0);

function step(by) {
  const all = rows();
  if (all.length === 0) return;
  const at = all.findIndex((a) => a.closest("tr").contains(document.activeElement));
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  all[next].focus();
  all[next].closest("tr").scrollIntoView({ block: "nearest" });
}

const go = { o: "/", t: "/topology", c: "/conflicts", r: "/rollouts", f: "/flags", g: "/guarantees", m: "/rules", a: "/alerts", p: "/pipeline", u: "/audit" };
let leading = 0;

function chord(key) {
  if (Date.now() - leading > 1200) return false;
  leading = 0;
  if (!go[key]) return false;
  location.assign(go[key]);
  return true;
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  if (chord(event.key)) return event.preventDefault();
  switch (event.key) {
    case "/":
      document.querySelector("#search")?.focus();
      break;
    case "?":
      document.querySelector("#keys")?.showModal();
      break;
    case "j":
      step(1);
      break;
    case "k":
      step(-1);
      break;
    case "p":
      document.querySelector("[data-live-toggle]")?.click();
      break;
    case "g":
      leading = Date.now();
      break;
    default:
      return;
  }
  event.preventDefault();
}

// keys listens for single keys; never while somebody types, or holds a modifier.
export function keys() {
  document.addEventListener("keydown", press);
  document.querySelector("[data-keys-open]")?.addEventListener("click", () => document.querySelector("#keys")?.showModal());
}
