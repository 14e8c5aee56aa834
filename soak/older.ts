/**
 * Packages and programs of different versions: the TypeScript package of today with the program of an earlier one, and the
 * other way round. What that earlier version promised is its own suite, which has to pass in both.
 *
 *     ./dev soak older
 *
 * Builds the earlier program out of this repository's history, so it needs that.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { bundle } from "../test/sdk/bundle.ts";
import { expectPassed } from "../test/sdk/outcome.ts";
import { Home } from "../test/support/home.ts";
import { collect } from "../test/support/process.ts";
import { program, slowness } from "../test/support/program.ts";
import { say, soak } from "./support/options.ts";

/**
 * The version before this one. No release is older than 0.1.0, so a state of its development stands for it, which speaks the
 * same protocol and lacks what came later; with 0.2.0, this becomes the tag of 0.1.0.
 */
const OLDER = "49e0b5e";

const root = new URL("..", import.meta.url).pathname;
const deno = process.env.SMOLVM_TEST_DENO ?? Bun.which("deno") ?? "deno";
const node = process.env.SMOLVM_TEST_NODE ?? Bun.which("node") ?? "node";

async function run(command: readonly string[], cwd: string): Promise<void> {
  const started = Bun.spawn([...command], { cwd, stdout: "pipe", stderr: "pipe" });
  const { exitCode, stderr } = await collect(started, command.join(" "), 900_000);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

/** The earlier version's files, with its program built. */
async function checkOut(into: string): Promise<void> {
  mkdirSync(into);
  await run(["sh", "-c", `git archive ${OLDER} | tar -x -C ${into}`], root);
  symlinkSync(`${root}node_modules`, `${into}/node_modules`);
  await run([process.execPath, "build.ts", "quick"], into);
}

async function passes(what: string, command: readonly string[], smolvm: string): Promise<void> {
  const home = new Home();
  const begun = performance.now();
  try {
    const started = Bun.spawn([...command], {
      cwd: home.path,
      env: { ...home.env, SMOLVM_BIN: smolvm },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    expectPassed(await collect(started, what, 240_000 * slowness));
    await home.expectNothingLeft();
    say(`${what}: passed after ${Math.round((performance.now() - begun) / 1000)} s`);
  } finally {
    home.remove();
  }
}

await soak(async () => {
  const place = new Home();
  const older = `${place.path}/older`;
  const made: string[] = [];
  const suiteOf = async () => {
    const path = await bundle(`${older}/test/sdk/suite.ts`);
    made.push(dirname(path));
    return path;
  };
  try {
    await checkOut(older);
    if (!existsSync(`${older}/dist/smolvm`)) throw new Error("the earlier program was not built");
    await passes(
      "the earlier package with the program of today",
      [process.execPath, await suiteOf()],
      program,
    );
    // What its programs import is the package of today now.
    writeFileSync(
      `${older}/sdk/src/index.ts`,
      `export * from ${JSON.stringify(`${root}sdk/src/index.ts`)};\n`,
    );
    const suite = await suiteOf();
    for (const command of [[process.execPath], [node], [deno, "run", "--allow-all", "--no-config"]])
      await passes(
        `the package of today with the earlier program, in ${command[0]}`,
        [...command, suite],
        `${older}/dist/smolvm`,
      );
  } finally {
    for (const path of made) rmSync(path, { recursive: true });
    place.remove();
  }
});
