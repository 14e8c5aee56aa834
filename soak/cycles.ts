/**
 * Starts and stops one machine again and again, and prints what that costs the host: descriptors, memory, disk.
 *
 *     ./dev soak cycles [CYCLES]
 *
 * A second machine runs all the time: its process serves a command in each cycle, and must not grow.
 */

import { resolvePaths } from "../src/config/paths.ts";
import { readState } from "../src/machine/store/index.ts";
import { Machines } from "../test/support/machines.ts";
import { Table } from "./support/flat.ts";
import { anonymousKib, descriptorsOf, diskKib, fsckComplaints } from "./support/host.ts";
import { countOr, say, soak } from "./support/options.ts";

const CYCLES = countOr(300);

/** The disks' journals are written round and round: they take room on the host until each block was used once. */
const JOURNALS_MIB = 2 * 32;
/** Bitmaps, inode tables, logs. */
const SLACK_MIB = 8;

const home = new Machines();
const paths = resolvePaths(home.env);

const mib = (kib: number) => Math.round(kib / 102.4) / 10;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return Math.round(performance.now() - start);
}

function processesOf(name: string): { machine: number; vmm: number } {
  const state = readState(paths, name);
  if (!state?.vmmPid) throw new Error(`${name} has no VM`);
  return { machine: state.pid, vmm: state.vmmPid };
}

async function cycle(number: number) {
  const startMs = await timed(() => home.ok("start", "box"));
  // The same amount of writing each time, half of it removed again.
  await home.sh(
    "box",
    `echo ${number} >> /var/cycles; head -c 4000000 /dev/urandom > /var/noise; sync; rm /var/noise`,
  );
  const used = await home.sh("box", "df -k / /storage | awk 'NR > 1 { sum += $3 } END { print sum }'");
  await home.sh("old", "head -c 2000000 /dev/urandom | base64");
  const { machine, vmm } = processesOf("box");
  const old = processesOf("old").machine;
  const running = {
    descriptors: descriptorsOf(machine),
    memoryMib: mib(anonymousKib(machine)),
    vmmDescriptors: descriptorsOf(vmm),
    oldDescriptors: descriptorsOf(old),
    oldMemoryMib: mib(anonymousKib(old)),
  };
  const stopMs = await timed(() => home.ok("stop", "box"));
  return {
    startMs,
    stopMs,
    ...running,
    // Of the machine's directory, once it is stopped, and of the files that its guest sees on its disks.
    diskMib: mib(diskKib(home.directoryOf("box"))),
    usedMib: mib(Number(used)),
    // Everything that there is of this home.
    files: home.remains().length,
  };
}

await soak(async () => {
  try {
    for (const name of ["box", "old"]) await home.create(name, "--overlay", "1", "--storage", "1");
    await home.ok("start", "old");
    const table = new Table("cycle", 10);
    for (let number = 0; number < CYCLES; number++) table.add(await cycle(number));
    for (const key of ["startMs", "stopMs"]) say(table.summary(key));
    for (const key of ["descriptors", "vmmDescriptors", "oldDescriptors", "files"]) table.expectFlat(key, 0);
    for (const key of ["memoryMib", "usedMib"]) table.expectFlat(key, 0.1);
    // Between two collections of garbage the heap of one process that lives on swings by half.
    table.expectFlat("oldMemoryMib", 0.3);
    const most = Math.max(...table.rows.map(({ diskMib = 0, usedMib = 0 }) => diskMib - usedMib));
    say(`diskMib: at most ${most.toFixed(1)} more than usedMib`);
    if (most > JOURNALS_MIB + SLACK_MIB) throw new Error("diskMib grows");
    await home.ok("start", "box");
    const cycles = await home.sh("box", "wc -l < /var/cycles");
    if (Number(cycles) !== CYCLES) throw new Error(`${cycles} cycles have left a line`);
    await home.ok("stop", "box", "old");
    for (const disk of ["overlay", "storage"]) {
      const complaint = fsckComplaints(`${home.directoryOf("box")}/data/${disk}.ext4`);
      if (complaint !== undefined) throw new Error(complaint);
    }
    await home.deleteAll();
    await home.expectNothingLeft();
  } finally {
    await home.deleteAll();
    home.remove();
  }
});
