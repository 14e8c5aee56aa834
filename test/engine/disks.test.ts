import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { assetPath } from "../../src/assets/index.ts";
import { engineByName, type RunningVm } from "../../src/engine/index.ts";
import { Guest } from "../../src/guest/index.ts";
import {
  type DiskSizes,
  diskPath,
  type MachineDisks,
  makeDisks,
  templateOf,
} from "../../src/machine/disks/index.ts";
import { inspectDisk } from "../../src/machine/disks/superblock.ts";
import { makeMainRoot } from "../../src/machine/host/main-root.ts";
import { planRoot } from "../../src/machine/root/index.ts";
import { Channel, listenTransport, type SocketTransport } from "../../src/protocol/index.ts";
import { until } from "../support/process.ts";
import { engine as engineName, sharedCache } from "../support/program.ts";
import { onBoth, onQemu } from "../support/register.ts";

/** What lies on the disks of a machine that lasts, over its stops and power cuts, with e2fsprogs as the judges. */

const MIB = 1024 ** 2;
const engine = engineByName(engineName);
const directory = mkdtempSync("/tmp/sv-");
afterAll(() => rmSync(directory, { recursive: true }));

const asset = (name: Parameters<typeof assetPath>[0]) => assetPath(name, sharedCache());

interface Started {
  readonly disks: MachineDisks;
  readonly notes: readonly string[];
  /** Runs a script in the machine's root; what it prints, and its exit code if that is not 0. */
  run(script: string): Promise<string>;
  /** In order: unmounts, then ends. */
  stop(): Promise<void>;
  /** As when the plug is pulled. */
  cutPower(): Promise<void>;
}

/** A machine of the built-in image, in a directory of its own. */
class Machine {
  readonly path: string;
  sizes: DiskSizes = { overlayGib: 10, storageGib: 20 };

  constructor(name: string) {
    this.path = `${directory}/${name}`;
    mkdirSync(this.path);
  }

  disk(name: "overlay" | "storage"): string {
    return diskPath(this.path, name);
  }

  async start(): Promise<Started> {
    const { overlayGib, storageGib } = this.sizes;
    const files = {
      system: await asset("system"),
      image: { path: await asset("base"), format: "raw" as const },
      overlayTemplate: await asset(templateOf("overlay", overlayGib)),
      storageTemplate: await asset(templateOf("storage", storageGib)),
    };
    const disks = await makeDisks({ files, record: { ...this.sizes, ephemeral: false } }, this.path);
    const agentSocket = `${this.path}/agent`;
    const { promise: connected, resolve } = Promise.withResolvers<SocketTransport>();
    const listener = listenTransport(agentSocket, resolve);
    const channel = engine.agentTransport === "vsock" ? "vsock:6000" : "virtio:smolvm.agent";
    const vm = engine.launch(
      {
        cpus: 1,
        memoryMib: 512,
        kernel: await asset("kernel"),
        commandLine: [
          `root=${disks.system}`,
          "rootfstype=erofs",
          "ro",
          "init=/init",
          `smolvm.agent=${channel}`,
        ],
        disks: disks.list,
        shares: [],
        agentSocket,
        agentPort: 6000,
        ephemeral: false,
      },
      { libkrun: engineName === "krun" ? await asset("libkrun") : undefined },
    );
    const guest = new Guest(await connected);
    listener.stop();
    rmSync(agentSocket, { force: true });
    const input = {
      name: "vm",
      bare: true,
      volumes: [],
      initSystem: false,
      terminal: false,
      gpu: false,
      memoryMib: 512,
      pids: null,
    };
    const root = makeMainRoot(
      guest,
      planRoot({ ...input, ephemeral: false, shares: [], tmpfs: [], disks: disks.root }),
      disks,
      () => {},
    );
    running.add(vm);
    const notes = [...disks.notes, ...(await root.made)];
    // What holds the namespaces in which the others run.
    const first = guest.exec({ ...shell("echo ready; exec sleep 1000000"), first: "reaper" });
    await first.accepted;
    first.result.catch(() => {});
    return { disks, notes, ...actions(guest, vm) };
  }
}

