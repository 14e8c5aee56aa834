import { describe, expect } from "bun:test";
import { until } from "./support/process.ts";
import { engine } from "./support/program.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** What smolvm says about machines, starts and hosts. */

const home = useHome();
const list = async () => JSON.parse((await home.smolvm(["machine", "ls", "--json"])).output);

describe("machine ls", () => {
  onBoth("shows what runs, while it runs", async () => {
    expect(await list()).toEqual([]);
    const { child } = await home.startScript("sleep 1000", {
      options: ["--name", "shown", "--storage", "3"],
    });
    const [machine] = await until("the machine's record", async () => {
      const machines = await list();
      return machines[0]?.state === "running" && machines;
    });
    expect(machine).toMatchObject({
      name: "shown",
      state: "running",
      cpus: 1,
      memory_mib: 512,
      storage_gb: 3,
      image: null,
      image_id: null,
      ephemeral: true,
      engine,
      pid: home.roles("__machine")[0],
    });
    expect(Math.abs(machine.created_at - Date.now() / 1000)).toBeLessThan(120);
    const table = await home.smolvm(["machine", "ls"]);
    expect(table.output).toMatch(/^NAME .*\n-+\nshown +running \(eph\) +1 +512 MiB/);
    child.kill("SIGTERM");
    await child.exited;
    expect(await list()).toEqual([]);
  });

  onQemu("has no side effect", async () => {
    expect(await home.smolvm(["machine", "ls"])).toMatchObject({
      output: "No machines found\n",
      stderr: "",
      exitCode: 0,
    });
  });
});

describe("--timings", () => {
  const spans = ["startup", "probe", "image", "spawn", "kernel", "agent", "first_output", "run", "teardown"];

  onBoth("prints every span of a start as JSON", async () => {
    const { output, stderr } = await home.run(["echo", "hi"], { options: ["--timings=json"] });
    expect(output).toBe("hi\n");
    const timings = JSON.parse(stderr);
    expect(Object.keys(timings)).toEqual([...spans, "total"]);
    const sum = spans.reduce((total, span) => total + timings[span], 0);
    expect(Math.abs(sum - timings.total)).toBeLessThan(1);
    console.log(`timings on ${engine}: ${stderr.trim()}`);
  });

  onQemu("prints them as text, and on stderr only", async () => {
    const { output, stderr } = await home.run(["echo", "hi"], { options: ["--timings"] });
    expect(output).toBe("hi\n");
    expect(stderr.match(/^[a-z ]+\d+\.\d ms$/gm)).toHaveLength(spans.length + 1);
  });
});

describe("doctor", () => {
  onBoth("says which engines work here, and why the others do not", async () => {
    const { output, exitCode } = await home.smolvm(["doctor", "--json"]);
    expect(exitCode).toBe(0);
    const report = JSON.parse(output);
    const verdicts: { name: string; works: boolean; reason: string; fix?: string }[] = report.engines;
    expect(verdicts.map((verdict) => verdict.name).sort()).toEqual(["krun", "qemu"]);
    expect(verdicts.find((verdict) => verdict.name === engine)).toMatchObject({ works: true });
    for (const { reason } of verdicts) expect(reason.length).toBeGreaterThan(5);
  });

  onQemu("prints the same for people", async () => {
    const { output, exitCode } = await home.smolvm(["doctor"]);
    expect(exitCode).toBe(0);
    expect(output).toContain("krun");
    expect(output).toContain("qemu");
  });
});

describe("the command line", () => {
  onQemu("says its version", async () => {
    const { output, exitCode } = await home.smolvm(["--version"]);
    expect({ output, exitCode }).toEqual({
      output: expect.stringMatching(/^smolvm \d+\.\d+\.\d+\n$/),
      exitCode: 0,
    });
  });

  for (const [what, words, error] of [
    ["an unknown command", ["machine", "dance"], "dance"],
    ["an unknown option", ["machine", "run", "--no-such-option", "--", "true"], "--no-such-option"],
    ["a bad value", ["machine", "run", "--cpus", "none", "--", "true"], "none"],
    ["a missing value", ["machine", "run", "--image"], "--image"],
  ] as const) {
    onQemu(`refuses ${what} with 2`, async () => {
      const result = await home.smolvm([...words]);
      expect(result).toMatchObject({ output: "", exitCode: 2 });
      expect(result.stderr).toContain(error);
    });
  }
});
