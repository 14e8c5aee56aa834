import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { inputOf, until } from "../support/process.ts";
import { inLab } from "../support/program.ts";
import { onBoth, useHome } from "../support/register.ts";

/** Elastic memory: a machine costs the host what its guest uses, and what the guest frees comes back. */

const home = useHome();

/** What the guest uses for a while, MiB. */
const USED = 1000;
/** Kernel, page structures for 8 GiB and the VMM itself; software emulation also keeps the code it translated. */
const IDLE_LIMIT = inLab ? 500 : 700;

/** Resident memory in MiB of the process that is the VM. */
function residentMib(): number {
  const vmm = home.processes().filter(({ command }) => /(^|\/)qemu-system-|^\S+ __vmm\b/.test(command));
  expect(vmm).toHaveLength(1);
  const status = readFileSync(`/proc/${vmm[0]?.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
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
    const idle = residentMib();
    expect(idle).toBeLessThan(IDLE_LIMIT);
    goOn();
    expect(await next()).toBe("full\n");
    const full = residentMib();
    expect(full - idle).toBeGreaterThan(USED * 0.9);
    goOn();
    expect(await next()).toBe("freed\n");
    // The guest reports free memory every two seconds, in blocks of 2 MiB: what lies in fragments stays, up to a third.
    await until("most of the memory to come back", () => residentMib() < idle + USED * 0.5, 60);
    console.log(
      `idle ${idle.toFixed()} MiB, full ${full.toFixed()} MiB, freed ${residentMib().toFixed()} MiB`,
    );
    goOn();
    expect(await child.exited).toBe(0);
  },
  150,
);
