import { beforeAll, describe, expect } from "bun:test";
import { rmSync } from "node:fs";
import { apkPackage } from "../support/apk.ts";
import { useMachines } from "../support/machines.ts";
import { Talking, until } from "../support/process.ts";
import { inLab } from "../support/program.ts";
import { onQemu } from "../support/register.ts";

/** What is written to a machine's disks stays, whatever ends the machine. */

const home = useMachines();

/** Small disks: the judge reads them whole. */
const SIZES = ["--overlay", "1", "--storage", "1"] as const;

const PLACES = ["/", "/root/", "/tmp/", "/etc/", "/usr/local/bin/", "/storage/", "/workspace/"];

beforeAll(
  async () => {
    if (inLab) return;
    await home.create("box", ...SIZES);
    await home.ok("start", "box");
  },
  { timeout: 60_000 },
);

async function dataDirectory(name: string): Promise<string> {
  return (await home.ok("data-dir", name)).trim();
}

/** Both filesystems of a machine that does not run, judged by e2fsprogs. */
async function expectClean(name: string): Promise<void> {
  const path = await dataDirectory(name);
  for (const disk of ["overlay", "storage"]) {
    const { exitCode, stdout } = Bun.spawnSync(["e2fsck", "-f", "-n", `${path}/${disk}.ext4`]);
    expect(`${disk}: ${exitCode === 0 ? "clean" : stdout}`).toBe(`${disk}: clean`);
  }
}

/** Numbers that are written and synced one after the other to both disks, and printed as soon as they are. */
const COUNT = `
for d in /root /storage; do [ -e $d/count ] || : > $d/count; done
n=$(tail -n 1 /root/count); n=\${n:-0}
while :; do n=$((n+1))
  for d in /root /storage; do echo $n >> $d/count; fsync $d/count; done
  echo $n
done`;

/** Counts until a power cut: the last number that was known to be synced. */
async function countUntil(end: () => void): Promise<number> {
  const counting = new Talking(home.start(["machine", "exec", "--name", "box", "--", "sh", "-c", COUNT]));
  let last = 0;
  for (let lines = 0; lines < 20; lines++) last = Number(await counting.line());
  end();
  const rest = (await counting.rest()).split("\n").slice(0, -1);
  expect(await counting.child.exited).toBe(125);
  return Number(rest.at(-1) ?? last);
}

const counted = async () => await home.sh("box", "for d in /root /storage; do tail -n 1 $d/count; done");

describe("after a stop", () => {
  onQemu("files are there wherever they were written, and so are packages", async () => {
    for (const place of PLACES) await home.sh("box", `echo in ${place} > ${place}kept`);
    await home.sh("box", "ln -s kept /root/link; mkdir -p /storage/d; chown 12:34 /storage/d; rm /etc/motd");
    const add =
      "cat > /root/p.apk; apk add --allow-untrusted --no-network --repositories-file /dev/null /root/p.apk";
    const added = await home.machine(["exec", "-i", "--name", "box", "--", "sh", "-c", add], {
      stdin: apkPackage("greet", "#!/bin/sh\necho hello from a package\n"),
    });
    expect(added).toMatchObject({ exitCode: 0, stderr: "" });
    await home.ok("stop", "box");
    await expectClean("box");
    await home.ok("resize", "box", "--overlay", "2", "--storage", "3");
    expect((await home.machine(["start", "box"])).stderr).toBe("");
    for (const place of PLACES) expect(await home.sh("box", `cat ${place}kept`)).toBe(`in ${place}\n`);
    const script =
      "readlink /root/link; stat -c %u:%g /storage/d; ls /etc/motd 2>/dev/null; greet; apk info -e greet";
    expect(await home.sh("box", script)).toBe("kept\n12:34\nhello from a package\ngreet\n");
  });

  onQemu("disks that were resized are as large as they were asked to be", async () => {
    const [root, storage] = (await home.sh("box", "df -m / /storage | tail -n 2 | awk '{ print $2 }'")).split(
      "\n",
    );
    expect(Number(root)).toBeWithin(1900, 2049);
    expect(Number(storage)).toBeWithin(2900, 3073);
  });
});

describe("a clone", () => {
  onQemu(
    "has the files, the settings and its own name; what one changes, the other does not see",
    async () => {
      await home.ok("stop", "box");
      expect(await home.ok("clone", "box", "copy")).toStartWith("Cloned machine 'box' to 'copy'");
      expect(await home.refusal("clone", "box", "copy")).toMatchObject({ code: "machine.exists" });
      expect(await home.state("copy")).toMatchObject({ state: "created", overlay_gb: 2, storage_gb: 3 });
      await home.ok("start", "copy");
      expect(await home.sh("copy", "cat /storage/kept; greet; hostname")).toBe(
        "in /storage/\nhello from a package\ncopy\n",
      );
      await home.sh("copy", "echo changed > /storage/kept; rm /root/kept");
      await home.ok("stop", "copy");
      await expectClean("copy");
      await home.ok("delete", "-f", "copy");
      await home.ok("start", "box");
      expect(await home.sh("box", "cat /storage/kept /root/kept")).toBe("in /storage/\nin /root/\n");
    },
    90,
  );
});

describe("a crash", () => {
  onQemu(
    "of the VM while it writes loses nothing that was synced, and the next start says so",
    async () => {
      const { vmm_pid } = await home.state("box");
      const last = await countUntil(() => process.kill(vmm_pid as number, "SIGKILL"));
      await until("the machine's end", async () => (await home.state("box")).state === "failed");
      expect((await home.state("box")).state_reason).toContain("SIGKILL");
      expect(home.processes()).toEqual([]);
      const again = await home.machine(["start", "box"]);
      expect(again).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("did not end in order") });
      for (const number of (await counted()).trim().split("\n"))
        expect(Number(number)).toBeGreaterThanOrEqual(last);
      await home.ok("stop", "box");
      await expectClean("box");
      expect((await home.machine(["start", "box"])).stderr).toBe("");
    },
    90,
  );

  onQemu(
    "of the machine's process on the host ends the VM, and loses nothing that was synced",
    async () => {
      const { pid } = await home.state("box");
      const last = await countUntil(() => process.kill(pid as number, "SIGKILL"));
      await until("the end of all processes", () => home.processes().length === 0);
      expect(await home.state("box")).toMatchObject({
        ...{ state: "stopped", pid: null, vmm_pid: null },
        state_reason: expect.stringContaining("was killed"),
      });
      await home.ok("start", "box");
      for (const number of (await counted()).trim().split("\n"))
        expect(Number(number)).toBeGreaterThanOrEqual(last);
      await home.ok("stop", "box");
      await expectClean("box");
    },
    90,
  );
});

describe("a machine whose data directory its user has removed", () => {
  onQemu("starts with new disks", async () => {
    rmSync(await dataDirectory("box"), { recursive: true });
    expect(await home.state("box")).toMatchObject({ state: "stopped" });
    await home.ok("start", "box");
    expect(await home.sh("box", "ls /root/kept /storage/kept 2>/dev/null || echo none")).toBe("none\n");
    const sizes = await home.sh("box", "df -m / /storage | tail -n 2 | awk '{ print $2 }'");
    expect(Number(sizes.split("\n")[1])).toBeWithin(2900, 3073);
    await home.ok("stop", "box");
    rmSync(await dataDirectory("box"), { recursive: true });
    expect(await home.ok("delete", "-f", "box")).toContain("Deleted machine: box");
  });
});
