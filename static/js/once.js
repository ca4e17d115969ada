// A form that was sent is held for as long as an answer may take, or until its page is
// shown again.
const HELD = 10_000; // ms

// once sends a form once: of two clicks on its button the second would do it again, and
// its answer, which may be that it is done already, would be the one that is shown.
export function once() {
  let sent = new Map();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.matches("[method=post]")) return;
    const at = event.timeStamp;
    if (at - (sent.get(form) ?? -HELD) < HELD) return event.preventDefault();
    sent.set(form, at);
  });
  addEventListener("pageshow", () => (sent = new Map()));
}
