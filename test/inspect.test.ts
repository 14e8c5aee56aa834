import { describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
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

describe("a machine's name", () => {
  onQemu("may have 128 characters; the host name is its beginning", async () => {
    const name = `${"n".repeat(126)}-1`;
    const { child } = await home.startScript("sleep 1000", { options: ["--name", name] });
    expect((await list()).map((machine: { name: string }) => machine.name)).toEqual([name]);
    const { output } = await home.smolvm(["vm", "ls"]);
    expect(output.split("\n")[2]).toMatch(new RegExp(`^${name} running \\(eph\\) `));
    const exec = await home.smolvm(["machine", "exec", "--name", name, "--", "hostname"]);
    expect(exec).toMatchObject({ output: `${"n".repeat(63)}\n`, stderr: "", exitCode: 0 });
    child.kill("SIGTERM");
    await child.exited;
  });

  onQemu("that is longer is refused", async () => {
    const result = await home.run(["true"], { options: ["--name", "n".repeat(200)] });
    expect(result).toMatchObject({ output: "", exitCode: 2 });
    expect(result.stderr).toStartWith("error: the machine name is too long: 200 characters (max 128)\n");
  });
});

describe("what a run says about itself", () => {
  onQemu("is one line on stderr, before the workload's output", async () => {
    const result = await home.run(["echo", "out"], { quiet: false });
    expect(result.output).toBe("out\n");
    expect(result.stderr).toMatch(/^Starting ephemeral machine \(vm-[0-9a-f]{8}\)\.\.\.\n$/);
    const merged = await home.shell('"$SMOLVM" machine run --mem 512 --name box -- echo last 2>&1');
    expect(merged.output).toBe("Starting ephemeral machine (box)...\nlast\n");
  });

  onQemu("is nothing with -q, and nothing but JSON where JSON is asked for", async () => {
    for (const options of [["-q"], ["--progress", "none"], ["--progress", "json"]]) {
      const { stderr } = await home.run(["true"], { options, quiet: false });
      expect([options, stderr]).toEqual([options, ""]);
    }
    const { stderr } = await home.run(["true"], { options: ["--timings=json"], quiet: false });
    expect(JSON.parse(stderr).total).toBeGreaterThan(0);
  });

  onQemu("includes what was probably meant by a command that is an image", async () => {
    const result = await home.run(["alpine"]);
    expect(result).toMatchObject({ output: "", exitCode: 127 });
    expect(result.stderr).toContain(
      "hint: if alpine is meant as an image: smolvm machine run --image alpine -- ",
    );
  });
});

describe("licences", () => {
  onQemu("prints the texts of everything that is shipped, under both spellings", async () => {
    const [first, second] = await Promise.all([home.smolvm(["licences"]), home.smolvm(["licenses"])]);
    expect(first).toMatchObject({ stderr: "", exitCode: 0 });
    for (const part of ["Apache License", "GNU GENERAL PUBLIC LICENSE", "libkrun", "busybox"]) {
      expect(first.output).toContain(part);
    }
    expect(first.output.length).toBeGreaterThan(100_000);
    expect(second.output).toBe(first.output);
  });

  onQemu("may be left early by its reader", async () => {
    const result = await home.shell('"$SMOLVM" licences | head -n 1 | wc -l; echo "$PIPESTATUS"');
    expect(result).toMatchObject({ output: "1\n0\n", stderr: "" });
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
    expect(stderr).toMatch(/^confined by {2}\S.* \((auto|require)\)$/m);
  });

  onQemu("say how the VM was confined, as the settings want it where nothing else does", async () => {
    const SMOLVM_CONFIG = `${home.path}/confinement.toml`;
    writeFileSync(SMOLVM_CONFIG, '[confinement]\nmode = "off"\n');
    const line = async (env: Record<string, string>) =>
      (await home.run(["true"], { options: ["--timings"], env })).stderr.match(/^confined by.*$/m)?.[0];
    expect(await line({ SMOLVM_CONFIG, SMOLVM_CONFINE: "" })).toEndWith(
      "no layer; without landlock, seccomp, namespaces (off)",
    );
    expect(await line({ SMOLVM_CONFIG, SMOLVM_CONFINE: "auto" })).toEndWith("(auto)");
    const { stderr } = await home.run(["true"], { env: { SMOLVM_DEBUG: "1", SMOLVM_CONFINE: "auto" } });
    expect(stderr).toMatch(/^smolvm: the VM is confined by .*\(auto\)$/m);
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
