import { describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { SMALL, useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { onQemu } from "../support/register.ts";

/** Machines that a file describes. */

const home = useMachines();

function write(name: string, ...lines: string[]): string {
  const path = `${home.path}/${name}`;
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

const APP = [
  "cpus = 1",
  "memory = 256",
  'entrypoint = ["sh", "-c"]',
  `cmd = ["echo app: $GREETING, $LITERAL, $PWD; exec sleep 1000"]`,
  `env = ["GREETING=hello world", "LITERAL='\\"$HOME\\"'", "OVER=file"]`,
  'workdir = "/srv"',
  'init = ["echo init: $GREETING in $PWD; echo start >> /root/starts"]',
  'init_once = ["echo once; echo begun >> /root/once"]',
  "stop_timeout = 3",
  "[dev]",
  'env = ["DEV=yes"]',
  "[restart]",
  'policy = "on-failure"',
  "max_retries = 2",
];

describe("a machine from a Smolfile", () => {
  onQemu("is what the file says, and options win over it", async () => {
    const path = write("app.smolfile", ...APP);
    const created = await home.ok("create", "app", "-s", path, "--mem", "300", "-e", "OVER=option");
    expect(created).toContain("  Init commands: 2\n");
    const [inspected] = JSON.parse(await home.ok("inspect", "app"));
    expect(inspected).toMatchObject({
      ...{ cpus: 1, memory_mib: 300, entrypoint: ["sh", "-c"], workdir: "/srv" },
      ...{ restart_policy: "on-failure", restart_max_retries: 2, stop_timeout_secs: 3 },
    });
    expect(inspected.env).toEqual(
      expect.arrayContaining(["GREETING=hello world", `LITERAL='"$HOME"'`, "DEV=yes", "OVER=option"]),
    );
  });

  onQemu("runs init at each start, init_once at the first, then its command", async () => {
    const first = await home.machine(["start", "app"]);
    expect(first).toMatchObject({ exitCode: 0, stderr: "Running 2 init command(s)...\n" });
    expect(first.output).toStartWith("once\ninit: hello world in /srv\nStarted machine: app\n");
    await until("the workload's line", async () => await home.ok("logs", "app"));
    expect(await home.ok("logs", "app")).toBe(`app: hello world, '"$HOME"', /srv\n`);
    await home.ok("stop", "app");
    const second = await home.machine(["start", "app"]);
    expect(second.exitCode).toBe(0);
    expect(second.stderr).toContain("Init already completed, skipping 1 command(s)");
    expect(second.output).toStartWith("init: hello world in /srv\n");
    expect(await home.sh("app", "cat /root/once /root/starts; echo $DEV $OVER $PWD")).toBe(
      "begun\nstart\nstart\nyes option /srv\n",
    );
  });

  onQemu("whose init fails does not start, and shows what it said on both streams", async () => {
    const options = ["--init", "echo to stdout; echo to stderr >&2; exit 7", "--init", "echo never"];
    await home.create("broken", ...options);
    const failed = await home.machine(["start", "broken"]);
    expect(failed.exitCode).toBe(1);
    expect(failed.output).toContain("to stdout");
    expect(failed.stderr).toContain("init[0] failed (exit 7)");
    expect(failed.stderr).toContain("to stderr");
    expect(failed.output).not.toContain("never");
    expect(await home.state("broken")).toMatchObject({ state: "failed", pid: null, vmm_pid: null });
    expect(await home.ok("status", "broken")).toContain("init[0] failed (exit 7)");
    const refused = await home.refusal("start", "-q", "broken");
    expect(refused).toMatchObject({ exitCode: 1, code: "machine.init_failed" });
    expect(refused.message).toContain("to stderr");
    await home.deleteAll();
  });
});

describe("run -s", () => {
  onQemu("runs the file's command, or the words behind -- in its place", async () => {
    const path = write(
      "job.smolfile",
      "cpus = 1",
      "memory = 256",
      'entrypoint = ["echo", "entry"]',
      'cmd = ["word"]',
      'init = ["echo init >> /root/init"]',
      'env = ["A=1"]',
    );
    expect(await home.machine(["run", "-q", "-s", path])).toMatchObject({
      output: "entry word\n",
      exitCode: 0,
    });
    const words = ["--", "sh", "-c", "echo $A; cat /root/init"];
    expect(await home.machine(["run", "-q", "-s", path, ...words])).toMatchObject({
      ...{ output: "1\ninit\n", stderr: "", exitCode: 0 },
    });
  });

  onQemu("is needed: a Smolfile in the working directory decides nothing", async () => {
    write("Smolfile", 'cmd = ["echo", "from the file"]');
    expect(await home.machine(["run", ...SMALL])).toMatchObject({
      ...{ output: "", exitCode: 1, stderr: expect.stringContaining("no command specified") },
    });
  });
});

describe("smolfile check", () => {
  onQemu("says everything that is wrong, where, and what was meant", async () => {
    const path = write("wrong.smolfile", "cpus = 0", 'imag = "alpine"', "[restart]", 'policy = "sometimes"');
    const checked = await home.smolvm(["smolfile", "check", path]);
    expect(checked).toMatchObject({ exitCode: 1, output: "" });
    for (const text of ["wrong.smolfile:1:", "wrong.smolfile:2:", "wrong.smolfile:4:", "did you mean image?"])
      expect(checked.stderr).toContain(text);
    const first = await home.refusal("create", "wrong", "-s", path);
    expect(first.code).toMatch(/^smolfile\./);
    const good = write("good.smolfile", ...APP);
    expect(await home.smolvm(["smolfile", "check", good])).toMatchObject({
      ...{ exitCode: 0, stderr: "", output: `${good}: nothing is wrong\n` },
    });
    expect(await home.names()).toEqual([]);
  });
});
