// side shows the page's own entry of the navigation where that scrolls sideways.
export function side() {
  document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}
