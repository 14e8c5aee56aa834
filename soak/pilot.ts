/**
 * Pilot's own adapter, made by its public generator: what it answers of smolvm, beside the rules that test/pilot/ goes by,
 * and then all tests of test/pilot/ once more, through it.
 *
 *     ./dev soak pilot
 */
import { deepStrictEqual } from "node:assert/strict";
import { cacheRoot } from "../build/host.ts";
import { version } from "../src/version.ts";
import { callHere } from "../test/pilot/adapter.ts";
import { PilotHome } from "../test/pilot/home.ts";
import { askReal, callReal } from "../test/pilot/real-adapter.ts";
import { program } from "../test/support/program.ts";
import { say, soak } from "./support/options.ts";

const built = `${cacheRoot()}/pilot`;

/** Calls whose answers are the same each time. */
const CALLS: readonly (readonly string[])[] = [
  [],
  ["bogus"],
  ["--version"],
  ["version", "--json"],
  ["--help"],
  ["help", "--json"],
  ["machine", "ls"],
  ["machine", "ls", "--json"],
  ["machine", "ls", "--json", "--quiet"],
  ["machine", "status", "nope"],
  ["machine", "status", "--json", "nope"],
  ["machine", "run", "--bogus", "--error-format", "json"],
  ["machine", "create", "--name", ""],
  ["config", "show", "--json"],
  ["self-check", "passthrough", "--", "a b", "", "*", "$HOME", "--", "<&>", "é", "\u2028", "-x", "01"],
];

interface Help {
  readonly methods: readonly {
    readonly method: string;
    readonly kind: string;
    readonly duration: string;
  }[];
}

await soak(async () => {
  const home = new PilotHome();
  try {
    const there = { program, env: home.env, cwd: home.path };
    // V1 and V2 of Pilot's acceptance checks: its two methods without words.
    deepStrictEqual(await askReal(built, there, "smolvm.version", {}), {
      ...{ exit: 0, stdout: `smolvm ${version}`, stderr: "", truncated: false },
    });
    const { methods } = (await askReal(built, there, "smolvm.help", {})) as Help;
    deepStrictEqual(
      methods.map(({ method, kind, duration }) => [method, kind, duration]),
      [
        ["smolvm.version", "utility", "fast"],
        ["smolvm.exec", "utility", "slow"],
        ["smolvm.brief", "utility", "fast"],
        ["smolvm.help", "meta", "fast"],
      ],
    );
    for (const args of CALLS) {
      const [real, here] = await Promise.all([callReal(built, there, { args }), callHere(there, { args })]);
      deepStrictEqual(real, here, args.join(" "));
    }
    say(`${CALLS.length} calls: the same answers as by the rules`);
  } finally {
    home.remove();
  }
  const tests = Bun.spawn([process.execPath, "test", "./test/pilot"], {
    cwd: `${import.meta.dir}/..`,
    env: { ...process.env, SMOLVM_TEST_PILOT: built },
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  if ((await tests.exited) !== 0) throw new Error("a test fails through Pilot's own adapter");
});