const shell = (script: string) => ({
  root: "main",
  argv: ["/bin/sh", "-c", script],
  env: ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"],
  stdin: false,
});

/** Those that a failed test left. */
const running = new Set<RunningVm>();
afterEach(async () => {
  for (const vm of running) {
    vm.kill();
    await vm.exited;
  }
  running.clear();
});

function actions(guest: Guest, vm: RunningVm): Pick<Started, "run" | "stop" | "cutPower"> {
  return {
    run: async (script) => {
      const process = guest.exec(shell(`exec 2>&1; ${script}`));
      const chunks: Uint8Array[] = [];
      for await (const chunk of process.read(Channel.stdout)) chunks.push(chunk);
      const result = await process.result;
      const code = "exitCode" in result && result.exitCode === 0 ? "" : JSON.stringify(result);
      return Buffer.concat(chunks).toString() + code;
    },
    stop: async () => {
      await guest.shutdown();
      guest.close();
      await vm.exited;
    },
    cutPower: async () => {
      vm.kill();
      await vm.exited;
      guest.close();
    },
  };
}

function e2fs(...command: string[]): { exitCode: number; output: string } {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env });
  return { exitCode, output: `${stdout}${stderr}` };
}

function expectClean(machine: Machine): void {
  for (const name of ["overlay", "storage"] as const) {
    const { exitCode, output } = e2fs("e2fsck", "-f", "-n", machine.disk(name));
    expect(`${name}: ${exitCode === 0 ? "clean" : output}`).toBe(`${name}: clean`);
  }
}

const allocated = (path: string) => statSync(path).blocks * 512;

describe("a machine that lasts", () => {
  const machine = new Machine("lasts");

  onBoth(
    "finds its files again, and its filesystems were unmounted",
    async () => {
      const first = await machine.start();
      expect(first).toMatchObject({ notes: [], disks: { made: ["overlay", "storage"] } });
      expect(
        await first.run(
          "echo 1 > /root/a; echo 2 > /storage/b; echo 3 > /tmp/c; rm /etc/motd; df -k / | tail -n 1",
        ),
      ).toMatch(/^overlay +10\d{6} /);
      await first.stop();
      for (const name of ["overlay", "storage"] as const)
        expect(inspectDisk(machine.disk(name))).toEqual({ damaged: false, unclean: false, grow: false });
      const second = await machine.start();
      expect(second).toMatchObject({ notes: [], disks: { made: [] } });
      expect(
        await second.run("cat /root/a /workspace/../b /tmp/c; ls /etc/motd 2>/dev/null || echo gone"),
      ).toBe("1\n2\n3\ngone\n");
      await second.stop();
    },
    90,
  );

  onBoth(
    "gives back to the host what it deletes",
    async () => {
      const started = await machine.start();
      const disks = ["overlay", "storage"] as const;
      const before = disks.map((name) => allocated(machine.disk(name)));
      const grown = () => disks.map((name, index) => allocated(machine.disk(name)) - (before[index] ?? 0));
      const fill = (path: string) => `dd if=/dev/urandom of=${path} bs=1M count=24 2>/dev/null`;
      expect(await started.run(`${fill("/big")}; ${fill("/storage/big")}; sync`)).toBe("");
      for (const bytes of grown()) expect(bytes).toBeGreaterThan(23 * MIB);
      expect(await started.run("rm /big /storage/big; sync")).toBe("");
      await until("the blocks to come back", () => grown().every((bytes) => bytes < 4 * MIB));
      await started.stop();
    },
    90,
  );

  onQemu(
    "grows at the next start, and never shrinks",
    async () => {
      machine.sizes = { overlayGib: 12, storageGib: 25 };
      const larger = await machine.start();
      expect(larger.notes).toEqual([]);
      expect(await larger.run("df -k / /storage | tail -n 2; cat /root/a")).toMatch(
        /^overlay +12\d{6} .*\n\/dev\/vda +25\d{6} .*\n1\n$/,
      );
      await larger.stop();
      expectClean(machine);
      machine.sizes = { overlayGib: 11, storageGib: 25 };
      expect(await machine.start().catch((error) => error.code)).toBe("machine.disk_shrink");
      machine.sizes = { overlayGib: 12, storageGib: 25 };
    },
    90,
  );
});

