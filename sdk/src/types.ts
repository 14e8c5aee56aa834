/** The shapes that callers and the SDK hand each other. */

/** Of every call that may take long. */
export interface CallOptions {
  /** The call rejects with the signal's reason, as fetch does; what it had begun is ended. */
  readonly signal?: AbortSignal | undefined;
  /** The call rejects with `OperationTimeoutError` after so many milliseconds. Default: no limit. */
  readonly timeoutMs?: number | undefined;
}

/** What a long call is doing. */
export type Progress =
  | {
      readonly type: "pull" | "unpack";
      readonly image: string;
      readonly receivedBytes: number;
      readonly totalBytes?: number | undefined;
    }
  | { readonly type: "boot" }
  | { readonly type: "init" | "step"; readonly index: number; readonly count: number }
  | { readonly type: "transfer"; readonly bytes: number; readonly total?: number | undefined };

export type OnProgress = (event: Progress) => void;

/** What the end of a handle's scope (`await using`) does with its machine. */
export type DisposePolicy = "delete" | "stop" | "detach";

export type MachineStatus =
  | "created"
  | "starting"
  | "running"
  | "stopping"
  | "stopped"
  | "failed"
  | (string & {});

export type SignalName =
  | "SIGHUP"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGKILL"
  | "SIGTERM"
  | "SIGUSR1"
  | "SIGUSR2"
  | "SIGSTOP"
  | "SIGCONT";

/** What can be standard input, or a file's content. */
export type Source = string | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** Values that are undefined are left out. */
export type Env = Readonly<Record<string, string | undefined>>;

/** `false`: none. `true`: everything. Else what may be reached, and nothing else. */
export type NetworkPolicy =
  | boolean
  | {
      /** NAME, *.NAME, each with :PORT. */
      readonly allowHosts?: readonly string[] | undefined;
      /** ADDRESS/BITS. */
      readonly allowCidrs?: readonly string[] | undefined;
      /** Lists that smolvm has. */
      readonly presets?: readonly string[] | undefined;
      /** This host's loopback answers at the machine's gateway. */
      readonly hostLoopback?: boolean | undefined;
    };

/** A port of the host that leads into the machine. */
export interface PortMapping {
  readonly guest: number;
  readonly host: number;
  readonly protocol: "tcp" | "udp";
  readonly bind: string;
}

/** A number: that port of the machine, at any free port of the host. `HOST:GUEST`, or an object. */
export type PortInput =
  | number
  | `${number}:${number}`
  | {
      readonly guest: number;
      readonly host?: number | undefined;
      readonly protocol?: "tcp" | "udp" | undefined;
      readonly bind?: string | undefined;
    };

/** A folder or file of the host in the machine; or `SOURCE:TARGET[:ro]`. */
export type MountInput =
  | string
  | {
      readonly source: string;
      readonly target: string;
      readonly readOnly?: boolean | undefined;
      /** The machine's changes are kept apart. */
      readonly overlay?: boolean | undefined;
    };

/** A variable whose value is looked up on this host at each start and each command: it is in no record. */
export type SecretRef = { readonly fromEnv: string } | { readonly fromFile: string };

export interface HealthCheck {
  readonly exec: readonly string[];
  readonly intervalMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
  readonly startupGraceMs?: number | undefined;
}

/** What a machine is. What is left out is the command line's default. */
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

export interface ConnectOptions extends CallOptions {
  /** Boot it when it does not run. Default: false, its state is left alone. */
  readonly start?: boolean | undefined;
  /** What `await using` does. Default: "stop". */
  readonly onDispose?: Exclude<DisposePolicy, "delete"> | undefined;
  readonly hooks?: ExecHooks | undefined;
}

/** What is known of a machine, as it was when it was asked. */
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
  readonly ports: readonly PortMapping[];
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  readonly startedAt?: Date | undefined;
}

export interface MachineUpdate {
  readonly cpus?: number | undefined;
  readonly memoryMiB?: number | undefined;
  readonly storageGiB?: number | undefined;
  readonly overlayGiB?: number | undefined;
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

export interface ExecOptions extends CallOptions {
  /** Win over the machine's. */
  readonly env?: Env | undefined;
  readonly secrets?: Readonly<Record<string, SecretRef>> | undefined;
  /** Absolute. Default: the machine's. */
  readonly workdir?: string | undefined;
  /** USER[:GROUP]. Default: the machine's. */
  readonly user?: string | undefined;
  readonly stdin?: Source | undefined;
  /** Throw `CommandFailedError` when it fails. Default: false. */
  readonly check?: boolean | undefined;
  readonly onStdout?: ((chunk: Uint8Array) => void) | undefined;
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined;
  /** Bytes that are kept of each output; the rest sets `truncated`. Default: 16 MiB. */
  readonly maxOutputBytes?: number | undefined;
}

export interface SpawnOptions
  extends Omit<ExecOptions, "check" | "onStdout" | "onStderr" | "maxOutputBytes" | "stdin"> {
  readonly tty?: boolean | { readonly cols: number; readonly rows: number } | undefined;
}

export interface ExitStatus {
  /** 128 and the signal's number for a command that a signal ended. */
  readonly exitCode: number;
  readonly signal: SignalName | null;
}

export type ExecEvent =
  | { readonly type: "started"; readonly pid: number }
  | { readonly type: "stdout"; readonly data: Uint8Array }
  | { readonly type: "stderr"; readonly data: Uint8Array }
  | ({ readonly type: "exit" } & ExitStatus);

export interface ExecContext {
  readonly machine: string;
  readonly command: readonly string[];
  readonly options: ExecOptions;
}

/** Called around each `exec`, `run` and `sh`. */
export interface ExecHooks {
  /** What it throws keeps the command from running: `sdk.blocked`, with the cause. */
  beforeExec?(context: ExecContext): void | Promise<void>;
  afterExec?(context: ExecContext, result: import("./result.ts").ExecResult): void | Promise<void>;
  execError?(context: ExecContext, error: unknown): void | Promise<void>;
}

export interface CopyOptions extends CallOptions {
  /** Make the directories above the target. */
  readonly mkdir?: boolean | undefined;
  readonly maxBytes?: number | undefined;
  readonly mode?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface FileStat {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Date;
}

export interface LogEntry {
  readonly time: Date;
  readonly stream: "stdout" | "stderr" | "console" | (string & {});
  /** A line without its end. */
  readonly text: string;
}

/** What happens to a machine; types that are not named here may come with later releases. */
export interface MonitorEvent {
  readonly type: "watching" | "health" | "ended" | "restarting" | "started" | "gave_up" | (string & {});
  readonly [key: string]: unknown;
}

export interface ImageInfo {
  readonly id: string;
  readonly reference?: string | undefined;
  readonly digest?: string | undefined;
  readonly sizeBytes: number;
  readonly os: string;
  readonly arch: string;
}

/** An image that a machine was made into; `Machine.create({ image })` takes it. */
export interface BuiltImage {
  readonly id: string;
  /** What it is called. */
  readonly reference: string;
  readonly sizeBytes: number;
}

export type HostCheck =
  | { readonly ok: true; readonly engine: string }
  | {
      readonly ok: false;
      readonly code: string;
      readonly reason: string;
      readonly hint?: string | undefined;
    };
