// Copies the files that vendor.json names from node_modules into static/. It needs
// no network: `npm ci` has fetched them, and the lockfile says which bytes they are.
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const wanted = JSON.parse(readFileSync(join(here, "vendor.json"), "utf8"));
for (const [to, from] of Object.entries(wanted)) {
  const target = join(here, to);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(here, "..", "node_modules", from), target);
}
