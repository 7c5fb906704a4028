#!/usr/bin/env node
// Compiles the contracts with the npm solc and writes, or with --check compares, what is committed in artefacts/.
//
// One exact standard-JSON input per contract is an artefact too: it is what block explorers verify from.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { closure } from "./sources.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const solc = createRequire(import.meta.url)("solc");

// `paris` because newer targets use opcodes that a London-fork chain burns all gas on; no metadata hash, so that
// comments don't change the bytecode. The alias maps the Chainlink package's own name of OpenZeppelin to the one in use.
const SETTINGS = {
  evmVersion: "paris",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  optimizer: { enabled: true, runs: 200 },
  viaIR: true,
  remappings: ["@openzeppelin/contracts@5.3.0/=@openzeppelin/contracts/"],
};
const CONTRACTS = { Aggregator: "src/Aggregator.sol", OracleWithCCIP: "src/OracleWithCCIP.sol" };
const SIZE_LIMIT = 24_576; // EIP-170

function compile(name, path) {
  const sources = closure(root, [path], SETTINGS.remappings);
  const input = {
    language: "Solidity",
    sources: Object.fromEntries([...sources].map(([unit, content]) => [unit, { content }])),
    settings: {
      ...SETTINGS,
      outputSelection: {
        [path]: { [name]: ["abi", "evm.bytecode.object", "evm.deployedBytecode", "evm.methodIdentifiers"] },
      },
    },
  };
  const text = JSON.stringify(input);
  const output = JSON.parse(solc.compile(text));
  const problems = (output.errors ?? []).filter((error) => error.severity !== "info");
  if (problems.length) throw new Error(problems.map((problem) => problem.formattedMessage).join("\n"));
  const made = output.contracts[path][name];
  const deployed = made.evm.deployedBytecode;
  if (deployed.object.length / 2 > SIZE_LIMIT) throw new Error(`${name}: ${deployed.object.length / 2} B exceed EIP-170`);
  const artefact = {
    name,
    source: path,
    compiler: solc.version().replace(".Emscripten.clang", ""),
    evm_version: SETTINGS.evmVersion,
    optimizer_runs: SETTINGS.optimizer.runs,
    source_hash: createHash("sha256").update(text).digest("hex"),
    bytecode_hash: createHash("sha256").update(made.evm.bytecode.object).digest("hex"),
    immutable_references: Object.values(deployed.immutableReferences ?? {}).flat(),
    bytecode: `0x${made.evm.bytecode.object}`,
    deployed_bytecode: `0x${deployed.object}`,
    abi: made.abi,
  };
  return { [`${name}.json`]: `${JSON.stringify(artefact, null, 1)}\n`, [`${name}.input.json`]: `${text}\n` };
}

async function inParallel(contracts) {
  // Each through a process of its own: solc needs seconds for one through IR, and there is more than one core.
  const run = promisify(execFile);
  const self = fileURLToPath(import.meta.url);
  const options = { maxBuffer: 64 * 2 ** 20 };
  const outputs = await Promise.all(
    contracts.map(([name, path]) => run(process.execPath, [self, "--one", name, path], options)),
  );
  return outputs.map(({ stdout }) => JSON.parse(stdout));
}

if (process.argv[2] === "--one") {
  process.stdout.write(JSON.stringify(compile(process.argv[3], process.argv[4])));
} else {
  const started = performance.now();
  const folder = join(root, "artefacts");
  mkdirSync(folder, { recursive: true });
  const check = process.argv.includes("--check");
  for (const files of await inParallel(Object.entries(CONTRACTS))) {
    for (const [file, content] of Object.entries(files)) {
      const target = join(folder, file);
      if (!check) writeFileSync(target, content);
      else if (readFileSync(target, "utf8") !== content) {
        console.error(`${file} is not what the sources compile to; run: npm run compile`);
        process.exitCode = 1;
      }
      if (!file.endsWith(".input.json")) {
        console.log(`${file}: ${(JSON.parse(content).deployed_bytecode.length - 2) / 2} B deployed`);
      }
    }
  }
  console.log(`${check ? "compared" : "written"} in ${((performance.now() - started) / 1000).toFixed(2)} s`);
}
