/** What callers are told. */
import type { NetworkPolicy, PortMapping } from "./machine.ts";

/**
 * How a machine is; later releases may know more.
 *
 * @example
 * const status: MachineStatus = (await machine.refresh()).status;
 */
export type MachineStatus =
  | "created"
  | "starting"
  | "running"
  | "stopping"
  | "stopped"
  | "failed"
  | (string & {});

/**
 * What is known of a machine, as it was when it was asked.
 *
 * @example
 * const { cpus, memoryMiB, createdAt }: MachineInfo = await Machine.inspect("dev");
 */
export interface MachineInfo {
  readonly name: string;
  readonly status: MachineStatus;
  /** Why, for people. */
  readonly reason?: string | undefined;
  readonly image?: string | undefined;
  /** Of the machine's process, while it runs. */
  readonly pid?: number | undefined;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly storageGiB: number;
  readonly overlayGiB: number;
  readonly network: boolean;
  /** What it may reach, as it was asked for. */
  readonly networkPolicy: NetworkPolicy;
  readonly ports: readonly PortMapping[];
  readonly mounts: readonly MountInfo[];
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** What its image, or `command`, runs; absent: nothing yet. */
  readonly workload?: WorkloadInfo | undefined;
  readonly createdAt: Date;
  readonly startedAt?: Date | undefined;
}

/**
 * A folder or file of the host, or a volume, in a machine.
 *
 * @example
 * const folders: MountInfo[] = machine.info.mounts.filter(({ kind }) => kind === "bind");
 */
export interface MountInfo {
  readonly kind: "bind" | "volume" | "overlay";
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/**
 * The program that a machine is there for.
 *
 * @example
 * const workload: WorkloadInfo | undefined = (await machine.refresh()).info.workload;
 * if (workload?.outOfMemory) console.error("it needs more memory");
 */
export interface WorkloadInfo {
  readonly command: readonly string[];
  readonly running: boolean;
  /** Absent while it runs; 128 and the signal's number when one ended it. */
  readonly exitCode?: number | undefined;
  readonly outOfMemory: boolean;
}

/**
 * What a machine uses.
 *
 * @example
 * const { memoryBytes, availableBytes }: MachineStats = await machine.stats();
 * console.log(`${Math.round((100 * memoryBytes) / (memoryBytes + availableBytes))} %`);
 */
export interface MachineStats {
  /** What its programs and its kernel have of its memory. */
  readonly memoryBytes: number;
  readonly availableBytes: number;
  /** What it takes of the host's memory. */
  readonly hostBytes?: number | undefined;
  /** Share of one processor. */
  readonly processors?: number | undefined;
  readonly processes: number;
}

/**
 * What is known of a file of a machine.
 *
 * @example
 * const files: FileStat[] = await machine.fs.readdir("/etc");
 * const total = files.reduce((sum, { size }) => sum + size, 0);
 */
export interface FileStat {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Date;
}

/**
 * A line of a log.
 *
 * @example
 * const print = ({ time, text }: LogEntry) => console.log(time.toISOString(), text);
 * for await (const entry of machine.logs()) print(entry);
 */
export interface LogEntry {
  readonly time: Date;
  readonly stream: "stdout" | "stderr" | "console" | (string & {});
  /** A line without its end. */
  readonly text: string;
}

/**
 * What happens to a machine; types that are not named here may come with later releases.
 *
 * @example
 * const isBad = ({ type }: MonitorEvent) => type === "ended" || type === "gave_up";
 * for await (const event of machine.monitor()) if (isBad(event)) console.error(event);
 */
export interface MonitorEvent {
  readonly type: "watching" | "health" | "ended" | "restarting" | "started" | "gave_up" | (string & {});
  readonly [key: string]: unknown;
}

/**
 * What is known of an image of this host.
 *
 * @example
 * const image: ImageInfo = await images.pull("alpine:3.20");
 * console.log(image.digest, image.arch);
 */
export interface ImageInfo {
  readonly id: string;
  readonly reference?: string | undefined;
  readonly digest?: string | undefined;
  readonly sizeBytes: number;
  readonly os: string;
  readonly arch: string;
}

/**
 * All that is known of an image of this host.
 *
 * @example
 * const { layers, config }: ImageDetails = await images.inspect("alpine:3.20");
 * console.log(layers.length, config.env.PATH);
 */
export interface ImageDetails extends ImageInfo {
  /** The lowest first. */
  readonly layers: readonly { readonly diffId: string; readonly sizeBytes: number }[];
  /** How it is run. */
  readonly config: {
    readonly entrypoint: readonly string[];
    readonly command: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly workdir: string;
    /** Empty: root. */
    readonly user: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly volumes: readonly string[];
    readonly stopSignal?: string | undefined;
  };
}

/**
 * An image that a machine was made into; `Machine.create({ image })` takes it.
 *
 * @example
 * const image: BuiltImage = await images.commit("dev", { name: "dev:1" });
 * const machine = await Machine.create({ image });
 */
export interface BuiltImage {
  readonly id: string;
  /** What it is called. */
  readonly reference: string;
  readonly sizeBytes: number;
}

/**
 * Whether machines can run on a host, and why not.
 *
 * @example
 * const host: HostCheck = await checkHost();
 * console.log(host.ok ? `machines run, by ${host.engine}` : host.reason);
 */
export type HostCheck =
  | { readonly ok: true; readonly engine: string }
  | {
      readonly ok: false;
      readonly code: string;
      readonly reason: string;
      readonly hint?: string | undefined;
    };
