import { describe, expect } from "bun:test";
import { testImages } from "./support/images.ts";
import { inputOf, until } from "./support/process.ts";
import { slowness } from "./support/program.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** How a run ends, and with which exit code. */

const home = useHome();
const images = await testImages();

describe("the exit code", () => {
  /** So little memory that it is soon used up. */
  const tiny = ["machine", "run", "-q", "--cpus", "1", "--mem", "192", "--"];

  onBoth("is the workload's", async () => {
    expect(await home.run(["sh", "-c", "exit 42"])).toMatchObject({ output: "", stderr: "", exitCode: 42 });
  });

  onBoth("is 128 and the number of the signal that ended the command", async () => {
    const main = await home.startScript("read line", { options: ["-i", "--name", "box"], stdin: "pipe" });
    for (const [signal, exitCode] of [
      ["KILL", 137],
      ["TERM", 143],
      ["SEGV", 139],
    ] as const) {
      const words = ["machine", "exec", "--name", "box", "--", "sh", "-c", `kill -${signal} $$; sleep 5`];
      expect(await home.smolvm(words)).toMatchObject({ output: "", stderr: "", exitCode });
    }
    inputOf(main.child).end();
    await main.child.exited;
  });

  onBoth(
    "is 137 when the kernel killed the workload for lack of memory, with one line that says so",
    async () => {
      const result = await home.smolvm([...tiny, "tail", "/dev/zero"]);
      expect(result).toMatchObject({ output: "", exitCode: 137 });
      expect(result.stderr).toMatch(/^note: the machine ran out of memory, .* 192 MiB, .*--mem.*\n$/);
    },
  );

  onQemu(
    "is the workload's own when only a child of it was killed, and the line comes all the same",
    async () => {
      const script = "for i in 1 2; do tail /dev/zero; echo $?; done; exit 4";
      const result = await home.run(["sh", "-c", script]);
      expect(result).toMatchObject({ output: "137\n137\n", exitCode: 4 });
      expect(result.stderr.match(/^note: the machine ran out of memory/gm)).toHaveLength(1);
    },
  );

  onQemu("is 255 for a workload's 255", async () => {
    expect(await home.run(["sh", "-c", "exit 255"])).toMatchObject({ exitCode: 255 });
  });

  onBoth("is 124 after --timeout", async () => {
    const result = await home.run(["sleep", "1000"], { options: ["--timeout", "2s"] });
    expect(result).toMatchObject({ output: "", exitCode: 124 });
    expect(result.stderr).toContain("longer than 2 s");
  });
});

describe("the machine's first process", () => {
  const busybox = ["--image", images.archive, "--entrypoint", "", "-u", "0"];

  onQemu("is the workload, and as in a container its own signals do not end it", async () => {
    const result = await home.run(["sh", "-c", "kill -TERM $$; kill -KILL $$; echo $$"]);
    expect(result).toMatchObject({ output: "1\n", stderr: "", exitCode: 0 });
  });

  onBoth("may power the machine off: exit code 0", async () => {
    const result = await home.run(["poweroff", "-f"], { options: busybox });
    expect(result).toMatchObject({ output: "", stderr: "note: the machine powered off\n", exitCode: 0 });
  });

  onQemu("and what it started may restart it, which is the end of an ephemeral machine", async () => {
    const result = await home.run(["sh", "-c", "reboot -f & wait; sleep 100"], { options: busybox });
    expect(result).toMatchObject({
      output: "",
      stderr: "note: the machine asked for a restart, and ended\n",
      exitCode: 0,
    });
  });
});

describe("a signal to the command line", () => {
  for (const [signal, exitCode] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    onBoth(`${signal} ends a workload that does nothing about it`, async () => {
      const { child } = await home.startScript("sleep 1000");
      const start = performance.now();
      child.kill(signal);
      expect(await child.exited).toBe(exitCode);
      expect(performance.now() - start).toBeLessThan(8000 * slowness);
    });
  }

  onQemu("reaches the workload, which may end in its own way", async () => {
    const workload = await home.startScript(
      "trap 'echo caught; exit 3' TERM; echo trapped; while :; do sleep 0.1; done",
    );
    expect(await workload.line()).toBe("trapped");
    workload.child.kill("SIGTERM");
    expect(await workload.rest()).toBe("caught\n");
    expect(await workload.child.exited).toBe(3);
  });

  onQemu("that the workload ignores ends it all the same", async () => {
    const workload = await home.startScript(
      "trap '' INT TERM HUP; echo trapped; while :; do sleep 0.1; done",
    );
    const { child } = workload;
    await workload.line();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(143);
  });

  onQemu("given twice does not wait", async () => {
    const workload = await home.startScript(
      "trap 'echo caught' INT; echo trapped; while :; do sleep 0.1; done",
    );
    const { child } = workload;
    await workload.line();
    const start = performance.now();
    child.kill("SIGINT");
    expect(await workload.line()).toBe("caught");
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    expect(performance.now() - start).toBeLessThan(1900);
  });

  onQemu("while the machine starts ends it", async () => {
    for (const delay of [5, 50, 150, 400, 900]) {
      const child = home.startRun(["sleep", "1000"]);
      await Bun.sleep(delay);
      child.kill("SIGINT");
      await child.exited;
      // Before the program has set up anything, the signal itself ends it.
      expect([child.exitCode, child.signalCode]).toEqual(
        child.exitCode === null ? [null, "SIGINT"] : [130, null],
      );
      await home.expectNothingLeft();
    }
  });
});

describe("a machine that ends by itself", () => {
  onQemu("is reported when its VM is killed", async () => {
    const { child } = await home.startScript("sleep 1000");
    const [vmm] = await until("the VMM", () => vmmProcesses());
    process.kill(vmm as number, "SIGKILL");
    const stderr = await new Response(child.stderr).text();
    expect({ code: await child.exited, stderr }).toEqual({
      code: 125,
      stderr: expect.stringContaining("the machine ended unexpectedly"),
    });
  });
});

/** QEMU, or the process that became it. */
function vmmProcesses(): number[] | undefined {
  const found = home.processes().filter(({ command }) => /qemu-system|\/krun /.test(command));
  return found.length > 0 ? found.map(({ pid }) => pid) : undefined;
}
