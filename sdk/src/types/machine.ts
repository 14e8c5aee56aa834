/** What callers say of a machine. */
import type { CallOptions, Env, OnProgress, SecretRef } from "./calls.ts";
import type { ExecHooks } from "./commands.ts";
import type { BuiltImage } from "./known.ts";

/**
 * What the end of a handle's scope (`await using`) does with its machine.
 *
 * @example
 * const onDispose: DisposePolicy = "stop";
 * await using machine = await Machine.create({ name: "dev", onDispose });
 */
export type DisposePolicy = "delete" | "stop" | "detach";

/**
 * What a machine may reach. `false`: nothing. `true`: everything. Else what is named, and nothing else.
 *
 * @example
 * const network: NetworkPolicy = { allowHosts: ["pypi.org", "*.pythonhosted.org:443"] };
 * const machine = await Machine.create({ network });
 */
export type NetworkPolicy =
  | boolean
  | {
      /** NAME, *.NAME, each with :PORT. */
      readonly allowHosts?: readonly string[] | undefined;
      /** ADDRESS/BITS. */
      readonly allowCidrs?: readonly string[] | undefined;
      /** Lists that smolvm has. */
      readonly presets?: readonly string[] | undefined;
      /** Servers for names, ADDRESS[:PORT]. Default: this host's. */
      readonly dns?: readonly string[] | undefined;
      /** This host's loopback answers at the machine's gateway. */
      readonly hostLoopback?: boolean | undefined;
    };

/**
 * A port of the host that leads into the machine.
 *
 * @example
 * const web: PortMapping | undefined = machine.ports().find(({ guest }) => guest === 80);
 */
export interface PortMapping {
  readonly guest: number;
  readonly host: number;
  readonly protocol: "tcp" | "udp";
  readonly bind: string;
}

/**
 * A number: that port of the machine, at any free port of the host. `HOST:GUEST`, or an object.
 *
 * @example
 * const ports: PortInput[] = [80, "8080:8000", { guest: 53, host: 5353, protocol: "udp" }];
 * const machine = await Machine.create({ ports });
 */
export type PortInput =
  | number
  | `${number}:${number}`
  | {
      readonly guest: number;
      readonly host?: number | undefined;
      readonly protocol?: "tcp" | "udp" | undefined;
      readonly bind?: string | undefined;
    };

/**
 * A folder or file of the host in the machine; or `SOURCE:TARGET[:ro]`.
 *
 * @example
 * const mounts: MountInput[] = ["./src:/src:ro", { source: "./work", target: "/work", overlay: true }];
 * const machine = await Machine.create({ mounts });
 */
export type MountInput =
  | string
  | {
      readonly source: string;
      readonly target: string;
      readonly readOnly?: boolean | undefined;
      /** The machine's changes are kept apart. */
      readonly overlay?: boolean | undefined;
    };

/**
 * A command that says whether the machine does what it is there for.
 *
 * @example
 * const health: HealthCheck = { exec: ["pg_isready"], intervalMs: 5000, retries: 3 };
 * const db = await Machine.create({ image: "postgres:17-alpine", health });
 */
export interface HealthCheck {
  readonly exec: readonly string[];
  readonly intervalMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
  readonly startupGraceMs?: number | undefined;
}

/**
 * A GPU of the host's. `vramMiB` is what it may take of the host's memory, 4096 if left out.
 *
 * @example
 * const gpu: GpuInput = { vramMiB: 2048 };
 * const drawing = await Machine.create({ image: "debian:13", gpu });
 */
export type GpuInput = boolean | { readonly vramMiB?: number | undefined };

/**
 * What a machine is. What is left out is the command line's default.
 *
 * @example
 * const options: MachineOptions = { image: "alpine:3.20", cpus: 2, memoryMiB: 1024, workdir: "/tmp" };
 * const machine = await Machine.create(options);
 */
