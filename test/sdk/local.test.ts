import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { Home } from "../support/home.ts";
import { collect } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";
import { bundle } from "./bundle.ts";
import { expectPassed } from "./outcome.ts";

setDefaultTimeout(300_000 * slowness);

/** The SDK's suite (suite.ts) in each runtime, over the child of this host. */

let suite: string;
let face: string;
beforeAll(async () => {
  suite = await bundle(`${import.meta.dir}/suite.ts`);
  face = await bundle(`${import.meta.dir}/../../sdk/src/index.ts`);
});
afterAll(() => {
  for (const path of [suite, face]) rmSync(dirname(path), { recursive: true });
});

/** What a program that uses the SDK finds. */
const surroundings = (home: Home) => ({ ...home.env, SMOLVM_BIN: program });

/** Node of 20 or later, of which the test needs one (`dev` fetches it where there is none). */
const node = process.env.SMOLVM_TEST_NODE ?? Bun.which("node") ?? "node";

const deno = process.env.SMOLVM_TEST_DENO ?? Bun.which("deno") ?? "deno";

interface Runtime {
  readonly name: string;
  readonly file: readonly string[];
  readonly script: readonly string[];
}

const runtimes: readonly Runtime[] = [
  { name: "Bun", file: [process.execPath], script: [process.execPath, "-e"] },
  { name: "Node", file: [node], script: [node, "--input-type=module", "-e"] },
  { name: "Deno", file: [deno, "run", "--allow-all", "--no-config"], script: [deno, "eval"] },
];

describe.each(runtimes)("in $name", ({ file, script }) => {
  test("the suite passes, and leaves nothing", async () => {
    const home = new Home();
    try {
      const started = Bun.spawn([...file, suite], {
        cwd: home.path,
        env: surroundings(home),
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      expectPassed(await collect(started, "the suite", 240_000 * slowness));
      await home.expectNothingLeft();
    } finally {
      home.remove();
    }
  });

  test("importing the package starts nothing, and keeps no program alive", async () => {
    const statements = `
      const { Machine } = await import(${JSON.stringify(face)});
      console.log(typeof Machine.create);`;
    const started = Bun.spawn([...script, statements], {
      // No program could be found, and nowhere could anything be written.
      env: { PATH: "/nowhere", HOME: "/nowhere" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const { exitCode, output, stderr } = await collect(started, "the import", 60_000);
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    expect(output).toBe("function\n");
  });
});
