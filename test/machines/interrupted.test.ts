import { describe, expect } from "bun:test";
import { useMachines } from "../support/machines.ts";
import { Talking, until } from "../support/process.ts";
import { onQemu } from "../support/register.ts";

/** Starts that somebody ends, and machines that answer nobody. */

const home = useMachines();

/** A start that has come as far as an init command that never ends. */
async function startWithoutEnd(): Promise<Talking> {
  const starting = new Talking(home.start(["machine", "start", "slow"]));
  expect(await starting.line()).toBe("in init");
  return starting;
}

const expectStopped = async () => {
  await until("the end of its processes", () => home.roles("__machine").length === 0);
  expect(await home.state("slow")).toMatchObject({ state: "stopped", pid: null, vmm_pid: null });
};

describe("a machine that is starting", () => {
  onQemu("is stopped by stop, and its start says so", async () => {
    await home.create("slow", "--init", "echo in init; exec sleep 1000");
    const starting = await startWithoutEnd();
    expect(await home.state("slow")).toMatchObject({ state: "starting" });
    const waiting = home.machine(["exec", "--name", "slow", "--", "true"]);
    expect(await home.ok("stop", "slow")).toEndWith("Stopped machine: slow\n");
    expect(await starting.child.exited).toBe(1);
    expect(await new Response(starting.child.stderr).text()).toContain("was stopped while it was starting");
    expect(await waiting).toMatchObject({ exitCode: 125 });
    await expectStopped();
  });

  onQemu("ends with its start: by Ctrl-C, and by kill -9", async () => {
    for (const [signal, exitCode] of [
      ["SIGINT", 130],
      ["SIGKILL", 137],
    ] as const) {
      const { child } = await startWithoutEnd();
      child.kill(signal);
      expect(await child.exited).toBe(exitCode);
      await expectStopped();
    }
  });

  onQemu("is deleted with -f, and nothing of it is left", async () => {
    const starting = await startWithoutEnd();
    await home.ok("delete", "-f", "slow");
    expect(await starting.child.exited).toBe(1);
    expect(await home.names()).toEqual([]);
    await home.expectNothingLeft();
  });

  onQemu("is started once by two commands at once", async () => {
    await home.create("box");
    const outputs = await Promise.all([1, 2].map(() => home.ok("start", "box")));
    expect(outputs.filter((output) => output.startsWith("Started machine: box\n"))).toHaveLength(1);
    expect(outputs.filter((output) => output.includes("already running"))).toHaveLength(1);
    expect(home.roles("__machine")).toHaveLength(1);
  });
});

describe("a machine that does not answer", () => {
  onQemu("is shown as unreachable, with its process, and ended by stop -f", async () => {
    const { pid } = await home.state("box");
    process.kill(pid as number, "SIGSTOP");
    expect(await home.state("box")).toMatchObject({ state: "unreachable", pid });
    await home.ok("stop", "-f", "box");
    expect(home.processes()).toEqual([]);
    expect(await home.state("box")).toMatchObject({ state: "stopped", pid: null });
    await home.ok("start", "box");
    expect(await home.sh("box", "echo works")).toBe("works\n");
  });

  onQemu("because its guest hangs is told apart, and answers again when that goes on", async () => {
    const { vmm_pid } = await home.state("box");
    process.kill(vmm_pid as number, "SIGSTOP");
    const hanging = await home.state("box");
    expect(hanging).toMatchObject({ state: "unreachable", vmm_pid });
    expect(hanging.state_reason).toContain("agent");
    process.kill(vmm_pid as number, "SIGCONT");
    await until("its answer", async () => (await home.state("box")).state === "running");
    await home.ok("delete", "-f", "box");
  });
});
