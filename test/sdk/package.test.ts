import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { cacheRoot, run } from "../../build/host.ts";
import { releaseFiles } from "../../build/release/contents.ts";
import { declarations } from "../../build/sdk/compile.ts";
import { npmPackages } from "../../build/sdk/npm.ts";
import { apiReport, REPORT } from "../../build/sdk/report.ts";
import { Home } from "../support/home.ts";
import { collect } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";
import { type NpmRegistry, serveNpm } from "./npm-registry.ts";

setDefaultTimeout(240_000 * slowness);

/** The npm packages as people install them, with each runtime's own tool, from a registry on the loopback. */

const work = mkdtempSync("/tmp/sdk-package-");
const node = process.env.SMOLVM_TEST_NODE ?? Bun.which("node") ?? "node";
const checkout = `${import.meta.dir}/../..`;
const deno = process.env.SMOLVM_TEST_DENO ?? Bun.which("deno") ?? "deno";
let archives: string[];
let registry: NpmRegistry;

beforeAll(async () => {
  const dist = program.slice(0, program.lastIndexOf("/"));
  const names = await npmPackages(await releaseFiles(dist), work);
  archives = names.map((name) => `${work}/${name}`);
  registry = await serveNpm(archives);
});
afterAll(async () => {
  await registry.stop();
  rmSync(work, { recursive: true, force: true });
});

/** Installs the package into an empty folder, by what its user types. */
async function install(name: string, words: readonly string[]): Promise<string> {
  const folder = `${work}/${name}`;
  mkdirSync(folder);
  writeFileSync(`${folder}/package.json`, '{"private":true,"type":"module"}');
  writeFileSync(`${folder}/use.mjs`, USE);
  const caches = { npm_config_cache: `${folder}/.npm`, BUN_INSTALL_CACHE_DIR: `${folder}/.bun` };
  const env = { ...caches, DENO_DIR: `${folder}/.deno`, NPM_CONFIG_REGISTRY: registry.url };
  await run(words, { cwd: folder, env });
  return folder;
}

async function execute(home: Home, words: readonly string[], cwd: string) {
  const { SMOLVM_BIN: _, ...env } = home.env;
  const started = Bun.spawn([...words], { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  return await collect(started, words.join(" "), 180_000 * slowness);
}

async function expectMachine(folder: string, words: readonly string[]): Promise<void> {
  const home = new Home();
  try {
    const { exitCode, output, stderr } = await execute(home, words, folder);
    expect(stderr).toBe("");
    expect(output).toMatch(/^Linux \d+\.\d+\.\d+\n$/);
    expect(exitCode).toBe(0);
    await home.expectNothingLeft();
  } finally {
    home.remove();
  }
}

/** JavaScript and TypeScript at once. */
const USE = `
import { Machine, SmolvmError, version } from "smolvm";
try {
  const machine = await Machine.create({ cpus: 1, memoryMiB: 256, startTimeoutMs: 180_000 });
  const result = await machine.exec(["uname", "-s"]);
  console.log(result.output, version);
  await machine.delete();
} catch (error) {
  if (!(error instanceof SmolvmError)) throw error;
  console.log(error.code, error.hint);
}
`;

describe("what npm installs", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await install("npm", ["npm", "install", "smolvm", "--no-audit", "--no-fund"]);
  });

  test("has the program of this platform, no script, and nothing else", async () => {
    const listed = JSON.parse(await run(["npm", "ls", "--all", "--json"], { cwd: folder }));
    expect(Object.keys(listed.dependencies)).toEqual(["smolvm"]);
    const scope = readdirSync(`${folder}/node_modules/@smolvm`);
    expect(scope).toEqual([`cli-${process.platform}-${process.arch}`]);
    for (const name of ["smolvm", `@smolvm/${scope[0]}`]) {
      const { scripts } = JSON.parse(readFileSync(`${folder}/node_modules/${name}/package.json`, "utf8"));
      expect(scripts).toBeUndefined();
    }
  });

  test("runs machines in Node", () => expectMachine(folder, [node, "use.mjs"]));

  test("has types that a strict program compiles against", async () => {
    writeFileSync(`${folder}/use.ts`, USE);
    const options = {
      ...{ target: "es2022", module: "nodenext", lib: ["es2022", "esnext.disposable"], strict: true },
      ...{
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        noEmit: true,
        skipLibCheck: false,
      },
      ...{ types: ["node"], typeRoots: [`${checkout}/node_modules/@types`] },
    };
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions: options, files: ["use.ts"] }));
    await run([`${checkout}/node_modules/.bin/tsc`, "-p", folder]);
  });
});

test("what Bun installs runs machines in Bun", async () => {
  const folder = await install("bun", [process.execPath, "add", "smolvm"]);
  await expectMachine(folder, [process.execPath, "use.mjs"]);
});

test("what Deno installs runs machines in Deno", async () => {
  const folder = await install("deno", [deno, "add", "npm:smolvm"]);
  await expectMachine(folder, [deno, "run", "--allow-all", "use.mjs"]);
});

test("publint and arethetypeswrong find nothing to say about the package", async () => {
  const judges = `${cacheRoot()}/package-judges`;
  if (!existsSync(judges)) throw new Error(`this test needs ${judges}: ./dev test installs it`);
  const [package_] = archives as [string];
  const bin = `${judges}/node_modules/.bin`;
  expect(await run([node, `${bin}/publint`, package_, "--strict"])).toContain("All good!");
  // A package of modules only. What attw finds is its exit code, by which `run` throws.
  expect(await run([node, `${bin}/attw`, package_, "--profile", "esm-only"])).toContain("🟢 (ESM)");
});

test("without optional packages it says what to do", async () => {
  const words = ["npm", "install", "smolvm", "--omit=optional", "--no-audit", "--no-fund"];
  const folder = await install("bare", words);
  const home = new Home();
  try {
    const { output, exitCode } = await execute(home, [node, "use.mjs"], folder);
    expect(output).toMatch(/^sdk\.no_program install @smolvm\/cli-\S+@\d/);
    expect(output).toContain("--omit=optional");
    expect(exitCode).toBe(0);
  } finally {
    home.remove();
  }
});

test("the report of its interface is up to date: else run bun build/sdk/report.ts", async () => {
  expect(readFileSync(`${checkout}/${REPORT}`, "utf8")).toBe(apiReport(await declarations()));
});
