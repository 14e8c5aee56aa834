import type { Paths } from "../config/paths.ts";
import type { DiskFormat } from "../engine/index.ts";
import type { MachineDescription } from "./record.ts";
import type { RootInput } from "./root/index.ts";

/** Everything a machine process needs to boot its machine: decided by the command line, carried out as it stands. */
export interface MachinePlan {
  readonly machine: MachineDescription;
  readonly paths: Paths;
  readonly files: MachineFiles;
  readonly root: WorkloadRoot;
}

/** What the workload's root depends on beside the machine's description. */
export type WorkloadRoot = Pick<RootInput, "bare" | "volumes" | "initSystem" | "terminal">;

/** Files of the host that the machine is made of; all are read, none is written. */
export interface MachineFiles {
  readonly kernel: string;
  /** The library of the krun engine. */
  readonly libkrun?: string | undefined;
  /** Root of the guest's own system (EROFS). */
  readonly system: string;
  /** The workload's root filesystem (EROFS). */
  readonly image: { readonly path: string; readonly format: DiskFormat };
  readonly overlayTemplate: string;
  readonly storageTemplate: string;
}

/** Answer to `start`: when things happened, milliseconds since the epoch, and who runs. */
export interface StartReport {
  readonly launchedAt: number;
  readonly initAt: number;
  readonly readyAt: number;
  readonly vmmPid: number;
  /** What the user should know about the machine's root, one sentence each. */
  readonly notes: readonly string[];
}
