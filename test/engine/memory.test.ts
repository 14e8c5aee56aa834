import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { inputOf, until } from "../support/process.ts";
import { inLab } from "../support/program.ts";
import { onBoth, useHome } from "../support/register.ts";

/**
 * Elastic memory: a machine costs the host what its guest uses, in large pages where the host has them, and
 * what the guest frees comes back.
 */

const home = useHome();

/** What the guest uses for a while, MiB. */
const USED = 1000;
/** Kernel, page structures for 8 GiB and the VMM itself; software emulation also keeps the code it translated. */
const IDLE_LIMIT = inLab ? 500 : 700;

/** Memory in MiB of the process that is the VM: all of it, and what of it is in large pages. */
function vmMemory(): { resident: number; large: number } {
  const vmm = home.processes().filter(({ command }) => /^\S*\/(qemu-system-\S*|krun) /.test(command));
  expect(vmm).toHaveLength(1);
  const rollup = readFileSync(`/proc/${vmm[0]?.pid}/smaps_rollup`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(rollup)?.[1]) / 1024;
  return { resident: field("Rss"), large: field("AnonHugePages") };
}

/** Whether this host gives large pages to those who ask (Documentation/admin-guide/mm/transhuge.rst). */
function hasLargePages(): boolean {
  try {
    return !readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "utf8").includes("[never]");
  } catch {
    return false; // a kernel without them
  }
}

onBoth(
  "an idle 8 GiB machine costs little, and memory that the guest frees goes back to the host",
  async () => {
    const script = `echo idle; read line
    dd if=/dev/zero of=/dev/shm/used bs=1M count=${USED} 2>/dev/null && echo full; read line
    rm /dev/shm/used; echo freed; read line`;
    const child = home.start(
      ["machine", "run", "-i", "--cpus", "1", "--mem", "8192", "--", "sh", "-c", script],
      {
        stdin: "pipe",
      },
    );
    const input = inputOf(child);
    const output = child.stdout.getReader();
    const next = async () => new TextDecoder().decode((await output.read()).value);
    const goOn = () => {
      input.write("\n");
      input.flush();
    };

    expect(await next()).toBe("idle\n");
    const idle = vmMemory();
    expect(idle.resident).toBeLessThan(IDLE_LIMIT);
    goOn();
    expect(await next()).toBe("full\n");
    const full = vmMemory();
    expect(full.resident - idle.resident).toBeGreaterThan(USED * 0.9);
    // Not all: the VMM's own memory, and what the host had no whole large page for.
    if (hasLargePages()) expect(full.large).toBeGreaterThan(full.resident * 0.6);
    goOn();
    expect(await next()).toBe("freed\n");
    // The guest reports free memory every two seconds, in blocks of 2 MiB: what lies in fragments stays, up to a third.
    await until(
      "most of the memory to come back",
      () => vmMemory().resident < idle.resident + USED * 0.5,
      60,
    );
    const report = Object.entries({ idle, full, freed: vmMemory() }).map(
      ([when, { resident, large }]) => `${when} ${resident.toFixed()} MiB, ${large.toFixed()} in large pages`,
    );
    console.log(report.join("; "));
    goOn();
    expect(await child.exited).toBe(0);
  },
  150,
);
