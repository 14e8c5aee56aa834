import { closeSync, openSync, readSync } from "node:fs";

/** CONFIG_HZ of our kernel and of the prebuilt one. */
const TICKS_PER_SECOND = 250;

/**
 * Kernel parameters that give the guest its clock under software emulation on x86.
 *
 * QEMU's emulated TSC is the host's own. Left to itself the guest measures its rate against an emulated timer; on a
 * busy host that takes long and sometimes fails, and then the guest has no usable clock at all (seen: clocksource
 * `refined-jiffies`, 250 interrupts a second for ever). The host knows the rate: BogoMIPS is twice the TSC's MHz
 * where the TSC runs at a constant rate.
 *
 * `lpj` is that rate once more, as the length of the kernel's delay loop. Linux knows it by itself for the
 * first CPU only; for each other one it measures, for a second or more on a busy host, and nothing can be
 * mounted meanwhile.
 */
export function emulatedClockParameters(cpuinfo: string = firstProcessor()): string[] {
  const constant = /^flags\s*:.*\bconstant_tsc\b/m.test(cpuinfo);
  const bogomips = Number(/^bogomips\s*:\s*(\d+\.\d+)$/m.exec(cpuinfo)?.[1]);
  const kilohertz = Math.round((bogomips * 1000) / 2);
  if (!constant || !(kilohertz > 200_000 && kilohertz < 20_000_000)) return [];
  const loops = Math.round((kilohertz * 1000) / TICKS_PER_SECOND);
  return ["tsc=reliable", "no_timer_check", `tsc_early_khz=${kilohertz}`, `lpj=${loops}`];
}

/** The beginning of /proc/cpuinfo: one processor is enough, and a big host has hundreds of kilobytes of them. */
function firstProcessor(): string {
  let file: number | undefined;
  try {
    file = openSync("/proc/cpuinfo", "r");
    const buffer = Buffer.alloc(8192);
    return buffer.toString("latin1", 0, readSync(file, buffer));
  } catch {
    return "";
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
