import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { imageWith } from "../support/images.ts";
import { useMachines } from "../support/machines.ts";
import { collect, Talking } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";
import { installedExample } from "./examples.fixture.ts";

/** `examples/sdk`, as the first lines of each say that it is used, with the package as npm installs it. */

const LIMIT_MS = 120_000 * slowness;
setDefaultTimeout(LIMIT_MS);

const home = useMachines();
let examples: string;
beforeAll(async () => {
  examples = await installedExample("sdk", `${home.path}/examples`);
});

const start = (name: string, ...words: string[]) =>
  Bun.spawn([process.execPath, `${examples}/${name}.ts`, ...words], {
    env: { ...home.env, SMOLVM_BIN: program },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });

function project(): string {
  const folder = `${home.path}/project`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/greeting`, "hello\n");
  return folder;
}

const noMachineIsLeft = async () => expect((await home.machine(["ls", "-q"])).output).toBe("");

test("an agent's command changes its copy of the project, and nothing else", async () => {
  const command = "sed -i s/hello/goodbye/ greeting; cat greeting; rm -rf /etc; ls /no-such-file; exit 3";
  const result = `${home.path}/result`;
  const ended = await collect(start("sandbox", project(), result, command), "sandbox.ts", LIMIT_MS);
  expect(ended).toMatchObject({ exitCode: 3, stderr: "" });
  expect(ended.output).toStartWith("goodbye\n");
  expect(ended.output).toContain("/no-such-file");
  expect(readFileSync(`${project()}/greeting`, "utf8")).toBe("hello\n");
  expect(readFileSync(`${result}/greeting`, "utf8")).toBe("goodbye\n");
  expect(existsSync("/etc/passwd")).toBe(true);
  await noMachineIsLeft();
});

test("jobs run side by side, each with a copy of its own; one that fails or takes too long fails alone", async () => {
  const jobs = `${home.path}/jobs.json`;
  const description = {
    good: { steps: ["cat greeting", "echo changed > greeting"] },
    bad: { steps: ["cat greeting; exit 4", "echo never"] },
    slow: { steps: ["sleep 1000"], timeoutMs: 10_000 },
  };
  writeFileSync(jobs, JSON.stringify(description));
  const { exitCode, output } = await collect(start("jobs", jobs, project()), "jobs.ts", LIMIT_MS);
  const lines = output.trim().split("\n");
  const of = (name: string) => lines.filter((line) => line.startsWith(`${name} | `));
  expect(of("good")).toEqual(["good | $ cat greeting", "good | hello", "good | $ echo changed > greeting"]);
  expect(of("bad")).toEqual(["bad | $ cat greeting; exit 4", "bad | hello", "bad | exit code 4"]);
  expect(of("slow").at(-1)).toContain("timed out");
  expect([lines.slice(-2), exitCode]).toEqual([["bad: failed", "slow: failed"], 1]);
  expect(readFileSync(`${project()}/greeting`, "utf8")).toBe("hello\n");
  await noMachineIsLeft();
});

test("a service answers behind a port of the loopback, until its program is interrupted", async () => {
  const serve = "echo hello from a machine > /tmp/index.html; exec httpd -f -p 80 -h /tmp";
  const service = start("service", await imageWith({}), "80", "sh", "-c", serve);
  const url = await new Talking(service as never).line();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/?$/);
  expect(await (await fetch(url as string)).text()).toBe("hello from a machine\n");
  service.kill("SIGINT");
  expect(await service.exited).toBe(0);
  await noMachineIsLeft();
});
