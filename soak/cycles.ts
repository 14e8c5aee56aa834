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
import { descriptorsOf, diskKib, fsckComplaints, privateKib } from "./support/host.ts";
import { countOr, say, soak } from "./support/options.ts";

const CYCLES = countOr(300);

/** The disks' journals are written round and round: they take room on the host until each block was used once. */
const JOURNALS_MIB = 2 * 32;
/** Bitmaps, inode tables, logs. */
const SLACK_MIB = 8;

const home = new Machines();
const paths = resolvePaths(home.env);

/** Of one cycle. */
interface Figures {
  readonly startMs: number;
  readonly stopMs: number;
  /** Of the process of the machine that was just started. */
  readonly descriptors: number;
  readonly privateMib: number;
  readonly vmmDescriptors: number;
  /** Of the process of the machine that runs all the time. */
  readonly oldDescriptors: number;
  readonly oldPrivateMib: number;
  /** Of the machine's directory, once it is stopped, and of the files that its guest sees on its disks. */
  readonly diskMib: number;
  readonly usedMib: number;
  /** Everything that is there. */
  readonly files: number;
}

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

async function cycle(number: number): Promise<Figures> {
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
    privateMib: mib(privateKib(machine)),
    vmmDescriptors: descriptorsOf(vmm),
    oldDescriptors: descriptorsOf(old),
    oldPrivateMib: mib(privateKib(old)),
  };
  const stopMs = await timed(() => home.ok("stop", "box"));
  const data = home.directoryOf("box");
  return {
    ...{ startMs, ...running, stopMs, diskMib: mib(diskKib(data)), usedMib: mib(Number(used)) },
    files: home.remains().length,
  };
}

function show(number: number, figures: Figures): void {
  if (number === 0) say(["cycle", ...Object.keys(figures)].join("\t"));
  say([number, ...Object.values(figures)].join("\t"));
}

/** What may not grow: the highest of the last third is at most a little above that of the first. */
function expectFlat(all: readonly Figures[], key: keyof Figures, tolerance: number): void {
  const third = Math.max(1, Math.floor(all.length / 3));
  // The first cycle makes the disks, and the first connections.
  const highest = (part: readonly Figures[]) => Math.max(...part.map((figures) => figures[key]));
  const [before, after] = [highest(all.slice(1, third + 1)), highest(all.slice(-third))];
  say(`${key}: at most ${before} in the first third, ${after} in the last`);
  if (after > before * (1 + tolerance)) throw new Error(`${key} grows`);
}

await soak(async () => {
  try {
    for (const name of ["box", "old"]) await home.create(name, "--overlay", "1", "--storage", "1");
    await home.ok("start", "old");
    const all: Figures[] = [];
    for (let number = 0; number < CYCLES; number++) {
      const figures = await cycle(number);
      all.push(figures);
      if (number % 10 === 0 || number === CYCLES - 1) show(number, figures);
    }
    for (const key of ["descriptors", "vmmDescriptors", "oldDescriptors", "files"] as const)
      expectFlat(all, key, 0);
    for (const key of ["privateMib", "oldPrivateMib", "usedMib"] as const) expectFlat(all, key, 0.1);
    const most = Math.max(...all.map(({ diskMib, usedMib }) => diskMib - usedMib));
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
    home.remove();
  }
});
