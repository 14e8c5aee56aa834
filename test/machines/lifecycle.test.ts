import { describe, expect } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { checkedMachine, SMALL, useMachines } from "../support/machines.ts";
import { onQemu } from "../support/register.ts";

/** From create to delete: what each command does to a machine, says about it, and refuses. */

const home = useMachines();

/** Prints on both streams, and what it does with a request to end; then waits. */
const WORKLOAD = [
  "sh",
  "-c",
  "echo up as $WHO; echo trouble >&2; trap 'echo asked to end; exit 5' TERM; while :; do sleep 0.1; done",
];

describe("a machine that was created", () => {
  onQemu("is there, runs nothing, and the output says how to go on", async () => {
    const options = ["-l", "tier=front", "-l", "team=web", "-e", "WHO=me", "--init", "true"];
    const output = await home.create("box", ...options, "--", ...WORKLOAD);
    expect(output).toStartWith("Created machine: box\n");
    expect(output).toContain("  Init commands: 1\n");
    expect(output).toEndWith(
      "Use 'smolvm machine start --name box' to start the machine\n" +
        "Then use 'smolvm machine exec --name box -- <command>' to run commands\n",
    );
    expect(await home.ok("status", "box")).toStartWith("Machine 'box': created (not running)\n");
    expect(await home.state("box")).toMatchObject({
      ...{ name: "box", state: "created", ephemeral: false, pid: null, cpus: 1, memory_mib: 256 },
      ...{ image: null, cmd: WORKLOAD, labels: { tier: "front", team: "web" }, init: ["true"] },
    });
    expect(home.processes()).toEqual([]);
  });

  onQemu("is listed for people, for scripts, and as JSON", async () => {
    const lines = (await home.ok("ls")).split("\n");
    expect(lines[0]).toMatch(/^NAME +STATE +CPUS +MEMORY +MOUNTS +PORTS +STORAGE +OVERLAY$/);
    expect(lines.find((line) => line.startsWith("box "))?.split(/ +/)[1]).toBe("created");
    const verbose = await home.ok("list", "--verbose");
    for (const text of ["Env: WHO=me", "Init: true", "Label: tier=front"]) expect(verbose).toContain(text);
    const json = await home.ok("ls", "--json");
    expect(json).toStartWith('[\n  {\n    "name": "box",\n    "state": "created",\n');
    expect(JSON.parse(json).map(checkedMachine)).toEqual([await home.state("box")]);
  });

  onQemu("is found by its labels and its state", async () => {
    await home.create("other", "-l", "tier=back");
    const named = async (...filters: string[]) => await home.ok("ls", "-q", ...filters);
    expect(await named()).toBe("box\nother\n");
    expect(await named("--label", "tier=back")).toBe("other\n");
    expect(await named("--filter", "label=tier=front", "--label", "team")).toBe("box\n");
    expect(await named("--filter", "state=running")).toBe("");
    expect(await named("--filter", "state=created", "--filter", "state=running")).toBe("box\nother\n");
  });

  onQemu("without a name is called vm- and eight digits", async () => {
    const [, name = ""] =
      (await home.ok("create", ...SMALL)).match(/^Created machine: (vm-[0-9a-f]{8})\n/) ?? [];
    expect(await home.names()).toContain(name);
    await home.ok("delete", "-f", name);
  });

  onQemu("may be asked for again, and only with the same settings", async () => {
    const same = ["create", "other", ...SMALL, "-l", "tier=back"];
    const another = ["create", "other", "--cpus", "2", "--mem", "256", "-l", "tier=back", "-e", "A=1"];
    expect(await home.refusal(...same)).toMatchObject({ exitCode: 1, code: "machine.exists" });
    expect(await home.ok(...same, "--if-not-exists")).toContain("Machine 'other' exists");
    const differs = await home.refusal(...another, "--if-not-exists");
    expect(differs).toMatchObject({ exitCode: 1, code: "machine.differs" });
    expect(differs.message).toContain("cpus (1, not 2)");
    expect(differs.message).toContain("env");
    expect(await home.state("other")).toMatchObject({ cpus: 1 });
  });

  onQemu("has a directory, and one that does not exist has a place for it", async () => {
    const path = (await home.ok("data-dir", "box")).trim();
    expect(path).toStartWith(`${home.path}/data/`);
    const absent = (await home.ok("data-dir", "--name", "absent")).trim();
    expect(absent).toStartWith(`${home.path}/data/`);
    expect(existsSync(absent)).toBe(false);
    expect(absent).not.toBe(path);
  });

  onQemu("can be changed, and grow, and never shrink", async () => {
    const updated = await home.ok("update", "box", "--mem", "300M", "-e", "MORE=1", "--remove-label", "team");
    expect(updated).toStartWith("Updated machine 'box':\n");
    for (const text of ["memory", "env", "labels"]) expect(updated).toContain(text);
    expect(await home.state("box")).toMatchObject({ memory_mib: 300, labels: { tier: "front" } });
    expect(await home.ok("update", "box", "--cpus", "1")).toContain("No changes");
    const resized = await home.machine(["resize", "--name", "box", "--storage", "21", "--overlay", "11"]);
    expect(resized.stderr).toBe("Resizing machine 'box'...\n");
    for (const text of ["  storage: 20 GiB → 21 GiB", "  overlay: 10 GiB → 11 GiB", "resized successfully"])
      expect(resized.output).toContain(text);
    expect(await home.ok("resize", "box", "--storage", "21")).toBe("No disk changes needed.\n");
    const refused = await home.refusal("resize", "box", "--storage", "2");
    expect(refused).toMatchObject({ exitCode: 1, code: "machine.disk_shrink" });
    expect(refused.message).toContain("storage disk cannot be shrunk from 21 GiB to 2 GiB");
    const inspected = JSON.parse(await home.ok("inspect", "box"));
    expect(inspected).toMatchObject([{ name: "box", env: ["WHO=me", "MORE=1"], storage_gb: 21 }]);
  });

  onQemu("may be waited for by those who give up in time", async () => {
    const waited = await home.refusal("wait", "--until", "running", "--timeout", "200ms", "box");
    expect(waited).toMatchObject({ exitCode: 124, code: "machine.wait_timeout" });
  });
});

