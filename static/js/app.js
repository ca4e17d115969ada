// The one script of every page. Without it pages still work: what it does is keep
// them current, and save steps. Each module looks for its own elements.
import { theme } from "./theme.js";
import { keys } from "./keys.js";
import { times } from "./times.js";
import { copies } from "./copy.js";
import { side } from "./side.js";
import { once } from "./once.js";
import { away } from "./away.js";
import { live } from "./live.js";
import { heat } from "./heat.js";
import { series } from "./series.js";

document.documentElement.classList.add("js");
theme();
keys();
copies();
side();
once();
away();

// What depends on the page's content runs again whenever a part was exchanged.
const fresh = () => {
  times();
  heat();
  series();
};
fresh();
document.addEventListener("htmx:after:swap", fresh);
live();
