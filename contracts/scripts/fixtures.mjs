#!/usr/bin/env node
// Compiles what only tests use, into build/fixtures.json: CCIP's real Router (BUSL-1.1, not for production and so
// never among the artefacts), stubs of what stands around it, and the real FluxAggregator of 2020.
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { closure } from "./sources.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

// The Router needs the OpenZeppelin it was written for: EnumerableSet of the later one needs Cancun.
const OWN = ["@openzeppelin/contracts@5.3.0/=@openzeppelin/contracts-5.3.0/"];
const SETS = [
  {
    solc: "solc",
    remappings: OWN,
    settings: { evmVersion: "paris", optimizer: { enabled: true, runs: 200 } },
    contracts: {
      Router: "@chainlink/contracts-ccip/contracts/Router.sol",
      StubOnRamp: "test/mocks/StubRamps.sol",
      StubOffRamp: "test/mocks/StubRamps.sol",
      StubRMN: "test/mocks/StubRamps.sol",
      StubWrappedNative: "test/mocks/StubRamps.sol",
      StubToken: "test/mocks/StubRouter.sol",
    },
  },
  {
    solc: "solc-flux",
    remappings: [],
    settings: { evmVersion: "istanbul", optimizer: { enabled: true, runs: 200 } },
    contracts: { FluxAggregator: "chainlink-flux/src/v0.6/FluxAggregator.sol" },
  },
];

const fixtures = {};
for (const { solc, remappings, settings, contracts } of SETS) {
  const sources = closure(root, Object.values(contracts), remappings);
  const selection = { "*": ["abi", "evm.bytecode.object"] };
  const input = {
    language: "Solidity",
    sources: Object.fromEntries([...sources].map(([unit, content]) => [unit, { content }])),
    settings: { ...settings, remappings, outputSelection: { "*": selection } },
  };
  const output = JSON.parse(require(solc).compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  for (const [name, path] of Object.entries(contracts)) {
    const made = output.contracts[path][name];
    fixtures[name] = { abi: made.abi, bytecode: `0x${made.evm.bytecode.object}` };
  }
}
mkdirSync(join(root, "build"), { recursive: true });
writeFileSync(join(root, "build/fixtures.json"), JSON.stringify(fixtures));
console.log(`${Object.keys(fixtures).join(", ")} -> build/fixtures.json`);
