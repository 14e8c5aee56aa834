import type { StartOrder } from "../plan/index.ts";
import { argumentsOf } from "../plan/index.ts";
import { hasToBeFirst } from "../root/index.ts";
import { writeRecord } from "../store/index.ts";
import { holdNamespace } from "./first-process.ts";
import { firstExec, ownExec } from "./guest-exec.ts";
import { type InitListener, runInitCommands } from "./init-commands.ts";
import type { MachineLogs } from "./machine-logs.ts";
import type { HostedProcess, ProcessEnd, ProcessTable } from "./processes/index.ts";
import type { Session } from "./session.ts";
import type { Ending } from "./supervise/index.ts";

/** What runs in a lasting machine beside what people start. */
export interface Running {
  /** Undefined: it has none, and only waits for commands. */
  readonly workload: HostedProcess | undefined;
  /** Resolves when the machine's first process has ended, and with it all others. */
  readonly lost: Promise<Ending>;
}

export interface BringUpParts {
  readonly order: StartOrder;
  readonly table: ProcessTable;
  readonly logs: MachineLogs;
  /** See `Launcher`. */
  readonly reaper: readonly string[];
  readonly listener: InitListener;
  /** The commands of the first start have been run, on the disks that are there now. */
  readonly initialized: boolean;
}

const SESSIONLESS = { tty: undefined, stdin: false } as const;

/** The name under which the workload is found among a machine's processes. */
export const WORKLOAD = "workload";

/**
 * Brings a lasting machine up: first process, init commands, workload.
 *
 * @throws SmolError, StreamFailure what keeps it from running
 */
export async function bringUp(session: Session, parts: BringUpParts): Promise<Running> {
  const { order } = parts;
  const argv = argumentsOf(order.record, order.image);
  await session.root.requested;
  // Waits in the guest until the root is made: no round trip lies between.
  const first = hasToBeFirst(argv) ? startInitSystem(session, parts, argv) : holdAlone(session, parts);
  first.catch(() => {});
  // Why there is no root explains more than what could not be started in it.
  await session.ready;
  await session.root.made;
  const { lost, workload } = await first;
  await initialize(session, parts);
  return { lost, workload: workload ?? (await startWorkload(session, parts)) };
}

/** What starting the workload takes. */
export type WorkloadParts = Omit<BringUpParts, "listener" | "initialized">;

/** Starts the machine's own command, if it has one. */
export async function startWorkload(
  session: Session,
  parts: WorkloadParts,
): Promise<HostedProcess | undefined> {
  const { order } = parts;
  const argv = argumentsOf(order.record, order.image);
  if (argv.length === 0) return undefined;
  return await host(session, parts, ownExec(order, argv, SESSIONLESS));
}

async function holdAlone({ guest }: Session, { reaper }: BringUpParts): Promise<Running> {
  const holder = holdNamespace(guest, reaper);
  const lost = holder.result.then(
    (): Ending => ({ kind: "machine", reason: "the machine's first process has ended" }),
    (): Ending => ({ kind: "machine", reason: "the machine's guest is gone" }),
  );
  await holder.accepted;
  return { workload: undefined, lost };
}

/** An init system, or what has to be the first process itself for another reason. */
async function startInitSystem(
  session: Session,
  parts: BringUpParts,
  argv: readonly string[],
): Promise<Running> {
  const system = await host(session, parts, firstExec(parts.order, argv, SESSIONLESS));
  return { workload: system, lost: system.ended.then(endingOfSystem) };
}

function endingOfSystem({ result }: ProcessEnd): Ending {
  if ("halted" in result) return { kind: "halted", how: result.halted };
  if ("exitCode" in result && result.exitCode === 0) return { kind: "halted", how: "poweroff" };
  return { kind: "machine", reason: "the machine's init system has ended" };
}

function host(
  { guest, root }: Session,
  { table, logs }: WorkloadParts,
  exec: Parameters<Session["guest"]["exec"]>[0],
): Promise<HostedProcess> {
  return table.start({ exec: (exec) => guest.exec(exec), rootMade: root.made }, exec, {
    name: WORKLOAD,
    tee: (channel, bytes) => logs.workload.write(channel === 1 ? "stdout" : "stderr", bytes),
  });
}

/** Once the commands of the first start, then those of each. */
async function initialize({ guest }: Session, { order, listener, initialized }: BringUpParts): Promise<void> {
  const { record, paths } = order;
  const { init, initOnce } = record;
  if (initialized && initOnce.length > 0) listener.onSkipped(initOnce.length);
  await runInitCommands(guest, order, initialized ? init : [...initOnce, ...init], listener);
  if (!initialized) writeRecord(paths, { ...record, initialized: true });
}