describe("what is refused", () => {
  onQemu("leaves nothing behind", async () => {
    const before = await home.ok("ls", "--json");
    for (const [words, code] of [
      [["--cpus", "0"], "cli.bad_value"],
      [["--mem", "1"], "cli.bad_value"],
      [["--storage", "0"], "cli.bad_value"],
      [["--restart", "sometimes"], "cli.bad_value"],
      [["-n", "x--y"], "machine.bad_name"],
      [["-n", "n".repeat(200)], "machine.bad_name"],
      [["-s", "./absent.smolfile"], "smolfile.not_found"],
    ] as const)
      expect([words, (await home.refusal("create", ...words)).code]).toEqual([words, code]);
    const long = await home.refusal("create", "n".repeat(200));
    expect(long.message).toContain("too long");
    expect((await home.refusal("create", "--mem", "1")).message).toContain("at least");
    expect(await home.ok("ls", "--json")).toBe(before);
  });

  onQemu("is every command about a machine that is not there, with the same code", async () => {
    const commands = [
      "start",
      "stop",
      "delete",
      "status",
      "inspect",
      "ps",
      "logs",
      "wait",
      "monitor",
      "update",
    ];
    for (const command of [...commands, "stats", "enable", "kill"]) {
      const refused = await home.refusal(command, "--name", "absent");
      expect([command, refused]).toEqual([
        command,
        expect.objectContaining({ exitCode: 1, code: "machine.not_found" }),
      ]);
      expect(refused.message).toContain("not found");
    }
    expect(await home.refusal("clone", "absent", "new")).toMatchObject({ code: "machine.not_found" });
    for (const words of [
      ["exec", "-n", "absent", "--", "true"],
      ["shell", "absent"],
      ["attach", "absent"],
    ])
      expect(await home.refusal(...words)).toMatchObject({ exitCode: 125, code: "machine.not_found" });
    expect(await home.names()).toEqual(["box", "other"]);
  });

  onQemu("is a command for a machine that does not run, with a hint to start it", async () => {
    for (const words of [
      ["ps", "other"],
      ["kill", "other"],
      ["exec", "-n", "other", "--", "true"],
    ]) {
      const refused = await home.refusal(...words);
      expect(refused).toMatchObject({ code: "machine.not_running" });
      expect(refused.hint).toContain("smolvm machine start --name other");
    }
  });
});

