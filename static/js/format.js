// Numbers as pages show them: the same rules as on the server.
const units = [[1e9 * 86400, "d"], [1e9 * 3600, "h"], [1e9 * 60, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"]];

// duration writes nanoseconds with a sensible unit; what is not known is a dash.
export function duration(ns) {
  if (ns === null || ns === undefined) return "—";
  if (ns === 0) return "0";
  const [size, name] = units.find(([s]) => Math.abs(ns) >= s * 0.9995) ?? [1, "ns"];
  const v = ns / size;
  return `${v >= 9.95 ? v.toFixed(0) : v.toFixed(1).replace(/\.0$/, "")} ${name}`;
}
