import type { Paths } from "../config/paths.ts";
import type { EngineName } from "../engine/index.ts";

/** Everything a machine process needs to boot its machine: decided by the command line, carried out as it stands. */
export interface MachinePlan {
  readonly paths: Paths;
  readonly name: string;
  readonly ephemeral: boolean;
  readonly engine: EngineName;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly storageGib: number;
  readonly overlayGib: number;
  readonly image: string | null;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** What `machine exec` starts with. */
  readonly env: readonly string[];
  readonly workdir: string;
  readonly user: string;
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
  readonly image: string;
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
