import type { ConfinedProgram, Confinement, Starter } from "../confine/index.ts";
import type { SmolError } from "../errors.ts";

/** In the order of preference. */
export const engineNames = ["krun", "qemu"] as const;
export type EngineName = (typeof engineNames)[number];

/** A VM in plain words. Paths are absolute paths on the host. */
export interface VmSpec {
  /** Virtual CPUs. */
  readonly cpus: number;
  /** Memory the guest sees; the host gives it page by page as the guest touches it, and gets free pages back. */
  readonly memoryMib: number;
  /** Kernel: an ELF vmlinux with a PVH note on x86-64, a raw Image on arm64. */
  readonly kernel: string;
  /** Kernel parameters of the caller's, one each; console, reboot and timing parameters are the engine's. */
  readonly commandLine: readonly string[];
  /** Disk images: /dev/vda, /dev/vdb, … in this order. At most `Engine.room` disks and shares together. */
  readonly disks: readonly VmDisk[];
  /** Directories given by virtio-fs (krun); read-only is enforced on the host's side. */
  readonly shares: readonly VmShare[];
  /** Undefined: the VM has no network device at all. */
  readonly card?: NetCard | undefined;
  /** Undefined: the VM has none. */
  readonly gpu?: VmGpu | undefined;
  /** Unix socket on which the caller already listens; the guest's agent channel becomes one connection to it. */
  readonly agentSocket: string;
  /** vsock port of the host to which the agent connects, where the engine's transport is vsock. */
  readonly agentPort: number;
  /** The writable disks are thrown away afterwards: a flush of the guest's need not reach the host's disk. */
  readonly ephemeral: boolean;
}

/** `vmdk`: a descriptor that joins several files, which it names relative to itself, into one read-only disk. */
export type DiskFormat = "raw" | "vmdk";

export interface VmDisk {
  readonly path: string;
  readonly readOnly: boolean;
  /** Default: raw. */
  readonly format?: DiskFormat | undefined;
}

export interface VmShare {
  /** What the guest mounts. */
  readonly tag: string;
  readonly path: string;
  readonly readOnly: boolean;
  /** Size of the window through which the guest maps the host's page cache; without one there is no DAX. */
  readonly daxWindowMib?: number | undefined;
}

/**
 * A virtio network card. Its wire is a Unix stream socket on which the caller already listens: Ethernet frames, each
 * behind its length (u32, big endian).
 */
export interface NetCard {
  readonly socket: string;
  /** `02:53:…` */
  readonly mac: string;
}

/** A virtio GPU. */
export interface VmGpu {
  /** What it may take of the host's memory, MiB. */
  readonly vramMib: number;
  /** The host's GPU that does its work; null: nothing does, and the guest only finds a card (qemu). */
  readonly renderNode: string | null;
}

/** How a VM ended. */
export interface VmExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last lines of the guest's console, then of the VMM's own messages; safe to print. */
  readonly console: string;
  /** Set when the VMM failed before the guest ran: what to show instead of code and signal. */
  readonly error: SmolError | null;
}

export interface RunningVm {
  /** Process id of the VMM, as soon as it is known; before, of the one that starts it. */
  readonly pid: number;
  /** Resolves when the VMM process is gone; never rejects. */
  readonly exited: Promise<VmExit>;
  /** Ends the VM at once, like pulling the plug; more than once does no harm. */
  kill(): void;
}

/** A VMM process that waits for its order: started early, so that its start-up costs no time later. */
export interface VmmHandle {
  readonly pid: number;
  /** Resolves when the process is gone, whether it ever ran a VM or not; never rejects. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** Ends it at once. */
  kill(): void;
}

export interface LaunchOptions {
  /** Where there is a launcher: how the VM's process is confined. */
  readonly confine?: LaunchConfined | undefined;
  /** Elsewhere: a VMM process from `prepareVmm`, started earlier; without one it is started now. */
  readonly vmm?: VmmHandle | undefined;
  /** On macOS: whether the VM's process has a sandbox of its own. */
  readonly sandbox?: boolean | undefined;
  /** Path of libkrun.so.1; the krun engine needs it. */
  readonly libkrun?: string | undefined;
  /** Gets the console's bytes as they come: hostile, unsanitised. Slow consumers lose nothing, but must not block. */
  readonly consoleLog?: ((chunk: Uint8Array) => void) | undefined;
}

