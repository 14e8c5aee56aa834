import type { Guest, GuestExec } from "../../../guest/index.ts";
import type { ContainerRecord, WorkloadEnd } from "../../model/index.ts";
import { type ProcessOptions, processIn, type StartOrder, workloadOf } from "../../plan/index.ts";
import {
  type ContainerRootInput,
  containerRoot,
  isInitSystem,
  stopSignalOf,
  withDefaultLimits,
} from "../../root/index.ts";
import { workloadEnd } from "../endings.ts";
import { nameserverOf } from "../nameserver.ts";
import type { HostedProcess } from "../processes/index.ts";
import type { Session } from "../session.ts";
import { explainRoot } from "./failure.ts";
import type { ContainerHost } from "./types.ts";

/** A container while it runs. */
export interface Run {
  readonly process: HostedProcess;
  readonly startedAt: number;
  /** Resolves when its first process has ended and nothing of its root is left; never rejects. */
  readonly ended: Promise<WorkloadEnd>;
}

/**
 * Makes the root of a container and starts its command as the first process of a PID namespace.
 *
 * @throws SmolError `container.*`, `process.too_many`; StreamFailure `exec.*`: then nothing is left of it
 */
export async function runContainer(
  { guest, storage }: Session,
  record: ContainerRecord,
  { order, plans, table }: ContainerHost,
): Promise<Run> {
  const request = plans.planContainer(rootInput(record, order, storage));
  const root = request.name;
  try {
    await guest.root(request);
  } catch (error) {
    await drop(guest, root);
    throw explainRoot(error, request);
  }
  let process: HostedProcess | undefined;
  const watch = guest.watch({ root }, (event) => {
    if (event.kind === "out_of_memory") process?.outOfMemory();
  });
  const leave = async () => {
    watch.cancel();
    await drop(guest, root);
  };
  try {
    const workplace = { exec: (exec: GuestExec) => guest.exec(exec), rootMade: Promise.resolve() };
    process = await table.start(workplace, firstExec(record), { name: record.id });
  } catch (error) {
    await leave();
    throw error;
  }
  const ended = process.ended.then(async (end) => {
    await leave();
    return workloadEnd(end);
  });
  return { process, startedAt: process.about.startedAt, ended };
}

function rootInput(
  { id, image, binds, argv }: ContainerRecord,
  order: Pick<StartOrder, "record" | "network">,
  storage: string,
): ContainerRootInput {
  const { id: imageId, volumes } = image;
  const { memoryMib, pids } = order.record;
  return {
    ...{ id, imageId, volumes, binds, memoryMib, pids, storage },
    nameserver: nameserverOf(order),
    initSystem: isInitSystem(argv),
  };
}

/** Of a guest that is gone, nothing is left to drop. */
const drop = (guest: Guest, root: string): Promise<void> => guest.drop(root).catch(() => {});

/** The container's own surroundings: its id is what it calls itself. */
const surroundings = ({ id, env, workdir }: ContainerRecord) => ({ name: id, env, workdir, user: null });

function firstExec(record: ContainerRecord): GuestExec {
  const session = { tty: false, stdin: false };
  const process = workloadOf(surroundings(record), record.image, record.argv, session);
  return {
    ...process,
    root: containerRoot(record.id),
    rlimits: withDefaultLimits([]),
    first: "itself",
  };
}

/** One more process of a container. @throws SmolError `run.bad_workdir` */
export function containerExec(
  record: ContainerRecord,
  argv: readonly string[],
  options: ProcessOptions & Pick<GuestExec, "rlimits">,
  tty: GuestExec["tty"],
): GuestExec {
  const process = processIn(surroundings(record), record.image, argv, options);
  return {
    ...process,
    root: containerRoot(record.id),
    tty,
    rlimits: withDefaultLimits(options.rlimits ?? []),
  };
}

/** The signal that asks a container to end. */
export function stopSignal({ image, argv }: ContainerRecord): number {
  return stopSignalOf(image.stopSignal, isInitSystem(argv));
}
