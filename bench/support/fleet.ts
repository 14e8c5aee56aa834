import { readdirSync, readFileSync } from "node:fs";
import type { Contender } from "./contender.ts";

/** Many machines at once: how long until all have answered, and what an idle one costs its host. */

export interface Fleet {
  /** Milliseconds until the command of the last machine had printed something, or the last one was ready. */
  readonly milliseconds: number;
  /** For each machine, MiB: what its guest uses, and what the host spends on its processes (proportional set size). */
  readonly guestMib: number;
  readonly vmmMib: number;
  readonly othersMib: number;
}

const MEMORY_MIB = 512;

/** Guests give back what they freed during the boot within a few reports, which come every two seconds. */
const SETTLE_MS = 8000;

/** How many guests are asked what they use. */
const SAMPLES = 3;

/**
 * Starts `count` machines at the same time.
 * @param kind those of `machine run`, or those of `create` and `start`
 */
export async function measureFleet(
  contender: Contender,
  count: number,
  kind: "machine" | "lastingMachine" = "machine",
): Promise<Fleet> {
  const begin = performance.now();
  const names = Array.from({ length: count }, (_, index) => `fleet${index}`);
  const starting = names.map((name) => contender[kind](name, ["--cpus", "1", "--mem", `${MEMORY_MIB}`]));
  try {
    await Promise.all(starting);
    const milliseconds = performance.now() - begin;
    await Bun.sleep(SETTLE_MS);
    const { vmm, others } = hostMemory(contender);
    let guest = 0;
    for (const name of names.slice(0, SAMPLES)) {
      const { stdout } = await contender.measure(["exec", "--name", name, "--", "cat", "/proc/meminfo"]);
      guest += MEMORY_MIB - Number(/^MemFree: +(\d+) kB/m.exec(stdout)?.[1]) / 1024;
    }
    return { milliseconds, guestMib: guest / SAMPLES, vmmMib: vmm / count, othersMib: others / count };
  } finally {
    const settled = await Promise.allSettled(starting);
    await Promise.all(settled.map(async (one) => one.status === "fulfilled" && (await one.value())));
  }
}

/** Proportional set sizes of everything that runs with the contender's home, MiB. */
function hostMemory(contender: Contender): { vmm: number; others: number } {
  const result = { vmm: 0, others: 0 };
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const belongs = [command, readFileSync(`/proc/${pid}/environ`, "utf8")].some((text) =>
        text.includes(contender.env.HOME ?? ""),
      );
      if (!belongs) continue;
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      const mib = Number(/^Pss: +(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024;
      result[/^\S*\/(qemu-system-\S*|krun|launcher)\0/.test(command) ? "vmm" : "others"] += mib;
    } catch {
      // It has ended, or is another user's.
    }
  }
  return result;
}
