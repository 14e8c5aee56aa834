import type { Context } from "../../context.ts";
import { errnoOf } from "../../errors.ts";
import { untilLocked } from "../../host/index.ts";
import { Connection, connectTransport, isNobody, jsonCodec } from "../../protocol/index.ts";
import { version } from "../../version.ts";
import { endsWithin } from "../../within.ts";
import { AUTOSTART_VARIABLE, disableAutostart } from "../autostart/index.ts";
import type { MachineStatus } from "../model/index.ts";
import {
  checkEntryName,
  isForeign,
  isRunning,
  type Lock,
  lockForChange,
  lockRunning,
  readState,
  removeDirectory,
  socketPaths,
  sweepHidden,
  tryLockForChange,
} from "../store/index.ts";
import { stuck } from "./failure.ts";
import { inspectMachine } from "./info.ts";

export interface StopOptions {
  /** At once, as by pulling the plug. */
  readonly force?: boolean | undefined;
  /** How long the workload may take to end; default: the machine's. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Stopped {
  /** False: it did not run. */
  readonly stopped: boolean;
  /** What it was before. */
  readonly was: MachineStatus;
}

/** Beyond what the workload and the guest are given: the machine's process has limits of its own for both. */
const PATIENCE_MS = 60_000;

/** How long a process may take that ends its machine at once; one that takes longer is killed. */
const ANSWER_LIMIT_MS = 5000;

/** How long a killed process may take to be gone. */
const DEATH_LIMIT_MS = 10_000;

/**
 * Stops a machine in order, and waits until nothing of it runs any more. One that does not run is left alone; one that
 * is being started is stopped in that.
 *
 * @throws SmolError `machine.not_found`, `machine.stuck`
 */
export async function stopMachine(
  context: Context,
  name: string,
  options: StopOptions = {},
): Promise<Stopped> {
  const { lock, interrupted } = await lockToEnd(context, name, options);
  try {
    const { status, record } = inspectMachine(context, name, "outline");
    if (!isRunning(context.paths, name)) return { stopped: interrupted, was: status };
    const { timeoutMs = record?.stopTimeoutMs ?? 0 } = options;
    const patience = PATIENCE_MS + timeoutMs;
    await endProcess(context, name, options.force === true ? 0 : patience, options.timeoutMs);
    return { stopped: true, was: status };
  } finally {
    lock.release();
  }
}

/**
 * Removes a machine with everything that it has. One that runs is ended first, at once: nothing of it is kept.
 *
 * @throws SmolError `machine.not_found`, `machine.stuck`; nothing is removed as long as its process lives
 */
export async function deleteMachine(context: Context, name: string, signal?: AbortSignal): Promise<void> {
  const { paths } = context;
  // No machine made it, and nobody locks it.
  if (isForeign(paths, checkEntryName(paths, name))) return removeDirectory(paths, name);
  const { lock } = await lockToEnd(context, name, { force: true, signal });
  try {
    if (isRunning(paths, name)) await endProcess(context, name, 0);
    await disableAutostart(context, name);
    const running = await lockOnceDead(context, name);
    removeDirectory(paths, name);
    running.release();
    sweepHidden(paths);
  } finally {
    lock.release();
  }
}

/**
 * Keeps others from starting or changing a machine that is to end. Whoever starts it this moment has that lock for as
 * long as its init commands run: its process is asked to end, and the start fails.
 *
 * @returns `interrupted`: somebody was starting it, and has been asked to end that
 */
async function lockToEnd(
  context: Context,
  name: string,
  { force = false, timeoutMs, signal }: StopOptions,
): Promise<{ readonly lock: Lock; readonly interrupted: boolean }> {
  const { paths } = context;
  const starting = tryLockForChange(paths, checkEntryName(paths, name));
  if (typeof starting !== "string") return { lock: starting, interrupted: false };
  const asked = starting === "held" && isRunning(paths, name);
  const interrupted = asked && (await askToStop(context, name, { force, timeoutMs })) !== undefined;
  return { lock: await lockForChange(paths, name, signal), interrupted };
}

async function endProcess(
  context: Context,
  name: string,
  patienceMs: number,
  timeoutMs?: number,
): Promise<void> {
  const { paths } = context;
  const asked = await askToStop(context, name, { force: patienceMs === 0, timeoutMs });
  if (asked !== undefined) {
    const closed = await endsWithin(asked.closed, Math.max(patienceMs, ANSWER_LIMIT_MS));
    if (closed && (await endsWithin(freed(context, name), DEATH_LIMIT_MS))) return;
  }
  // It does not listen: its process, found by what it wrote about itself and checked by the lock that it still has.
  const pid = readState(paths, name, "outline")?.pid;
  if (pid !== undefined && isRunning(paths, name)) kill(pid);
  (await lockOnceDead(context, name)).release();
}

/** @returns undefined when there is nobody to ask */
async function askToStop(
  { paths, environment }: Context,
  name: string,
  how: { readonly force: boolean; readonly timeoutMs: number | undefined },
): Promise<{ readonly closed: Promise<unknown> } | undefined> {
  try {
    const transport = await connectTransport({ unix: socketPaths(paths, name).control });
    const connection = new Connection(transport, { codec: jsonCodec(version) });
    // The host that ends its machines as it goes down is no user.
    const byUser = environment[AUTOSTART_VARIABLE] === undefined;
    connection.open({ method: "stop", params: { ...how, byUser } });
    return { closed: connection.closed };
  } catch (error) {
    if (isNobody(error)) return undefined;
    throw error;
  }
}

/** Resolves when the machine's process has given up its lock. */
const freed = async ({ paths }: Context, name: string): Promise<void> => {
  await untilLocked(() => (isRunning(paths, name) ? undefined : true));
};

async function lockOnceDead(context: Context, name: string): Promise<Lock> {
  const limit = AbortSignal.timeout(DEATH_LIMIT_MS);
  try {
    return await untilLocked(() => lockRunning(context.paths, name), limit);
  } catch {
    throw stuck(name);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}
