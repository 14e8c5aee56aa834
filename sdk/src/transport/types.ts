/**
 * How the SDK reaches machines: over a child of its own on this host (local/), or over a server (serve/). Everything above
 * this interface is the same for both.
 */
import type { Progress } from "../types/index.ts";

/** An operation of the HTTP API whose answer is JSON (docs/http-api.md), by its `operationId`. */
export interface ApiCall {
  readonly operation: string;
  /** Parts of its path. */
  readonly name?: string | undefined;
  readonly id?: string | undefined;
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  readonly body?: unknown;
}

/** What becomes of a machine when the program that made it is gone. */
export type Owner = "delete" | "stop" | undefined;

export interface CreateRequest {
  /** The body of `createMachine`; paths of the host are absolute. */
  readonly machine: Readonly<Record<string, unknown>>;
  /** Absolute. What `machine` says wins. */
  readonly smolfile?: string | undefined;
  readonly secrets?: readonly SecretSource[] | undefined;
  readonly sshAgent?: boolean | undefined;
  readonly owner?: Owner;
}

export interface StartRequest {
  readonly owner?: Owner;
  /** Milliseconds that the boot may take once the image is there. */
  readonly timeoutMs?: number | undefined;
}

export type SecretSource =
  | { readonly name: string; readonly env: string }
  | { readonly name: string; readonly file: string };

export interface ProcessRequest {
  readonly argv: readonly string[];
  /** `NAME=value`. */
  readonly env?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly user?: string | undefined;
  readonly tty?: { readonly columns: number; readonly rows: number } | undefined;
  /** Whether `write` will be used; else its standard input is empty. */
  readonly stdin: boolean;
  /** Values are looked up on this host, at once. Refused by a server. */
  readonly secrets?: readonly SecretSource[] | undefined;
}

/** How a process ended. */
export type ProcessEnd = { readonly exitCode: number } | { readonly signal: number };

/** A process of a machine that this program has started. */
export interface RemoteProcess {
  /** In the machine; 0 where the transport does not tell. */
  readonly pid: number;
  /** Reading is what lets it write more; each is read once. */
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  /** After all its output has arrived. @throws SmolvmError */
  readonly ended: Promise<ProcessEnd>;
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Its standard input ends here. */
  end(): void;
  /** To its process group. @param number of the signal */
  signal(number: number): void;
  resize(size: { readonly columns: number; readonly rows: number }): void;
  /** Kills it and everything that it has started. */
  kill(): void;
}

/** A process that outlives its clients, to which this program is attached. */
export interface AttachedRemote extends RemoteProcess {
  readonly id: string;
  /** Bytes of its output that were gone before they were read. */
  readonly missedBytes: number;
  /** Lets go of it: it runs on, and `ended` rejects with `sdk.detached`. */
  kill(): void;
}

/** How much of a process's outputs somebody has, in bytes from its start. */
export interface Offsets {
  readonly stdout: number;
  readonly stderr: number;
}

/** A line of a machine's log. */
export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly stream: string;
  readonly text: string;
}

export interface LogRequest {
  readonly follow?: boolean | undefined;
  readonly tail?: number | undefined;
  readonly source?: "workload" | "console" | undefined;
}

export interface Work {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: Progress) => void) | undefined;
}

/** Failures are `SmolvmError`s, or the signal's reason. */
export interface Transport {
  /** What the API answers. */
  api(call: ApiCall, work?: Work): Promise<unknown>;
  /** @returns the machine, as `getMachine` tells it; `created` is false for one that was there (`ifNotExists`) */
  create(
    request: CreateRequest,
    work?: Work,
  ): Promise<{ readonly machine: unknown; readonly created: boolean }>;
  /** Starts it, and waits until it runs. @returns the machine */
  start(name: string, options: StartRequest, work?: Work): Promise<unknown>;
  /** The machine is not owned any more: it stays when this program ends. */
  release(name: string, work?: Work): Promise<void>;
  /** Resolves when the program runs. */
  exec(name: string, request: ProcessRequest, work?: Work): Promise<RemoteProcess>;
  /** Starts a program that outlives its clients. @returns its id */
  launch(name: string, request: ProcessRequest, work?: Work): Promise<string>;
  /** Takes part in such a process. @param since what is had of its outputs */
  attach(name: string, id: string, since: Offsets, work?: Work): Promise<AttachedRemote>;
  /** Another method of the machine's own process (docs/protocol.md), as a stream of what it tells until the signal. */
  watch(
    name: string,
    method: "supervise" | "stats",
    params: unknown,
    work?: Work,
  ): AsyncIterable<Readonly<Record<string, unknown>>>;
  /** Writes one file; it appears when it is complete. @returns bytes written */
  writeFile(
    name: string,
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: { readonly mode?: number | undefined; readonly parents?: boolean | undefined },
    work?: Work,
  ): Promise<number>;
  /** Reads one file. */
  readFile(name: string, path: string, work?: Work): AsyncIterable<Uint8Array>;
  /** Copies a file or a directory of this host into a machine. @returns bytes copied */
  copyIn(name: string, hostPath: string, path: string, options: CopySettings, work?: Work): Promise<number>;
  /** The same to this host. */
  copyOut(name: string, path: string, hostPath: string, options: CopySettings, work?: Work): Promise<number>;
  logs(name: string, options: LogRequest, work?: Work): AsyncIterable<LogLine>;
  /** @returns the image, as `pullImage` tells it */
  pull(image: string, platform: string | undefined, work?: Work): Promise<unknown>;
  /** @returns `{ok: true}` or why machines cannot run */
  checkHost(work?: Work): Promise<unknown>;
  /** What a command of the program prints with `--json`. A server has no such thing: `sdk.unsupported`. */
  program(words: readonly string[], work?: Work): Promise<unknown>;
  /** Where the machine's files are, and when it was made (milliseconds since the epoch). */
  locate(name: string, work?: Work): Promise<{ readonly dataDir: string; readonly createdAt: number }>;
  /** Ends what this program owns, and the connection. Later calls fail with `sdk.closed`. */
  close(): Promise<void>;
}

export interface CopySettings {
  readonly parents?: boolean | undefined;
  readonly mode?: number | undefined;
  /** More is an error (`copy.limit`), and nothing appears. */
  readonly maxBytes?: number | undefined;
}
