import type { Paths } from "../config/paths.ts";
import type { DiskFormat } from "../engine/index.ts";
import type { MachineDescription } from "./record.ts";

/** Everything a machine process needs to boot its machine: decided by the command line, carried out as it stands. */
export interface MachinePlan {
  readonly machine: MachineDescription;
  readonly paths: Paths;
  readonly files: MachineFiles;
}

/** Files of the host that the machine is made of; all are read, none is written. */
export interface MachineFiles {
  readonly kernel: string;
  /** The library of the krun engine. */
  readonly libkrun?: string;
  /** Root of the guest's own system (EROFS). */
  readonly system: string;
  /** The workload's root filesystem (EROFS). */
  readonly image: { readonly path: string; readonly format: DiskFormat };
  /** How the agent's executable gets there: a directory to share, or a disk image (EROFS). */
  readonly runtime: { readonly share: string } | { readonly disk: string };
  readonly overlayTemplate: string;
  readonly storageTemplate: string;
}

/** Answer to `start`: when things happened, milliseconds since the epoch, and who runs. */
export interface StartReport {
  readonly launchedAt: number;
  readonly initAt: number;
  readonly readyAt: number;
  readonly vmmPid: number;
}
