import { readFileSync } from "node:fs";
import type { Home } from "../../test/support/home.ts";
import { until } from "../../test/support/process.ts";
import { program } from "../../test/support/program.ts";
import { beginTable } from "./table.ts";

/** What an 8 GiB machine costs its host beyond what its guest uses, idle and after a large allocation. */

const MEMORY_MIB = 8192;
const ALLOCATE = "1G";
/** How long the guest has to give freed pages back. */
const SETTLE_MS = 15_000;

export async function reportMemory(home: Home, title: string): Promise<void> {
  const child = home.start([
    "machine",
    "run",
    "--mem",
    `${MEMORY_MIB}`,
    "--name",
    "memory",
    "--",
    "sleep",
    "100000",
  ]);
  try {
    const exec = (...command: string[]) =>
      home.smolvm(["machine", "exec", "--name", "memory", "--", ...command]);
    await until("the machine", async () => (await exec("true")).exitCode === 0);
    const guest = ["guest uses", "of it its kernel's", "of it page cache"];
    const columns = ["", ...guest, "VMM, host", "of it large pages", "other processes, host", "overhead"];
    const print = beginTable(`${title} (MiB)`, columns);
    const sample = async (name: string) => {
      const guest = guestUse((await exec("cat", "/proc/meminfo")).output);
      const host = hostUse(home);
      const own = host.vmm + host.others - guest.used;
      const cells = [guest.used, guest.reserved, guest.cache, host.vmm, host.large, host.others, own];
      print([name, ...cells.map((mib) => mib.toFixed(0))]);
    };
    await Bun.sleep(SETTLE_MS / 3);
    await sample("idle");
    // dd's buffer is one block.
    const allocation = exec("dd", "if=/dev/zero", "of=/dev/null", `bs=${ALLOCATE}`, "count=1");
    let peak = hostUse(home);
    let done = false;
    void allocation.finally(() => {
      done = true;
    });
    while (!done) {
      const use = hostUse(home);
      if (use.vmm > peak.vmm) peak = use;
      await Bun.sleep(100);
    }
    const atPeak = [peak.vmm, peak.large].map((mib) => mib.toFixed(0));
    print([`while ${ALLOCATE} is allocated (peak)`, "", "", "", ...atPeak, "", ""]);
    await Bun.sleep(SETTLE_MS);
    await sample(`${SETTLE_MS / 1000} s after it was freed`);
  } finally {
    child.kill("SIGTERM");
    await child.exited;
  }
}

/** Everything that is not free, in MiB; what its kernel took at boot and the page cache are parts of it. */
function guestUse(meminfo: string): { used: number; reserved: number; cache: number } {
  const field = (name: string) => Number(meminfo.match(new RegExp(`^${name}: +(\\d+) kB`, "m"))?.[1]) / 1024;
  return {
    used: MEMORY_MIB - field("MemFree"),
    reserved: MEMORY_MIB - field("MemTotal"),
    cache: field("Cached") + field("Buffers"),
  };
}

/** Proportional set sizes (/proc/PID/smaps_rollup), in MiB: memory that processes share is counted once. */
function hostUse(home: Home): { vmm: number; large: number; others: number } {
  const result = { vmm: 0, large: 0, others: 0 };
  for (const { pid, command } of home.processes()) {
    // The command itself, when it is asked for while another one runs, is not what a machine costs.
    const kind = /^\S*\/(qemu-system-\S*|krun|launcher)( |$)/.test(command) ? "vmm" : "others";
    if (command.startsWith(`${program} machine exec`)) continue;
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      const mib = (name: string) =>
        Number(rollup.match(new RegExp(`^${name}: +(\\d+) kB`, "m"))?.[1] ?? 0) / 1024;
      result[kind] += mib("Pss");
      result.large += mib("AnonHugePages");
    } catch {
      // It has ended.
    }
  }
  return result;
}
