// <tidemark-status write="ID"> for product pages: tells a user in plain words where
// a change of theirs is. It needs no framework and no other file.
//
//   <script type="module" src="https://tidemark.example/static/js/status.js"></script>
//   <tidemark-status write="0193…" src="/changes/0193…/status"></tidemark-status>
//
// Attributes: src, the address of the status document at the product's own server,
// which asks tidemark for /v1/writes/ID/status with its key, so that no key is in the
// page; or, for pages of tidemark's own origin alone, write and server (this script's
// origin otherwise): the API lets no other site read its answers. words-pending,
// words-visible, words-late, words-conflict and words-unknown replace the words.
// The element has a state attribute (pending, visible, late, conflict, unknown) to
// style by, and fires "tidemark-status" with {state, status} in detail.
const origin = new URL(import.meta.url).origin;

const said = {
  pending: "Saving your change everywhere…",
  visible: "Saved. Everyone can see it.",
  late: "Saved. It is taking longer than usual to show everywhere.",
  conflict: "Someone else changed this at the same time. Please check it.",
  unknown: "We cannot tell yet whether everyone can see it.",
};

const DONE = new Set(["visible", "conflict"]);
const WAITS = [1000, 1000, 2000, 3000, 5000, 8000, 15000, 30000];

class TidemarkStatus extends HTMLElement {
  static observedAttributes = ["write", "server", "src"];

  connectedCallback() {
    if (!this.hasAttribute("role")) this.setAttribute("role", "status");
    this.restart();
  }

  disconnectedCallback() {
    this.stop();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.restart();
  }

  stop() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.source?.close();
  }

  restart() {
    this.stop();
    this.tries = 0;
    this.show("pending", null);
    if (this.getAttribute("write") || this.getAttribute("src")) this.ask();
  }

  address() {
    const own = this.getAttribute("src");
    if (own) return own;
    const server = this.getAttribute("server") ?? origin;
    return `${server}/v1/writes/${encodeURIComponent(this.getAttribute("write"))}/status`;
  }

  async ask() {
    this.asking = new AbortController();
    try {
      const answer = await fetch(this.address(), { signal: this.asking.signal, headers: { Accept: "application/json" }, credentials: "include" });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const status = await answer.json();
      this.show(said[status.state] ? status.state : "unknown", status);
    } catch (error) {
      if (error.name === "AbortError") return;
      // A write that is not known yet is usually on its way; say so only after a while.
      if (this.tries > 4) this.show("unknown", null);
    }
    if (DONE.has(this.getAttribute("state"))) return;
    const wait = WAITS[Math.min(this.tries++, WAITS.length - 1)];
    this.timer = setTimeout(() => this.ask(), wait);
  }

  show(state, status) {
    const text = this.getAttribute(`words-${state}`) ?? said[state];
    if (this.textContent !== text) this.textContent = text;
    if (this.getAttribute("state") !== state) this.setAttribute("state", state);
    this.dispatchEvent(new CustomEvent("tidemark-status", { bubbles: true, detail: { state, status } }));
  }
}

if (!customElements.get("tidemark-status")) customElements.define("tidemark-status", TidemarkStatus);
