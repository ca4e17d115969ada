const dark = matchMedia("(prefers-color-scheme: dark)");

const current = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");

const show = (button) => {
  const next = current() === "dark" ? "light" : "dark";
  button.setAttribute("aria-label", `Use the ${next} theme`);
  button.title = button.getAttribute("aria-label");
};

// theme makes the button switch between light and dark. Choosing what the system
// uses anyway forgets the choice, so that the page follows the system again.
export function theme() {
  const button = document.querySelector("[data-theme-toggle]");
  if (!button) return;
  show(button);
  dark.addEventListener("change", () => show(button));
  button.addEventListener("click", () => {
    const next = current() === "dark" ? "light" : "dark";
    const system = dark.matches ? "dark" : "light";
    try {
      if (next === system) {
        delete document.documentElement.dataset.theme;
        localStorage.removeItem("tidemark-theme");
      } else {
        document.documentElement.dataset.theme = next;
        localStorage.setItem("tidemark-theme", next);
      }
    } catch {
      document.documentElement.dataset.theme = next;
    }
    show(button);
    document.dispatchEvent(new CustomEvent("tidemark:theme"));
  });
}
