// What a page shows goes with who may read it: it becomes the page where to sign in when
// they sign out in another tab, or when the page is seen again after they were sent away.
// What is typed stays until it is sent.
const typed = () => [...document.querySelectorAll("#page input, #page textarea")].some((el) => el.value !== el.defaultValue);

// leave asks who is signed in, and leaves the page when it is nobody. It is opened anew
// rather than reloaded, which would send the form again that it is the answer to.
export async function leave() {
  if (typed()) return;
  const me = await fetch("/api/v1/me", { headers: { Accept: "application/json" } }).catch(() => null);
  if (me?.status === 401) location.replace(location.href.split("#")[0]);
}

// away lets the sign-in page tell all others of this browser to look again who is signed
// in, for that is where signing out leads; pages that nobody sees hear it too.
export function away() {
  const others = window.BroadcastChannel && new BroadcastChannel("tidemark-signin");
  if (document.querySelector('form[action="/signin"]')) others?.postMessage("");
  if (!document.querySelector('form[action="/signout"]')) return;
  others?.addEventListener("message", leave);
  document.addEventListener("visibilitychange", () => document.hidden || leave());
  addEventListener("pageshow", (event) => event.persisted && leave());
}
