// One stream a page says that something changed; the page then fetches its own
// content again and morphs it in place, so that focus, selection and scroll stay.
const LEAST = 2000; // ms between refreshes

const OFTEN = 15_000; // ms between refreshes of a page that is not told

const words = {
  live: "Live",
  polls: "Every 15 s",
  paused: "Paused",
  lost: "Connection lost, trying again",
};

class Live {
  constructor(control) {
    this.control = control;
    this.status = control.querySelector("[role=status]");
    this.toggle = control.querySelector("[data-live-toggle]");
    this.topic = control.dataset.topic;
    this.polls = "polls" in control.dataset;
    this.on = this.polls ? "polls" : "live";
    this.last = Date.now();
    this.paused = false;
    this.due = false;
    this.timer = 0;
    this.toggle.addEventListener("click", () => this.pause(!this.paused));
    document.addEventListener("visibilitychange", () => this.wake());
    if (this.polls) {
      this.say(this.on);
      setInterval(() => this.changed(), OFTEN);
      return;
    }
    addEventListener("pagehide", () => this.source?.close());
    addEventListener("pageshow", (event) => event.persisted && this.connect());
    this.connect();
  }

  connect() {
    this.source?.close();
    this.source = new EventSource(`/live?topic=${encodeURIComponent(this.topic)}`);
    this.source.addEventListener("open", () => this.say(this.paused ? "paused" : this.on));
    this.source.addEventListener("error", () => {
      if (!this.paused) this.say("lost");
      if (this.source.readyState === EventSource.CLOSED) setTimeout(() => this.connect(), 5000);
    });
    // "reload" is sent instead of what was missed while the connection was away.
    for (const name of ["changed", "reload"]) this.source.addEventListener(name, () => this.changed());
  }

  // say changes the words only when they differ, so that a screen reader hears each once.
  say(state) {
    if (this.control.dataset.state === state) return;
    this.control.dataset.state = state;
    this.status.textContent = words[state];
    this.toggle.textContent = state === "paused" ? "Resume" : "Pause";
  }

  pause(yes) {
    this.paused = yes;
    this.say(yes ? "paused" : this.on);
    if (!yes) this.changed();
  }

  wake() {
    if (!document.hidden && this.due) this.changed();
  }

  changed() {
    this.due = true;
    if (this.paused || document.hidden || this.timer) return;
    this.timer = setTimeout(() => this.refresh(), Math.max(0, this.last + LEAST - Date.now()));
  }

  // busy holds back while the reader is in the middle of something that a change
  // would take away: typing in the page, or an open dialog.
  busy() {
    const page = document.querySelector("#page");
    const at = document.activeElement;
    return document.querySelector("dialog[open]") || (page?.contains(at) && at.matches("input, textarea, select"));
  }

  async refresh() {
    this.timer = 0;
    if (this.paused || document.hidden) return;
    if (this.busy()) {
      this.timer = setTimeout(() => this.refresh(), LEAST);
      return;
    }
    this.due = false;
    this.last = Date.now();
    if (window.htmx) {
      await window.htmx.ajax("GET", location.pathname + location.search, { target: "#page", swap: "outerMorph ignoreTitle:true" });
    }
  }
}

// live starts the stream when the page has a control for it.
export function live() {
  const control = document.querySelector("[data-topic]");
  if (control && window.htmx && window.EventSource) new Live(control);
}
