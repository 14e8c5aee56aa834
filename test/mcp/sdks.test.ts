import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { cacheRoot } from "../../build/host.ts";
import { useMachines } from "../support/machines.ts";
import { collect, Talking } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";

/** The official clients of the protocol, of both generations and languages, judge the server. */
setDefaultTimeout(90_000 * slowness);

const home = useMachines();
const clients = `${cacheRoot()}/mcp-clients`;
const pythonClient = `${cacheRoot()}/mcp-client`;
for (const needed of [clients, pythonClient])
  if (!existsSync(needed)) throw new Error(`this test needs ${needed}: ./dev test installs it`);
const SERVER = ["mcp", "start", "--max-mem", "256", "--max-machines", "1"];
const here = `${import.meta.dir}/clients`;

async function told(words: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([...words], {
    ...{ env: { ...home.env, ...env }, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  const { exitCode, output, stderr } = await collect(child, words.join(" "), 60_000 * slowness);
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${exitCode}: ${stderr}`);
  return JSON.parse(output);
}

const expected = (version: unknown) => ({
  ...{ version, tools: 9, bad: { isError: true } },
  good: { structuredContent: { exit_code: 0, stdout: "hi\n" } },
});

const bun = (which: string, url = "") =>
  told([process.execPath, `${here}/talk.ts`, clients, which, url, program, ...SERVER]);

test("over stdio, with a handshake and without, in TypeScript and Python", async () => {
  const { version: _, ...unversioned } = expected(undefined);
  expect(await bun("sdk")).toMatchObject(unversioned);
  expect(await bun("client:legacy")).toMatchObject(expected("2025-11-25"));
  expect(await bun("client:auto")).toMatchObject(expected("2026-07-28"));
  const python = ["/usr/bin/python3", `${here}/talk.py`, program, ...SERVER];
  expect(await told(python, { PYTHONPATH: pythonClient })).toMatchObject(expected("2026-07-28"));
});

test("over HTTP, in both generations", async () => {
  const child = home.start([...SERVER, "--http", "127.0.0.1:0"]);
  const said = new Talking({ ...child, stdout: child.stderr } as never);
  const url = /listening on (\S+)/.exec(await said.line())?.[1] as string;
  expect(await bun("sdk", url)).toMatchObject({ tools: 9, bad: { isError: true } });
  expect(await bun("client:auto", url)).toMatchObject(expected("2026-07-28"));
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});
