import type { TemplateMode } from "../../config/index.ts";
import type { Paths } from "../../config/paths.ts";
import type { Confinement } from "../../confine/index.ts";
import type { DiskFormat, EngineName, VmGpu, VmSpec } from "../../engine/index.ts";
import type { MachineRecord } from "../model/index.ts";
import type { RootShare } from "../root/index.ts";
import type { NetworkPlan } from "./network.ts";
import type { WorkloadDefaults } from "./workload.ts";

/** Everything a machine's process needs to run its machine: decided by who starts it, carried out as it stands. */
export interface StartOrder {
  readonly record: MachineRecord;
  readonly paths: Paths;
  readonly engine: EngineName;
  readonly files: MachineFiles;
  readonly confinement: Confinement;
  /** Whether it goes on from a saved guest; absent: it boots. */
  readonly templates?: TemplateMode | undefined;
  readonly image: ImageFacts;
  /** What the machine may reach. Null: it has no network card. Nobody starts a machine without having decided it. */
  readonly network: NetworkPlan | null;
  readonly lent: Lent;
  /** Null: it has none. */
  readonly gpu: VmGpu | null;
  /** Folders of the host, in the order in which they are mounted. */
  readonly volumes: readonly PlannedVolume[];
  /** The first process, of a throw-away machine, has a terminal. */
  readonly terminal: boolean;
  /** What becomes of a lasting machine when the program that has started it is gone; absent: nothing. */
  readonly owner?: OwnerPolicy | undefined;
}

/** A machine that is owned is stopped in order, or ended at once and deleted, when its owner's connection ends. */
export type OwnerPolicy = "stop" | "delete";

/** What whoever starts the machine gives along from its own surroundings: never part of a record, a state or a log. */
export interface Lent {
  /** `NAME=value`. */
  readonly secrets: readonly string[];
  /** Path of the SSH agent's socket; null: none is lent. */
  readonly sshAgent: string | null;
}

/** A folder or file of the host, looked at by who starts the machine. */
export interface PlannedVolume extends RootShare {
  /** Absolute, without links. */
  readonly path: string;
  /** The directory in which the guest's changes are kept, apart from the folder; undefined: it changes the folder. */
  readonly workspace?: string | undefined;
}

/** What the image says about how its programs run; hostile data. */
export interface ImageFacts extends WorkloadDefaults {
  /** `sha256:<hex>`; null for the built-in one. */
  readonly id: string | null;
  /** Directories that VOLUME names: as `ImageConfig`. */
  readonly volumes: readonly string[];
  /** What STOPSIGNAL says: as `ImageConfig`. */
  readonly stopSignal?: string | undefined;
}

/** Files of the host that the machine is made of; all are read, none is written. */
export interface MachineFiles {
  readonly kernel: string;
  /** The library of the krun engine. */
  readonly libkrun?: string | undefined;
  /** Starts the VM's process confined; undefined where there is none (macOS). */
  readonly launcher?: string | undefined;
  /** The program that calls libkrun, started by the launcher. */
  readonly krun?: string | undefined;
  /** The library by which a process gives all its threads rules of Landlock; undefined where there is no launcher. */
  readonly threads?: string | undefined;
  /** The library that gives QEMU the memory of a template. */
  readonly memory?: string | undefined;
  /** Root of the guest's own system (EROFS). */
  readonly system: string;
  /** The workload's root filesystem (EROFS). */
  readonly image: { readonly path: string; readonly format: DiskFormat };
  readonly overlayTemplate: string;
  readonly storageTemplate: string;
}

/** A template that should be made, and the VM that others will be like. */
export interface WantedTemplate {
  readonly name: string;
  /** Its own disks may be gone soon. */
  readonly spec: VmSpec;
}

/** Answer to `start`: when things happened, milliseconds since the epoch, and who runs. */
export interface StartReport {
  readonly launchedAt: number;
  readonly initAt: number;
  readonly readyAt: number;
  /** Of the machine's process. */
  readonly pid: number;
  readonly vmmPid: number;
  /** What the user should know about the root, one sentence each. */
  readonly notes: readonly string[];
  /** Absent where no template was thought of. */
  readonly template?: { readonly used: boolean; readonly wanted?: WantedTemplate | undefined } | undefined;
}

/** What happens during a start, as `event`s; an init command's output is on the channels 1 and 2. */
export type StartEvent =
  | { readonly type: "init"; readonly index: number; readonly count: number }
  | { readonly type: "init_skipped"; readonly count: number };
