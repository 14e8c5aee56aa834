/** Commands from their start to their end, with what they print. */
import { deferred } from "../../src/deferred.ts";
import { endsWithin } from "../../src/within.ts";
import { errorOf, OperationTimeoutError, SmolvmError } from "./errors.ts";
import { limitTimer, within } from "./limit.ts";
import { MachineProcess } from "./process.ts";
import { environmentOf, secretsOf } from "./request.ts";
import { ExecResult } from "./result.ts";
import { statusOf } from "./signals.ts";
import { bytesOf, Kept } from "./source.ts";
import type { ProcessRequest, RemoteProcess, Transport } from "./transport/types.ts";
import type { ExecHooks, ExecOptions, Source, SpawnOptions } from "./types/index.ts";

/** Of each output that a result keeps, unless its caller says otherwise. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** How long what was killed may take to be gone, in milliseconds. */
const KILL_LIMIT_MS = 5000;

/** @throws InvalidConfigError */
export function requestOf(
  argv: readonly string[],
  { env, workdir, user, secrets }: ExecOptions,
  stdin: boolean,
): ProcessRequest {
  if (argv.length === 0) throw errorOf({ code: "sdk.bad_request", message: "the command is empty" });
  return { argv, env: environmentOf(env), cwd: workdir, user, secrets: secretsOf(secrets), stdin };
}

/**
 * Runs a command to its end.
 *
 * @throws ExecError, OperationTimeoutError, CommandFailedError with `check`; the signal's reason
 */
export async function execute(
  transport: Transport,
  machine: string,
  argv: readonly string[],
  options: ExecOptions,
  hooks: ExecHooks,
): Promise<ExecResult> {
  const context = { machine, command: argv, options };
  try {
    await hooks.beforeExec?.(context);
  } catch (cause) {
    throw errorOf({ code: "sdk.blocked", message: "a hook did not let the command run", cause });
  }
  try {
    const result = await run(transport, machine, argv, options);
    await hooks.afterExec?.(context, result);
    return options.check ? result.orThrow() : result;
  } catch (error) {
    await hooks.execError?.(context, error);
    throw error;
  }
}

async function run(
  transport: Transport,
  machine: string,
  argv: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  const { stdin, maxOutputBytes = MAX_OUTPUT_BYTES, onStdout, onStderr } = options;
  if (!(maxOutputBytes >= 0))
    throw errorOf({
      code: "sdk.bad_request",
      message: `maxOutputBytes: must be 0 or more bytes (got ${maxOutputBytes})`,
      details: { field: "maxOutputBytes" },
    });
  const begun = performance.now();
  const stdout = new Kept(maxOutputBytes);
  const stderr = new Kept(maxOutputBytes);
  const request = requestOf(argv, options, stdin !== undefined);
  try {
    return await within("the command", options, async (signal) => {
      const process = await transport.exec(machine, request, { signal });
      const kill = () => process.kill();
      signal?.addEventListener("abort", kill, { once: true });
      if (signal?.aborted) kill();
      try {
        const reading = Promise.all([
          read(process.stdout, stdout, onStdout),
          read(process.stderr, stderr, onStderr),
        ]);
        // What a callback throws ends the command.
        reading.catch(kill);
        let broken: { readonly cause: unknown } | undefined;
        if (stdin !== undefined)
          feed(process, stdin).catch((cause: unknown) => {
            broken = { cause };
            kill();
          });
        const end = await untilEnd(process, signal);
        await reading;
        // The command has seen a part of its input: how it ended says nothing.
        if (broken !== undefined) throw (broken as { readonly cause: unknown }).cause;
        return new ExecResult(argv, statusOf(end), {
          stdout: stdout.bytes(),
          stderr: stderr.bytes(),
          truncated: stdout.truncated || stderr.truncated,
          durationMs: performance.now() - begun,
        });
      } finally {
        signal?.removeEventListener("abort", kill);
      }
    });
  } catch (error) {
    if (!(error instanceof OperationTimeoutError)) throw error;
    const decoder = new TextDecoder();
    const partial = { stdout: decoder.decode(stdout.bytes()), stderr: decoder.decode(stderr.bytes()) };
    throw new OperationTimeoutError(error.operation, error.timeoutMs, partial);
  }
}

/** The signal's reason comes when what it has killed is gone, but not later than the limit. */
async function untilEnd(process: RemoteProcess, signal: AbortSignal | undefined) {
  if (signal === undefined) return await process.ended;
  const { promise: aborted, resolve } = deferred<void>();
  const onAbort = () => resolve();
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  await Promise.race([process.ended.catch(() => {}), aborted]);
  signal.removeEventListener("abort", onAbort);
  if (!signal.aborted) return await process.ended;
  await endsWithin(process.ended, KILL_LIMIT_MS);
  throw signal.reason;
}

async function read(
  output: AsyncIterable<Uint8Array>,
  kept: Kept,
  tell: ((chunk: Uint8Array) => void) | undefined,
): Promise<void> {
  for await (const chunk of output) {
    kept.add(chunk);
    tell?.(chunk);
  }
}

/** A process need not read its input. */
export async function feed(process: RemoteProcess, source: Source): Promise<void> {
  try {
    for await (const chunk of bytesOf(source)) await process.write(chunk);
  } catch (error) {
    if (error instanceof SmolvmError) return;
    throw error;
  }
  process.end();
}

/** Starts a program. A limit of its time, or an aborted signal, kills it. @throws ExecError; the signal's reason */
export async function spawn(
  transport: Transport,
  machine: string,
  argv: readonly string[],
  options: SpawnOptions,
): Promise<MachineProcess> {
  const { tty, signal, timeoutMs, detached } = options;
  const size = tty === true ? { cols: 80, rows: 24 } : tty || undefined;
  const request = {
    ...requestOf(argv, options, true),
    tty: size && { columns: size.cols, rows: size.rows },
  };
  if (detached)
    return await within("spawn", options, async (limit) => {
      const id = await transport.launch(machine, request, { signal: limit });
      const process = await transport.attach(machine, id, FROM_THE_START, { signal: limit });
      return new MachineProcess(argv, process, undefined);
    });
  if (timeoutMs === undefined)
    return new MachineProcess(argv, await transport.exec(machine, request, { signal }), signal);
  const limit = new AbortController();
  const forget = limitTimer("the command", timeoutMs, (error) => limit.abort(error));
  const either = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
  try {
    const process = await transport.exec(machine, request, { signal: either });
    process.ended.then(forget, forget);
    return new MachineProcess(argv, process, either);
  } catch (error) {
    forget();
    throw error;
  }
}

/** All of a process's output that its machine has kept. */
export const FROM_THE_START = { stdout: 0, stderr: 0 } as const;

/** A script whose `${values}` are single words, whatever is in them; of a list, each is one. */
export function scriptOf(strings: TemplateStringsArray, values: readonly unknown[]): string {
  // Of an escape that JavaScript does not know (`\u`), there is no text.
  if ((strings as readonly (string | undefined)[]).includes(undefined))
    throw errorOf({
      code: "sdk.bad_request",
      message: "the script has an escape that JavaScript does not know",
    });
  return strings.reduce((script, text, index) => script + quoted(values[index - 1]) + text);
}

const quoted = (value: unknown): string =>
  Array.isArray(value) ? value.map(quoted).join(" ") : `'${String(value).replaceAll("'", "'\\''")}'`;
