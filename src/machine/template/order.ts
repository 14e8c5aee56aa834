import type { Paths } from "../../config/paths.ts";
import type { Confinement } from "../../confine/index.ts";
import type { VmSpec } from "../../engine/index.ts";
import type { MachineFiles } from "../plan/order.ts";

/** What a maker is told, as JSON on its standard input: by whoever has started a machine that had no template. */
export interface MakeOrder {
  readonly paths: Paths;
  readonly files: Pick<MachineFiles, "kernel" | "system" | "launcher" | "memory">;
  readonly confinement: Confinement;
  /** Of the template. */
  readonly name: string;
  /** The VM of that machine, whose disks may be gone by now. */
  readonly spec: VmSpec;
  /** Number of that machine's process, with which the maker ends; undefined: it may outlive it. */
  readonly beside: number | undefined;
  /** How long the machine has to live before the maker begins, milliseconds. */
  readonly delayMs: number;
}

/** What a VM of the same shape is made of that sees nothing of any machine. */
export interface BlankParts {
  /** An empty disk for the place of each that is a machine's; QEMU locks those that can be written. */
  readonly disk: (index: number) => string;
  readonly agentSocket: string;
  readonly cardSocket: string;
}

/** A VM of that shape. Of the disks only the system's stays, which all machines have. */
export function blankSpec(
  spec: VmSpec,
  system: string,
  { disk, agentSocket, cardSocket }: BlankParts,
): VmSpec {
  return {
    ...spec,
    disks: spec.disks.map(({ path, readOnly }, index) =>
      path === system ? { path, readOnly } : { path: disk(index), readOnly },
    ),
    card: spec.card && { ...spec.card, socket: cardSocket },
    agentSocket,
    ephemeral: true,
  };
}
