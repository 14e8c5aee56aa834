/** What the SDK throws, besides the reason of an aborted signal. */

/** What is known of a failure, as the program tells it. */
export interface ErrorFacts {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/**
 * Every failure of smolvm's.
 *
 * @example
 * try {
 *   await Machine.connect("dev");
 * } catch (error) {
 *   if (error instanceof SmolvmError && error.code === "machine.not_found") await Machine.create({ name: "dev" });
 *   else throw error;
 * }
 */
export class SmolvmError extends Error {
  override name = "SmolvmError";
  /** Stable, such as `image.not_found`: docs/errors.md lists them. Those of the SDK itself begin with `sdk.`. */
  readonly code: string;
  /** What can be done about it. */
  readonly hint: string | undefined;
  /** What else is known: the field that is wrong, a limit. */
  readonly details: Readonly<Record<string, unknown>>;

  /** Programs catch it; they have no need to make one. */
  constructor({ code, message, hint, details = {}, cause }: ErrorFacts) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.details = details;
  }

  /** Whether the same call may work a moment later. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }

  /**
   * As the command line's `--error-format json` has it.
   *
   * @example
   * try {
   *   await Machine.connect("dev");
   * } catch (error) {
   *   console.error(JSON.stringify(error));
   * }
   */
  toJSON(): { code: string; message: string; hint?: string; details: Readonly<Record<string, unknown>> } {
    const { code, message, hint, details } = this;
    return hint === undefined ? { code, message, details } : { code, message, hint, details };
  }
}

const RETRYABLE: ReadonlySet<string> = new Set([
  "registry.rate_limited",
  "registry.unavailable",
  "registry.unreachable",
  "registry.stalled",
  "registry.broken_connection",
  "machine.busy",
  "sdk.timeout",
]);

/**
 * There is no machine of that name.
 *
 * @example
 * const isThere = await Machine.inspect("dev").then(
 *   () => true,
 *   (error) => {
 *     if (error instanceof MachineNotFoundError) return false;
 *     throw error;
 *   },
 * );
 */
export class MachineNotFoundError extends SmolvmError {
  override name = "MachineNotFoundError";
}

/**
 * There is a machine of that name already.
 *
 * @example
 * const machine = await Machine.create({ name: "dev" }).catch((error) => {
 *   if (error instanceof MachineExistsError) return Machine.connect("dev");
 *   throw error;
 * });
 */
export class MachineExistsError extends SmolvmError {
  override name = "MachineExistsError";
}

/**
 * The machine, or the handle, is not in a state for that: it does not run, or has been closed.
 *
 * @example
 * try {
 *   await machine.exec(["true"]);
 * } catch (error) {
 *   if (error instanceof InvalidStateError) await machine.start();
 * }
 */
export class InvalidStateError extends SmolvmError {
  override name = "InvalidStateError";
}

/**
 * What was asked for cannot be: the message names the field.
 *
 * @example
 * try {
 *   await Machine.create({ cpus: 0 });
 * } catch (error) {
 *   if (error instanceof InvalidConfigError) console.error(error.message);
 * }
 */
export class InvalidConfigError extends SmolvmError {
  override name = "InvalidConfigError";
}

/**
 * It took longer than `timeoutMs`. What a command had printed by then is in `partial`.
 *
 * @example
 * try {
 *   await machine.exec(["make"], { timeoutMs: 60_000 });
 * } catch (error) {
 *   if (error instanceof OperationTimeoutError) console.error(error.partial?.stdout);
 * }
 */
export class OperationTimeoutError extends SmolvmError {
  override name = "OperationTimeoutError";
  /** What took too long. */
  readonly operation: string;
  /** The limit, in milliseconds. */
  readonly timeoutMs: number;
  /** Of a command. */
  readonly partial: { readonly stdout: string; readonly stderr: string } | undefined;

  /** What had been printed is known of commands only. */
  constructor(
    operation: string,
    timeoutMs: number,
    partial?: { readonly stdout: string; readonly stderr: string },
  ) {
    super({
      code: "sdk.timeout",
      message: `${operation} took longer than ${timeoutMs} ms`,
      details: { timeoutMs },
    });
    this.operation = operation;
    this.timeoutMs = timeoutMs;
    this.partial = partial;
  }
}

/**
 * The program could not be started in the machine.
 *
 * @example
 * try {
 *   await machine.exec(["no-such-program"]);
 * } catch (error) {
 *   if (error instanceof ExecError) console.error(error.code); // exec.not_found
 * }
 */
export class ExecError extends SmolvmError {
  override name = "ExecError";
}

/**
 * Machines cannot run on this host, or smolvm is not there.
 *
 * @example
 * try {
 *   await Machine.create();
 * } catch (error) {
 *   if (error instanceof HostError) console.error(error.message, error.hint);
 * }
 */
export class HostError extends SmolvmError {
  override name = "HostError";
}

/**
 * The image, or its registry.
 *
 * @example
 * try {
 *   await Machine.create({ image: "no.such.registry/image" });
 * } catch (error) {
 *   if (error instanceof ImageError && !error.retryable) throw error;
 * }
 */
export class ImageError extends SmolvmError {
  override name = "ImageError";
}

/**
 * A file, in the machine or on this host.
 *
 * @example
 * const text = await machine.fs.readFile("/etc/motd", "utf8").catch((error) => {
 *   if (error instanceof FileError && error.code === "copy.not_found") return "";
 *   throw error;
 * });
 */
export class FileError extends SmolvmError {
  override name = "FileError";
}

/** Classes of single codes; those of an area follow. */
const SINGLE: Readonly<Record<string, new (facts: ErrorFacts) => SmolvmError>> = {
  "machine.not_found": MachineNotFoundError,
  "machine.exists": MachineExistsError,
  "machine.differs": MachineExistsError,
  "machine.not_running": InvalidStateError,
  "machine.running": InvalidStateError,
  "machine.stopped": InvalidStateError,
  "sdk.closed": InvalidStateError,
  "sdk.detached": InvalidStateError,
  "sdk.not_detached": InvalidStateError,
  "sdk.bad_request": InvalidConfigError,
  "machine.bad_name": InvalidConfigError,
  "sdk.no_program": HostError,
  "sdk.child_failed": HostError,
};

const AREAS: Readonly<Record<string, new (facts: ErrorFacts) => SmolvmError>> = {
  exec: ExecError,
  engine: HostError,
  confine: HostError,
  assets: HostError,
  image: ImageError,
  registry: ImageError,
  copy: FileError,
};

/** The error for a code. */
export function errorOf(facts: ErrorFacts): SmolvmError {
  const area = facts.code.split(".", 1)[0] ?? "";
  const Class = SINGLE[facts.code] ?? AREAS[area] ?? SmolvmError;
  return new Class(facts);
}

/** For a call on a handle that has been closed. */
export const closedError = (machine: string): SmolvmError =>
  errorOf({ code: "sdk.closed", message: `the handle of machine '${machine}' has been closed` });
