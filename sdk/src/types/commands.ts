/** Commands, and files that come and go. */
import type { ExecResult } from "../result.ts";
import type { CallOptions, Env, OnProgress, SecretRef, Source } from "./calls.ts";

/**
 * The signals of Linux; `SIG34` and so on are those without a name, which end processes, and are sent by their number.
 *
 * @example
 * const { signal } = await machine.run("kill -SEGV $$");
 * console.log(signal); // SIGSEGV
 */
export type SignalName =
  | ("SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGILL" | "SIGTRAP" | "SIGABRT" | "SIGBUS" | "SIGFPE")
  | ("SIGKILL" | "SIGUSR1" | "SIGSEGV" | "SIGUSR2" | "SIGPIPE" | "SIGALRM" | "SIGTERM" | "SIGSTKFLT")
  | ("SIGCHLD" | "SIGCONT" | "SIGSTOP" | "SIGTSTP" | "SIGTTIN" | "SIGTTOU" | "SIGURG" | "SIGXCPU")
  | ("SIGXFSZ" | "SIGVTALRM" | "SIGPROF" | "SIGWINCH" | "SIGIO" | "SIGPWR" | "SIGSYS")
  | `SIG${number}`;

/**
 * How a command runs.
 *
 * @example
 * const options: ExecOptions = { workdir: "/src", env: { CI: "1" }, user: "nobody", timeoutMs: 60_000 };
 * await machine.exec(["make", "test"], options);
 */
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

/**
 * How a process runs whose streams one has.
 *
 * @example
 * const options: SpawnOptions = { tty: { cols: 120, rows: 40 } };
 * const shell = await machine.spawn(["sh"], options);
 */
export interface SpawnOptions
  extends Omit<ExecOptions, "check" | "onStdout" | "onStderr" | "maxOutputBytes" | "stdin"> {
  readonly tty?: boolean | { readonly cols: number; readonly rows: number } | undefined;
  /** It runs on when this program ends, or lets go of it; limits are those of the call then. Default: false. */
  readonly detached?: boolean | undefined;
}

/**
 * How a process ended.
 *
 * @example
 * const build = await machine.spawn(["make"]);
 * const { exitCode, signal }: ExitStatus = await build.exited;
 */
export interface ExitStatus {
  /** 128 and the signal's number for a command that a signal ended. */
  readonly exitCode: number;
  readonly signal: SignalName | null;
}

/**
 * What a process does.
 *
 * @example
 * const print = (event: ExecEvent) => event.type === "stdout" && process.stdout.write(event.data);
 * for await (const event of await machine.spawn(["make"])) print(event);
 */
export type ExecEvent =
  | { readonly type: "started"; readonly pid: number }
  | { readonly type: "stdout"; readonly data: Uint8Array }
  | { readonly type: "stderr"; readonly data: Uint8Array }
  | ({ readonly type: "exit" } & ExitStatus);

/**
 * A command that a hook hears of.
 *
 * @example
 * const log = ({ machine, command }: ExecContext) => console.error(machine, command.join(" "));
 * const hooked = await Machine.connect("dev", { hooks: { beforeExec: log } });
 */
export interface ExecContext {
  readonly machine: string;
  readonly command: readonly string[];
  readonly options: ExecOptions;
}

/**
 * Called around each `exec`, `run` and `sh`.
 *
 * @example
 * const hooks: ExecHooks = { afterExec: ({ command }, { exitCode }) => console.error(command[0], exitCode) };
 * const machine = await Machine.create({ hooks });
 */
export interface ExecHooks {
  /** What it throws keeps the command from running: `sdk.blocked`, with the cause. */
  beforeExec?(context: ExecContext): void | Promise<void>;
  afterExec?(context: ExecContext, result: ExecResult): void | Promise<void>;
  execError?(context: ExecContext, error: unknown): void | Promise<void>;
}

/**
 * How files are copied.
 *
 * @example
 * const options: CopyOptions = { mkdir: true, maxBytes: 100 * 1024 * 1024 };
 * await machine.copyIn("./data", "/srv/data", options);
 */
export interface CopyOptions extends CallOptions {
  /** Make the directories above the target. */
  readonly mkdir?: boolean | undefined;
  readonly maxBytes?: number | undefined;
  readonly mode?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * The program that a machine is there for, or a process that was started detached.
 *
 * @example
 * const running: ProcessInfo[] = (await machine.processes()).filter((one) => one.running);
 */
export interface ProcessInfo {
  readonly id: string;
  readonly pid?: number | undefined;
  readonly command: readonly string[];
  readonly running: boolean;
  readonly exitCode?: number | undefined;
}

/**
 * How a process is attached to.
 *
 * @example
 * const options: AttachOptions = { since: { stdout: 4096, stderr: 0 } };
 * const [last] = await machine.processes();
 * if (last) await machine.attach(last.id, options);
 */
export interface AttachOptions extends CallOptions {
  /** Bytes of its outputs that one has already. Default: none; all that the machine has kept comes. */
  readonly since?: { readonly stdout: number; readonly stderr: number } | undefined;
}
