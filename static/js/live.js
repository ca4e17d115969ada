// One stream a page says that something changed; the page then fetches its own
// content again and morphs it in place, so that focus, selection and scroll stay.
import { leave } from "./away.js";

const LEAST = 2000; // ms between refreshes

const OFTEN = 15_000; // ms between refreshes of a page that is not told

const words = {
  live: "Live",
  polls: "Every 15 s",
  paused: "Paused",
  lost: "Connection lost, trying again",
};

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

// shownAt is the server's time of what the page shows.
const shownAt = () => document.querySelector("#page")?.dataset.now ?? "";

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
    this.lost = false;
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

  // connect opens the stream of a page that is seen. Without HTTPS a browser has six
  // connections to a server: pages that nobody sees would keep them all from the next one.
  connect() {
    this.source?.close();
    if (document.hidden) return;
    this.source = new EventSource(`/live?topic=${encodeURIComponent(this.topic)}`);
    this.source.addEventListener("open", () => this.found());
    this.source.addEventListener("error", () => {
      this.stale(true);
      if (this.source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => this.connect(), 5000);
      this.leave();
    });
    // "reload" is sent instead of what was missed while the connection was away.
    for (const name of ["changed", "reload"]) this.source.addEventListener(name, () => this.changed());
  }

  // found goes on after the stream was opened; what was missed meanwhile is fetched.
  found() {
    if (this.lost && !this.paused) this.changed();
    else this.stale(false); // what a pause holds back comes when it ends
  }

  // leave takes what is shown from whoever is signed in no more.
  leave() {
    if (!this.busy()) leave(); // or the stream asks again
  }

  // stale says that what is shown is of before, or that it no longer is.
  stale(yes) {
    this.lost = yes;
    this.say(this.paused ? "paused" : yes ? "lost" : this.on);
    const notice = document.querySelector("#stale");
    if (!notice || notice.hidden === !yes) return;
    const at = Date.parse(shownAt());
    notice.querySelector("[data-stale-at]").textContent = Number.isNaN(at) ? "an earlier time" : clock.format(at);
    notice.hidden = !yes;
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
    this.say(yes ? "paused" : this.lost ? "lost" : this.on);
    if (!yes) this.changed();
  }

  // wake goes on when the page is seen again; what a stream would have said meanwhile is
  // fetched.
  wake() {
    if (!this.polls) this.connect();
    if (!document.hidden && (this.due || !this.polls)) this.changed();
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
    if (!window.htmx) return;
    const before = shownAt();
    try {
      await window.htmx.ajax("GET", location.pathname + location.search, { target: "#page", swap: "outerMorph ignoreTitle:true" });
    } catch {
      // No answer is told by what is shown staying as it was.
    }
    this.stale(shownAt() === before);
    if (this.lost) this.leave();
    if (this.lost && this.source?.readyState === EventSource.OPEN) this.changed();
  }
}

// live starts the stream when the page has a control for it.
export function live() {
  const control = document.querySelector("[data-topic]");
  if (control && window.htmx && window.EventSource) new Live(control);
}