describe("a machine that runs", () => {
  onQemu("was started by one command, which ends when the machine can be used", async () => {
    const started = await home.machine(["start", "box"]);
    expect(started).toMatchObject({ exitCode: 0, stderr: "Running 1 init command(s)...\n" });
    expect(started.output).toMatch(/^Started machine: box\nMachine 'box' running \(PID: \d+\)\n$/);
    const state = await home.state("box");
    expect(state).toMatchObject({ state: "running", memory_mib: 300, workload: { running: true } });
    expect(home.roles("__machine")).toEqual([state.pid as number]);
    expect(state.memory_used_mib).toBeGreaterThan(20);
    expect(await home.ok("status", "box")).toStartWith(`Machine 'box': running (PID: ${state.pid})\n`);
    expect(await home.ok("ls", "-q", "--filter", "state=running")).toBe("box\n");
  });

  onQemu("is started once, however often it is asked for", async () => {
    const { pid } = await home.state("box");
    expect(await home.ok("start", "--name", "box")).toBe(`Machine 'box' already running (PID: ${pid})\n`);
    expect(JSON.parse(await home.ok("start", "--json", "box"))).toMatchObject({ pid, state: "running" });
  });

  onQemu("is named by a word, by --name, by -n or by the environment", async () => {
    const env = { SMOLVM_MACHINE_NAME: "box" };
    for (const words of [
      ["exec", "box", "--", "echo", "here"],
      ["exec", "--name", "box", "--", "echo", "here"],
      ["exec", "-e", "A=b", "-n", "box", "echo", "here"],
      ["exec", "--", "echo", "here"],
    ])
      expect(await home.machine(words, { env })).toMatchObject({ exitCode: 0, output: "here\n", stderr: "" });
    const two = await home.refusal("status", "box", "--name", "other");
    expect(two).toMatchObject({ exitCode: 2, code: "cli.two_names" });
  });

  onQemu("is not changed, copied or deleted by mistake", async () => {
    const before = await home.state("box");
    for (const words of [
      ["update", "box", "--cpus", "2"],
      ["resize", "box", "--storage", "30"],
      ["clone", "box", "copy"],
    ])
      expect(await home.refusal(...words)).toMatchObject({ exitCode: 1, code: "machine.running" });
    const kept = await home.machine(["delete", "box"], { stdin: Buffer.from("n\n") });
    expect(kept).toMatchObject({ exitCode: 0, output: "Cancelled\n" });
    expect(kept.stderr).toContain("Delete machine 'box'? [y/N]");
    expect(await home.refusal("delete", "box")).toMatchObject({ exitCode: 1, code: "cli.no_answer" });
    const { pid, cpus, storage_gb } = await home.state("box");
    expect({ pid, cpus, storage_gb }).toEqual({ pid: before.pid, cpus: 1, storage_gb: 21 });
  });

  onQemu("shows what it uses", async () => {
    const [line = ""] = (await home.ok("stats", "--no-stream", "--json", "box")).split("\n");
    const figures = JSON.parse(line);
    expect(figures).toMatchObject({ name: "box" });
    expect(figures.memory_bytes).toBeGreaterThan(1 << 20);
    expect(figures.storage_disk.bytes).toBeGreaterThan(20 * 2 ** 30);
    expect(figures.root_disk.bytes).toBeGreaterThan(10 * 2 ** 30);
    expect(await home.ok("stats", "--no-stream")).toMatch(/^NAME .*\n-+\nbox /);
  });

  onQemu("ends its workload in order when it is stopped, and its log shows it", async () => {
    const stopped = await home.machine(["stop", "box"]);
    expect(stopped).toMatchObject({ exitCode: 0, stderr: "" });
    expect(stopped.output).toBe("Stopping machine 'box'...\nStopped machine: box\n");
    expect(home.processes()).toEqual([]);
    expect(await home.state("box")).toMatchObject({
      ...{ state: "stopped", pid: null, memory_used_mib: null },
      workload: { running: false, exit_code: 5, signal: null },
    });
    expect(await home.ok("status", "box")).toContain("ended with exit code 5");
    const { output, stderr } = await home.machine(["logs", "box"]);
    expect(output).toBe("up as me\nasked to end\n");
    expect(stderr).toStartWith("trouble\n");
    expect(await home.ok("wait", "box")).toBe("5\n");
    expect(await home.ok("stop", "-n", "box")).toBe("Machine 'box' is not running (state: stopped)\n");
  });

  onQemu("can be deleted as it runs, and leaves nothing", async () => {
    await home.ok("start", "box");
    const path = (await home.ok("data-dir", "box")).trim();
    expect(existsSync(path)).toBe(true);
    const deleted = await home.ok("rm", "-f", "box", "other");
    expect(deleted).toContain("Cleaning up data directory for vm: box\nDeleted machine: box\n");
    expect(await home.ok("ls")).toBe("No machines found\n");
    expect(await home.ok("ls", "--json")).toBe("[]\n");
    await home.expectNothingLeft();
  });
});

