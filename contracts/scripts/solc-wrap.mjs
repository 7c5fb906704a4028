#!/usr/bin/env node
// Makes the npm solc look like the native one, so that forge, slither and halmos need no download.
//
// They call it as `--version` and as `--standard-json` with the input on standard input.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isAbsolute, join } from "node:path";

const solc = createRequire(import.meta.url)("solc");
const args = process.argv.slice(2);
const version = solc.version().replace(".Emscripten.clang", "");
if (args.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${version}.Linux.g++`);
} else if (args.includes("--standard-json")) {
  const base = args.includes("--base-path") ? args[args.indexOf("--base-path") + 1] : process.cwd();
  const load = (path) => {
    try {
      return { contents: readFileSync(isAbsolute(path) ? path : join(base, path), "utf8") };
    } catch (error) {
      return { error: String(error.message) };
    }
  };
  process.stdout.write(solc.compile(readFileSync(0, "utf8"), { import: load }));
} else {
  console.error(`solc-wrap: only --version and --standard-json, not ${args.join(" ")}`);
  process.exitCode = 2;
}
