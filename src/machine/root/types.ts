import type { Tmpfs } from "../model/spec.ts";

/** What a machine's root is made from: decided on the host, before anything of the guest is known. */
export interface RootInput {
  /** Of the machine. */
  readonly name: string;
  /** Whether the machine has the built-in image and none of the user's. */
  readonly bare: boolean;
  /** The image's VOLUME paths, absolute. */
  readonly volumes: readonly string[];
  /** Whether the first process is an init system (`isInitSystem`). */
  readonly initSystem: boolean;
  /** Whether the first process has a terminal. */
  readonly terminal: boolean;
  /** Whether the machine has a GPU. */
  readonly gpu: boolean;
  /** Whether the disks are thrown away with the machine, however it ends. */
  readonly ephemeral: boolean;
  /** Of the virtual machine. */
  readonly memoryMib: number;
  /** Most processes and threads at once; null: what the memory suggests. */
  readonly pids: number | null;
  /** Address of the resolver; undefined: there is no network. */
  readonly nameserver?: string | undefined;
  readonly disks: RootDisks;
  /** Folders of the host, mounted on the system's side in this order (`volumePlace`). */
  readonly shares: readonly RootShare[];
  readonly tmpfs: readonly Tmpfs[];
}

/** A folder of the host, or one of its files. */
export interface RootShare {
  /** Absolute. */
  readonly target: string;
  readonly isFile: boolean;
  readonly readOnly: boolean;
  /** An empty one gets what the image has there. */
  readonly fill: boolean;
}

/** Devices of the guest, e.g. `/dev/vdb`. */
export interface RootDisks {
  /** EROFS, read-only. */
  readonly image: string;
  /** What the workload changes. */
  readonly overlay: WritableDisk;
  /** /storage and /workspace. */
  readonly storage: WritableDisk;
}

/** An ext4 of the machine's own. */
export interface WritableDisk {
  readonly device: string;
  /** Whether the disk is larger than its filesystem. */
  readonly grow: boolean;
}
