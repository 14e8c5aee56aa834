import { Channel, type Stream } from "../../protocol/index.ts";
import type { StartEvent, StartOrder } from "../plan/index.ts";
import { argumentsOf } from "../plan/index.ts";
import { isInitSystem, stopSignalOf } from "../root/index.ts";
import { writeRecord } from "../store/index.ts";
import { holdNamespace } from "./first-process.ts";
import { firstExec, ownExec } from "./guest-exec.ts";
import { runInitCommands } from "./init-commands.ts";
import type { Session } from "./session.ts";
import type { StateFile } from "./state-file.ts";
import { Workload, type WorkloadEvents } from "./workload.ts";

/** What runs in a lasting machine beside what people start. */
export interface Running {
  /** Undefined: it only waits for commands. */
  readonly workload: Workload | undefined;
  /** Resolves when the machine's first process has ended, and with it all others: why, for people. */
  readonly lost: Promise<string>;
  /** Ends the workload in order. */
  stop(): Promise<void>;
}

const SESSIONLESS = { tty: undefined, stdin: false } as const;

/**
 * Brings a lasting machine up: first process, init commands, workload.
 *
 * @param reaper see `Launcher`
 * @param starter is told about the init commands, and gets their output
 */
export async function startUp(
  session: Session,
  order: StartOrder,
  state: StateFile,
  reaper: readonly string[],
  starter: Stream,
): Promise<Running> {
  const { guest, root } = session;
  const { record, image } = order;
  const argv = argumentsOf(record, image);
  const events: WorkloadEvents = {
    onOutput: () => {},
    onChange: (workload) => state.update({ workload }),
  };
  const initSystem = isInitSystem(argv);
  await root.requested;
  // Both wait in the guest until the root is made: no round trip lies between.
  const holder = initSystem ? undefined : holdNamespace(guest, reaper);
  const first = initSystem ? Workload.start(guest, firstExec(order, argv, SESSIONLESS), events) : undefined;
  first?.catch(() => {});
  // Why there is no root explains more than what could not be started in it.
  await session.ready;
  await root.made;
  await holder?.accepted;
  const system = await first;
  await initialize(session, order, starter);
  const workload =
    system ??
    (argv.length === 0 ? undefined : await Workload.start(guest, ownExec(order, argv, SESSIONLESS), events));
  const signal = stopSignalOf(record.stopSignal ?? image.stopSignal, initSystem);
  return {
    workload,
    lost: (holder?.result ?? system?.ended ?? Promise.resolve()).then(
      () => "its first process has ended",
      () => "its guest was lost",
    ),
    stop: async () => void (await workload?.stop(signal, record.stopTimeoutMs)),
  };
}

/** The commands of each start, and before them, once, those of the first. */
async function initialize({ guest }: Session, order: StartOrder, starter: Stream): Promise<void> {
  const { record, paths } = order;
  const tell = (event: StartEvent) => starter.event(event);
  const once = record.initialized ? [] : record.initOnce;
  const commands = [...once, ...record.init];
  await runInitCommands(guest, order, commands, {
    onCommand: (index, count) => tell({ type: "init", index, count }),
    onOutput: (channel, chunk) => starter.write(channel, chunk),
  });
  starter.end(Channel.stdout);
  starter.end(Channel.stderr);
  if (record.initialized && record.initOnce.length > 0)
    tell({ type: "init_skipped", count: record.initOnce.length });
  if (!record.initialized) writeRecord(paths, { ...record, initialized: true });
}
