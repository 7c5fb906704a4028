// Finds every source a contract imports, under the names that the compiler gives them.
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

const IMPORT = /^\s*(?:import|\}\s*from)\s+(?:[^"';]*?from\s+)?["']([^"']+)["']/gm;

function remapped(unit, remappings) {
  for (const remapping of remappings) {
    const [prefix, target] = remapping.split("=");
    if (unit.startsWith(prefix)) return target + unit.slice(prefix.length);
  }
  return unit;
}

export function read(root, unit) {
  for (const path of [join(root, unit), join(root, "node_modules", unit)]) {
    if (existsSync(path)) return readFileSync(path, "utf8");
  }
  throw new Error(`${unit} isn't there; run: npm ci --ignore-scripts`);
}

/** Map of source unit name to content: `entries` and all they import, in a fixed order. */
export function closure(root, entries, remappings = []) {
  const found = new Map();
  const waiting = [...entries];
  while (waiting.length) {
    const unit = waiting.pop();
    if (found.has(unit)) continue;
    const content = read(root, unit);
    found.set(unit, content);
    for (const [, path] of content.matchAll(IMPORT)) {
      const name = path.startsWith(".") ? posix.join(posix.dirname(unit), path) : remapped(path, remappings);
      waiting.push(name);
    }
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}