/** What it takes to start a confined process. */
export interface LaunchConfined {
  readonly confinement: Confinement;
  /** What starts it. */
  readonly starter: Pick<Starter, "start" | "learn">;
  /** The program that calls libkrun; the krun engine needs it. */
  readonly krun?: string | undefined;
}

export interface Engine {
  readonly name: EngineName;
  /** How many disks and shares a VM can have, together; a network card has its place beside them. */
  readonly room: number;
  /** What the agent's channel is in the guest; as virtio-serial, the port's name is `smolvm.agent`. */
  readonly agentTransport: "vsock" | "virtio-serial";
  /**
   * Starts a VM.
   *
   * @throws SmolError `engine.bad_spec` or `engine.file_unusable`, before anything is started
   */
  launch(spec: VmSpec, options?: LaunchOptions): RunningVm;
  /** Undefined: it boots every VM. */
  readonly templates?: Templates | undefined;
}

/** How an engine saves a VM whose guest is at rest, and starts others that go on from there (docs/design/boot.md). */
export interface Templates {
  /**
   * Names what a VM and its template have in common: equal names, equal VMs. Undefined: such a VM always boots.
   *
   * @throws SmolError as `launch`
   */
  shapeOf(spec: VmSpec): string | undefined;
  /**
   * Starts a VM that goes on where a template has stopped. One that cannot ends, and `VmExit.error` says why. Needs
   * `LaunchOptions.confine`, as `launchSaveable`.
   */
  restore(spec: VmSpec, from: Restore, options: LaunchOptions): RunningVm;
  /** Has what starts VMs know how to boot this one: once that is sealed, it could not learn it. */
  prepareBoot(spec: VmSpec, options: LaunchOptions): void;
  /** Boots a VM that can be saved. */
  launchSaveable(spec: VmSpec, to: SavePlace, options: LaunchOptions): SaveableVm;
}

/** What a VM goes on from. */
export interface Restore {
  /** The file with the content of its memory; only read. */
  readonly memory: string;
  /** The file with what its devices were. */
  readonly devices: string;
  /** Which VMM has saved it: only the same one restores it. */
  readonly vmm: string;
  /** The library that maps the memory. */
  readonly library: string;
}

/** Where a VM is saved. */
export interface SavePlace {
  /** A file of the size of its memory, which becomes that. */
  readonly memory: string;
  /** An empty file. */
  readonly devices: string;
}

export interface SaveableVm extends RunningVm {
  /**
   * Stops the VM and saves it; both files are complete then.
   *
   * @returns which VMM has saved it
   * @throws SmolError `engine.template_failed`
   */
  save(): Promise<string>;
}

/** A VM as a program that is to be confined. @param krun the program that calls libkrun; the krun engine needs it */
export type VmProgram = (krun: string | undefined) => ConfinedProgram;

/** What a VMM process is told to do where there is no launcher, as one line of JSON on its standard input. */
export type VmmOrder = (
  | { readonly engine: "krun"; readonly libkrun: string; readonly commandLine: string; readonly spec: VmSpec }
  | { readonly engine: "qemu"; readonly command: readonly [string, ...string[]] }
) & {
  /** The profile of its sandbox (macOS). */
  readonly sandbox?: string | undefined;
};

/** Whether an engine works on this host. */
export interface Verdict {
  readonly engine: EngineName;
  readonly works: boolean;
  /** One line: what was found, or why not. */
  readonly reason: string;
  /** What to do about it: a sentence or a command; absent when there is nothing to do, or nothing that helps. */
  readonly fix?: string | undefined;
  /** For `smolvm doctor`: `path`, `version` and the like. */
  readonly details: Readonly<Record<string, string>>;
}