describe("a power cut", () => {
  const machine = new Machine("cut");
  /** Files that each round syncs, on each disk. */
  const SYNCED = 12;

  onQemu(
    "loses nothing that was synced, says so, and leaves clean filesystems",
    async () => {
      machine.sizes = { overlayGib: 2, storageGib: 2 };
      for (let round = 0; round < 3; round++) {
        const started = await machine.start();
        if (round > 0) {
          expect(started.notes).toEqual([expect.stringContaining("did not end in order")]);
          const there = await started.run("cat /root/synced-* /storage/synced-* | sort -n | tr '\\n' ' '");
          const expected = Array.from({ length: round * SYNCED }, (_, number) => `${number} `);
          expect(there).toBe([...expected, ...expected].sort((a, b) => Number(a) - Number(b)).join(""));
        }
        // Others write without an end meanwhile.
        void started.run("while :; do cp -r /bin /storage/noise; rm -r /storage/noise; done").catch(() => {});
        void started.run("while :; do cp -r /lib /noise; rm -r /noise; done").catch(() => {});
        const from = round * SYNCED;
        expect(
          await started.run(
            `n=${from}; while [ $n -lt ${from + SYNCED} ]; do
             for d in /root /storage; do echo $n > $d/synced-$n; sync $d/synced-$n || exit 1; done; n=$((n+1)); done`,
          ),
        ).toBe("");
        await started.cutPower();
        expect(inspectDisk(machine.disk("storage")).unclean).toBe(true);
      }
      const last = await machine.start();
      await last.stop();
      expectClean(machine);
    },
    180,
  );
});

describe("a damaged filesystem", () => {
  const machine = new Machine("damaged");
  beforeAll(() => {
    machine.sizes = { overlayGib: 1, storageGib: 1 };
  });

  onQemu(
    "that a kernel noted is repaired at the next start, with a note",
    async () => {
      const started = await machine.start();
      expect(
        await started.run("echo kept > /storage/kept; mkdir /storage/lost; echo x > /storage/lost/file"),
      ).toBe("");
      await started.stop();
      // The directory that has them is no directory any more.
      const damage = ["ssv state 2", "clri lost"];
      for (const request of damage)
        expect(e2fs("debugfs", "-w", "-R", request, machine.disk("storage")).exitCode).toBe(0);
      const again = await machine.start();
      expect(again.notes).toEqual([
        "the storage disk was damaged and has been repaired; files that lost their names are in /storage/lost+found",
      ]);
      expect(await again.run("cat /storage/kept /storage/lost+found/*")).toBe("kept\nx\n");
      await again.stop();
      expectClean(machine);
    },
    90,
  );

  onQemu(
    "whose superblock is gone is repaired from another",
    async () => {
      copyFileSync(machine.disk("overlay"), `${machine.path}/before`);
      const disk = openSync(machine.disk("overlay"), "r+");
      writeSync(disk, Buffer.alloc(1024), 0, 1024, 1024);
      closeSync(disk);
      const started = await machine.start();
      expect(started.notes).toEqual([
        "the overlay disk, with the changes to the image's files, was damaged and has been repaired",
      ]);
      expect(await started.run("echo works > /root/a; cat /root/a /storage/kept")).toBe("works\nkept\n");
      await started.stop();
      expectClean(machine);
    },
    90,
  );
});
