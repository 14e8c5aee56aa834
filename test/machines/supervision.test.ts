import { describe, expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { useMachines } from "../support/machines.ts";
import { Talking, until } from "../support/process.ts";
import { onQemu } from "../support/register.ts";

/** Machines that look after themselves: restarts, health, their own end, and who watches them. */

const home = useMachines();

/** Threads of a process that may make any system call. */
const unfiltered = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/task`).filter((task) =>
    /^Seccomp:\s+0$/m.test(readFileSync(`/proc/${pid}/task/${task}/status`, "utf8")),
  );

describe("a workload", () => {
  onQemu("that fails is started again until it does not, as on-failure says", async () => {
    const script = "echo x >>/root/runs; [ $(wc -l </root/runs) -ge 3 ] && exit 0; exit 3";
    await home.create("job", "--restart", "on-failure:5", "--", "sh", "-c", script);
    await home.ok("start", "job");
    expect(await home.ok("wait", "--timeout", "40s", "job")).toBe("0\n");
    expect(await home.state("job")).toMatchObject({
      ...{ state: "running", restart_policy: "on-failure", restart_count: 2 },
      workload: { running: false, exit_code: 0 },
    });
    expect(await home.ok("status", "job")).toContain("restarts: 2");
    expect(await home.sh("job", "cat /root/runs")).toBe("x\nx\nx\n");
    await home.ok("delete", "-f", "job");
  });

  onQemu("that the kernel killed for lack of memory is told apart", async () => {
    await home.ok("create", "greedy", "--cpus", "1", "--mem", "96", "--", "tail", "/dev/zero");
    await home.ok("start", "greedy");
    expect(await home.ok("wait", "--timeout", "50s", "greedy")).toBe("137\n");
    expect(await home.state("greedy")).toMatchObject({ workload: { signal: 9, oom_killed: true } });
    expect(await home.ok("status", "greedy")).toContain("memory had run out");
    await home.ok("delete", "-f", "greedy");
  });
});

describe("a machine whose policy is always", () => {
  onQemu("is unhealthy, then healthy, as its check says; nobody is ended for that with never", async () => {
    const check = [
      "--health-cmd",
      "test -e /tmp/well || { echo not yet; false; }",
      "--health-interval",
      "300ms",
    ];
    await home.create("box", ...check, "--health-retries", "2", "--", "sh", "-c", "echo up; exec sleep 1000");
    await home.ok("start", "box");
    const state = await until("the failures", async () => {
      const state = await home.state("box");
      return state.health?.status === "unhealthy" ? state : undefined;
    });
    expect(state).toMatchObject({ state: "running", restart_count: 0, workload: { running: true } });
    expect(state.health).toMatchObject({ failures: 2, output: "not yet\n" });
    expect(await home.ok("status", "box")).toContain("health: unhealthy, 2 failures in a row: not yet");
    await home.sh("box", "touch /tmp/well");
    await home.ok("wait", "--until", "healthy", "--timeout", "30s", "box");
    expect(await home.ok("status", "box")).toContain("health: healthy\n");
    await home.ok("stop", "box");
  });

  onQemu("starts again when its VM is lost, with its files, and says so", async () => {
    await home.ok("update", "box", "--restart", "always", "--health-cmd", "none");
    await home.ok("start", "box");
    const monitor = new Talking(home.start(["machine", "monitor", "--interval", "1", "box"]));
    expect(await monitor.line()).toBe("Monitoring machine 'box' (policy: always, interval: 1s)");
    await home.sh("box", "echo kept >/root/kept; sync");
    const { pid, vmm_pid } = await home.state("box");
    process.kill(vmm_pid as number, "SIGKILL");
    expect(await monitor.line()).toContain("SIGKILL");
    // A command waits until the machine is back.
    expect(await home.sh("box", "cat /root/kept")).toBe("kept\n");
    const again = await home.state("box");
    expect(again).toMatchObject({ state: "running", pid, restart_count: 1, workload: { running: true } });
    expect(again.vmm_pid).not.toBe(vmm_pid);
    // What it has started again it has not started itself: all its threads have their list.
    expect(unfiltered(pid as number)).toEqual([]);
    expect(await home.ok("status", "box")).toContain("restarts: 1");
    monitor.child.kill("SIGINT");
    expect(await monitor.rest()).toContain("start");
    expect(await monitor.child.exited).toBe(0);
    expect(await home.state("box")).toMatchObject({ state: "running", pid });
    await home.ok("stop", "box");
    expect(await home.state("box")).toMatchObject({ state: "stopped", restart_count: 1 });
  });
});

describe("monitor", () => {
  onQemu("starts the machine, and tells at once what happens to it", async () => {
    await home.ok("update", "box", "--restart", "never", "--", "sh", "-c", "read x </root/fifo; exit 3");
    await home.ok("start", "box");
    await home.sh("box", "mkfifo /root/fifo");
    await home.ok("stop", "box");
    const monitor = new Talking(home.start(["machine", "monitor", "box"]));
    expect(await monitor.line()).toBe("Monitoring machine 'box' (policy: never, interval: 5s)");
    expect(await monitor.line()).toBe("Started machine: box");
    await home.sh("box", "echo >/root/fifo");
    expect(await monitor.line()).toContain("the workload ended with exit code 3");
    monitor.child.kill("SIGKILL");
    await monitor.child.exited;
    expect(await home.state("box")).toMatchObject({ state: "running" });
    await home.ok("delete", "-f", "box");
  });
});

describe("a machine ends by itself", () => {
  onQemu("when its time is over, and says why", async () => {
    await home.create(
      "short",
      "--ttl",
      "4s",
      "--",
      "sh",
      "-c",
      "trap 'echo asked; exit 0' TERM; while :; do sleep 0.1; done",
    );
    await home.ok("start", "short");
    expect((await home.state("short")).ttl_at).toBeGreaterThan(Date.now() / 1000 - 10);
    await home.ok("wait", "--until", "stopped", "--timeout", "40s", "short");
    expect(await home.state("short")).toMatchObject({
      state: "stopped",
      ttl_at: null,
      workload: { exit_code: 0 },
    });
    expect(await home.ok("status", "short")).toContain("its time to live was over");
    expect(await home.ok("logs", "short")).toBe("asked\n");
    await until("the end of all processes", () => home.processes().length === 0);
    await home.ok("delete", "-f", "short");
  });

  onQemu("when nobody has used it, and is deleted if it is to be; a command keeps it", async () => {
    await home.create("idle", "--idle-timeout", "2s", "--on-timeout", "delete");
    await home.ok("start", "idle");
    // Longer than it may be idle.
    expect(await home.sh("idle", "sleep 4; echo used")).toBe("used\n");
    expect((await home.state("idle")).idle_at).toBeGreaterThan(Date.now() / 1000);
    await until("its end", async () => (await home.names()).length === 0);
    await home.expectNothingLeft();
  });
});
