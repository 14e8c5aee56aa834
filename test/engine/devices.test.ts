import { afterAll, expect } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { assetPath } from "../../src/assets/index.ts";
import { engineByName, type VmDisk, type VmShare, type VmSpec } from "../../src/engine/index.ts";
import { SmolError } from "../../src/errors.ts";
import { listenTransport } from "../../src/protocol/index.ts";
import { engine as engineName, sharedCache } from "../support/program.ts";
import { onBoth } from "../support/register.ts";

/**
 * Room for devices (docs/design/devices.md): a VM that is as full as its engine allows, and that every device
 * in it works.
 */

const engine = engineByName(engineName);
/** Disks that every machine has, and what an engine has to hold beside them at the least. */
const DISKS = 4;
const SHARES = engineName === "krun" ? engine.room - DISKS : 0;

const directory = mkdtempSync("/tmp/sv-");
afterAll(() => rmSync(directory, { recursive: true }));

const busybox = "/bin/busybox";
/** Prints a line of each disk but the first, then a line of each share and whether it can be written to. */
const script = [
  `${busybox} mount -t tmpfs run /run`,
  `${busybox} mkdir /run/share`,
  `for disk in /dev/vd[b-z]; do ${busybox} head -n 1 $disk; done`,
  "share=0",
  `while [ $share -lt ${SHARES} ]; do`,
  `${busybox} mount -t virtiofs share$share /run/share`,
  `${busybox} cat /run/share/name`,
  `${busybox} cp /run/share/name /run/share/copy 2>/dev/null && echo written`,
  `${busybox} umount /run/share`,
  "share=$(($share+1))",
  "done",
  "echo the end",
  `${busybox} reboot -f`,
].join("\n");

/** A VM whose first process is a shell of the system image, with the script above, which is on its second disk. */
async function fullVm(disks: number, shares: number): Promise<VmSpec> {
  const disk = (index: number): VmDisk => {
    const path = `${directory}/disk${index}`;
    const text = `# disk ${index}\n${index === 1 ? script : ""}\n`;
    // Line ends up to the end of the disk, a whole number of sectors: nothing that a shell minds.
    writeFileSync(path, text.padEnd(4096, "\n"));
    return { path, readOnly: false };
  };
  const share = (index: number): VmShare => {
    const path = `${directory}/share${index}`;
    mkdirSync(path, { recursive: true });
    writeFileSync(`${path}/name`, `share ${index}\n`);
    return { tag: `share${index}`, path, readOnly: index % 2 === 1, daxWindowMib: 64 };
  };
  const system = { path: await assetPath("system", sharedCache()), readOnly: true };
  return {
    cpus: 1,
    memoryMib: 512,
    kernel: await assetPath("kernel", sharedCache()),
    // A kernel hands words that it does not know to the first process.
    commandLine: ["root=/dev/vda", "rootfstype=erofs", "ro", `init=${busybox}`, "sh", "/dev/vdb"],
    disks: [system, ...Array.from({ length: disks - 1 }, (_, index) => disk(index + 1))],
    shares: Array.from({ length: shares }, (_, index) => share(index)),
    agentSocket: `${directory}/agent`,
    agentPort: 6000,
    ephemeral: true,
  };
}

const libkrun = async () => (engineName === "krun" ? await assetPath("libkrun", sharedCache()) : undefined);

onBoth("a VM that has all the devices there is room for can use all of them", async () => {
  const disks = engine.room - SHARES;
  expect(disks).toBeGreaterThanOrEqual(DISKS);
  const spec = await fullVm(disks, SHARES);
  const listener = listenTransport(spec.agentSocket, () => {});
  try {
    let console = "";
    const decoder = new TextDecoder();
    const vm = engine.launch(spec, {
      libkrun: await libkrun(),
      consoleLog: (chunk) => {
        console += decoder.decode(chunk, { stream: true });
      },
    });
    const exit = await vm.exited;
    const lines = console.replaceAll("\r", "").split("\n");
    const expected = [
      ...spec.disks.slice(1).map((_, index) => `# disk ${index + 1}`),
      ...spec.shares.flatMap(({ readOnly }, index) => [`share ${index}`, ...(readOnly ? [] : ["written"])]),
      "the end",
    ];
    // The kernel says on the console what it thinks of disks without partitions.
    expect(lines.filter((line) => expected.includes(line))).toEqual(expected);
    expect(exit).toMatchObject({ code: 0, error: null });
  } finally {
    listener.stop();
  }
});

onBoth("one device more is refused before anything is started", async () => {
  const spec = await fullVm(engine.room - SHARES + 1, SHARES);
  let error: unknown;
  try {
    engine.launch(spec, { libkrun: await libkrun() });
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(SmolError);
  expect((error as SmolError).code).toBe("engine.too_many_devices");
});
