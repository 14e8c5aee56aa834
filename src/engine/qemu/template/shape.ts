/** What a VM and the template that it goes on from have in common. */
import { statSync } from "node:fs";
import type { VmSpec } from "../../types.ts";

/** Grows when the same arguments come to mean another guest: when it rests at another point of its start, say. */
const FORMAT = 1;

/** More would be more than a template may have on the disk: Linux writes 16 MiB of page structures for each GiB. */
const MOST_MEMORY_MIB = 16 * 1024;

/** As QEMU is told. */
export interface ShapedProgram {
  readonly program: string;
  /** Which file that is. */
  readonly stamp: string;
  readonly machine: readonly string[];
  readonly commandLine: string;
}

/**
 * A text that is equal for VMs of which one can go on where the other has stopped: it has all that a guest sees until
 * its agent waits for the first word. The disks but for the system's own are not in it, nor are a card's address and
 * wire: the guest has let go of them. Whether they can be written is in it, for that is a feature of the device.
 *
 * @param platform `linux-x64`; on others nobody has tried it
 * @returns undefined when such a VM always boots
 */
export function shapeOf(
  spec: VmSpec,
  { program, stamp, machine, commandLine }: ShapedProgram,
  platform = `${process.platform}-${process.arch}`,
): string | undefined {
  const system = systemDisk(spec);
  if (platform !== "linux-x64" || system === undefined || spec.memoryMib > MOST_MEMORY_MIB) return undefined;
  // Its driver does not let go of it.
  if (spec.gpu !== undefined) return undefined;
  const { cpus, memoryMib, card, kernel, disks } = spec;
  return JSON.stringify([
    ...[FORMAT, program, stamp, machine, commandLine, cpus, memoryMib, card !== undefined],
    ...[disks.map(({ readOnly }) => readOnly), identityOf(kernel), identityOf(system)],
  ]);
}

/** The file of the disk that the guest's own system is on, as `root=` says. */
function systemDisk({ commandLine, disks }: VmSpec): string | undefined {
  const letter = commandLine.find((word) => /^root=\/dev\/vd[a-z]$/.test(word))?.at(-1);
  return letter === undefined ? undefined : disks[letter.charCodeAt(0) - "a".charCodeAt(0)]?.path;
}

/** Their paths have the hash of what is in them; a file that was changed in its place has another time. */
function identityOf(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${path} ${size} ${mtimeMs}`;
}