export interface MachineOptions {
  /** Default: `vm-` and eight digits. */
  readonly name?: string | undefined;
  /** Of a registry or the cache, or the path of one. Default: the built-in Alpine. */
  readonly image?: string | { readonly path: string } | Pick<BuiltImage, "reference"> | undefined;
  /** The path of a pack. Not with `image`. */
  readonly from?: string | undefined;
  /** The path of a file that describes machines; options win over what it says. Not with `from`. */
  readonly smolfile?: string | undefined;
  readonly entrypoint?: readonly string[] | undefined;
  readonly command?: readonly string[] | undefined;
  readonly cpus?: number | undefined;
  /** Taken as it is used. */
  readonly memoryMiB?: number | undefined;
  /** The disk at /storage. */
  readonly storageGiB?: number | undefined;
  /** For changes to the image's files. */
  readonly overlayGiB?: number | undefined;
  /** The host's, where engine and host can. Default: none. */
  readonly gpu?: GpuInput | undefined;
  /** Default: none. */
  readonly network?: NetworkPolicy | undefined;
  readonly ports?: readonly PortInput[] | undefined;
  readonly mounts?: readonly MountInput[] | undefined;
  readonly env?: Env | undefined;
  readonly secrets?: Readonly<Record<string, SecretRef>> | undefined;
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  /** Shell commands at each start, before the workload. */
  readonly init?: readonly string[] | undefined;
  readonly sshAgent?: boolean | undefined;
  readonly health?: HealthCheck | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds from each start after which it ends by itself. */
  readonly ttlMs?: number | undefined;
  /** Milliseconds of idleness after which it ends by itself. */
  readonly idleMs?: number | undefined;
}

/**
 * A machine, and how it is made.
 *
 * @example
 * const options: CreateOptions = { image: "alpine:3.20", detached: true, startTimeoutMs: 60_000 };
 * const machine = await Machine.create(options);
 */
export interface CreateOptions extends MachineOptions, CallOptions {
  /** Boot before resolving. Default: true. */
  readonly start?: boolean | undefined;
  /** Milliseconds that the boot may take once the image is there. Default: 30,000. */
  readonly startTimeoutMs?: number | undefined;
  /** The machine stays when this program ends, however it ends. Default: false. */
  readonly detached?: boolean | undefined;
  /** What `await using` does, and the end of this program. Default: "delete". */
  readonly onDispose?: DisposePolicy | undefined;
  readonly hooks?: ExecHooks | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * How a machine is taken that is there.
 *
 * @example
 * const options: ConnectOptions = { start: true, onDispose: "detach" };
 * await using machine = await Machine.connect("dev", options);
 */
export interface ConnectOptions extends CallOptions {
  /** Boot it when it does not run. Default: false, its state is left alone. */
  readonly start?: boolean | undefined;
  /** Milliseconds that the boot may take once the image is there. Default: 30,000. */
  readonly startTimeoutMs?: number | undefined;
  /** What `await using` does. Default: "stop". */
  readonly onDispose?: Exclude<DisposePolicy, "delete"> | undefined;
  readonly hooks?: ExecHooks | undefined;
}

/**
 * What changes of a machine; what is left out stays.
 *
 * @example
 * const changes: MachineUpdate = { memoryMiB: 2048, addPorts: ["8080:80"], removeEnv: ["DEBUG"] };
 * await machine.stop();
 * await machine.update(changes);
 */
export interface MachineUpdate {
  readonly cpus?: number | undefined;
  readonly memoryMiB?: number | undefined;
  readonly storageGiB?: number | undefined;
  readonly overlayGiB?: number | undefined;
  readonly gpu?: GpuInput | undefined;
  readonly network?: NetworkPolicy | undefined;
  readonly addPorts?: readonly PortInput[] | undefined;
  readonly removePorts?: readonly PortInput[] | undefined;
  readonly addMounts?: readonly MountInput[] | undefined;
  /** By their paths in the machine. */
  readonly removeMounts?: readonly string[] | undefined;
  readonly env?: Env | undefined;
  readonly removeEnv?: readonly string[] | undefined;
  readonly workdir?: string | undefined;
}
