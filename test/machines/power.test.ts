import { expect } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { resolvePaths } from "../../src/config/paths.ts";
import { e2fs, isClean } from "../../src/machine/disks/disks.fixture.ts";
import { readState } from "../../src/machine/store/index.ts";
import { useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { onBoth, onQemu } from "../support/register.ts";

/** Power cuts of a machine's VM: soak/ has many more of them. */

const machines = useMachines();
const disks = (name: string) =>
  ["overlay", "storage"].map((disk) => `${machines.directoryOf(name)}/data/${disk}.ext4`);

onBoth(
  "what was flushed before a power cut is there at the next start, which says that there was one",
  async () => {
    await machines.create("cut");
    await machines.ok("start", "cut");
    for (const round of [1, 2, 3]) {
      const write = ["/root", "/storage"].map(
        (place) => `echo ${round} >> ${place}/kept; sync ${place}/kept`,
      );
      await machines.sh("cut", [...write, "echo unflushed > /root/lost-or-not"].join("; "));
      await machines.powerCut("cut");
      // Its process may still be ending: no reason not to start it.
      const { exitCode, output, stderr } = await machines.machine(["start", "cut"]);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 0,
        stderr: expect.stringContaining("note: the machine did not end in order the last time"),
      });
      expect(output).toContain("Started machine: cut\n");
      const lines = Array.from({ length: round }, (_, at) => `${at + 1}\n`).join("");
      expect(await machines.sh("cut", "cat /root/kept /storage/kept")).toBe(`${lines}${lines}`);
    }
    await machines.ok("stop", "cut");
    expect(disks("cut").map(isClean)).toEqual([true, true]);
  },
  120,
);

onQemu("a flush of the guest's is one on the host, on the disk that it is for", async () => {
  await machines.create("flush");
  await machines.ok("start", "flush");
  const vmm = readState(resolvePaths(machines.env), "flush")?.vmmPid;
  const log = `${machines.path}/tmp/flushes`;
  const words = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", log, "-p", `${vmm}`];
  const strace = Bun.spawn(words, { stderr: "pipe" });
  // It says so when it is attached.
  const said = strace.stderr[Symbol.asyncIterator]();
  expect(`${Buffer.from((await said.next()).value ?? "")}`).toContain("attached");
  const flushes = (disk: string) => readFileSync(log, "utf8").split(`/${disk}.ext4>`).length - 1;
  for (const [disk, place] of [
    ["overlay", "/root"],
    ["storage", "/storage"],
  ] as const) {
    const before = flushes(disk);
    await machines.sh("flush", `echo data > ${place}/file; sync ${place}/file`);
    // strace writes its log a moment later.
    await until(`a flush of ${disk}.ext4`, () => flushes(disk) > before);
  }
  strace.kill("SIGTERM");
  await strace.exited;
  rmSync(log);
});

onQemu("a damaged disk is repaired at the start, which says so, and keeps what is on it", async () => {
  await machines.create("damaged");
  await machines.ok("start", "damaged");
  await machines.sh(
    "damaged",
    "echo kept > /root/kept; mkdir /root/many; cd /root/many; touch $(seq 100); sync",
  );
  await machines.ok("stop", "damaged");
  const [overlay = ""] = disks("damaged");
  // As after an error that the guest's kernel has seen.
  expect(e2fs("debugfs", "-w", "-R", "set_super_value state 2", overlay).exitCode).toBe(0);
  const { exitCode, stderr } = await machines.machine(["start", "damaged"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringContaining("has been repaired") });
  expect(await machines.sh("damaged", "cat /root/kept; ls /root/many | wc -l")).toBe("kept\n100\n");
  await machines.ok("stop", "damaged");
  expect(isClean(overlay)).toBe(true);
});