describe("the nameless machine", () => {
  onQemu("is made by its first start, and is meant where none is named", async () => {
    expect(await home.ok("status")).toBe("Machine 'default': not running\n");
    expect(await home.ok("stop")).toBe("Machine 'default' is not running\n");
    await home.create("default");
    expect(await home.ok("start")).toContain("Machine 'default' running");
    // It has nothing to run, and waits for what it is given.
    expect(await home.state("default")).toMatchObject({ state: "running", workload: null });
    expect(await home.ok("exec", "--", "cat", "/etc/hostname")).toBe("default\n");
    expect(await home.ok("stop")).toEndWith("Machine 'default' stopped\n");
    expect(await home.refusal("delete")).toMatchObject({ exitCode: 2, code: "cli.missing_word" });
    expect(await home.ok("delete", "--force", "default")).toContain("Deleted machine: default");
  });
});

describe("run -d", () => {
  const run = (...words: string[]) => home.machine(["run", "-d", ...SMALL, ...words]);

  onQemu("makes a machine that stays, and runs its command again at each start", async () => {
    const first = await run("--", "sh", "-c", "echo run >>/root/runs");
    expect(first).toMatchObject({ exitCode: 0, stderr: "" });
    expect(first.output).toMatch(/^Machine running \(PID: \d+\)\n/);
    expect(first.output).toContain("smolvm machine exec --name default -- <command>");
    // The command is over, the machine is not.
    expect(await home.ok("wait", "default", "--timeout", "30s")).toBe("0\n");
    expect(await home.sh("default", "cat /root/runs")).toBe("run\n");
    expect(await run("--", "true")).toMatchObject({ exitCode: 125, output: "" });
    await home.ok("stop", "default");
    await home.ok("start", "default");
    expect(await home.ok("wait", "default", "--timeout", "30s")).toBe("0\n");
    expect(await home.sh("default", "cat /root/runs")).toBe("run\nrun\n");
    await home.ok("delete", "-f", "default");
  });

  onQemu("keeps nothing of a machine that cannot be started", async () => {
    const failed = await run("--name", "job", "--", "/no/such/program");
    expect(failed).toMatchObject({ exitCode: 127, output: "" });
    writeFileSync(`${home.path}/bad.smolfile`, 'init = ["exit 7"]\n');
    const init = await run("--name", "job", "-s", "./bad.smolfile", "--", "true");
    expect(init.stderr).toContain("init[0] failed (exit 7)");
    expect(init.exitCode).toBe(125);
    expect(await home.names()).toEqual([]);
  });
});
