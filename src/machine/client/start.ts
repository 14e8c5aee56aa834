import type { ConfineMode } from "../../confine/index.ts";
import type { Context } from "../../context.ts";
import type { EngineName } from "../../engine/index.ts";
import { SmolError } from "../../errors.ts";
import { untilLocked } from "../../host/index.ts";
import { AUTOSTART_VARIABLE } from "../autostart/index.ts";
import { startsWithHost } from "../host/supervise/restart.ts";
import type { MachineRecord, MachineState } from "../model/index.ts";
import {
  argumentsOf,
  type ImageOptions,
  type OwnerPolicy,
  type ResolvedImage,
  resolveImage,
  type StartOrder,
  type StartReport,
} from "../plan/index.ts";
import { type Claim, claimMachine, giveUpOwnership, machineDirectory, readState } from "../store/index.ts";
import { stuck } from "./failure.ts";
import { keepImage } from "./keep-image.ts";
import { MachineProcess, reportOf, type StartListener } from "./machine-process.ts";
import { namingHolder } from "./port-conflict.ts";
import { makeStartOrder, planHostPart } from "./start-order.ts";
import { makeTemplateFor } from "./template.ts";

export interface StartOptions extends ImageOptions, StartListener {
  /** Where the machine's record leaves it open; default: the best one that works. */
  readonly engine?: EngineName | undefined;
  /** How its VM's process is confined; default: by all that the host has. */
  readonly confine?: ConfineMode | undefined;
  /** What becomes of the machine when this process is gone; default: nothing. `Started.owned` has to be kept then. */
  readonly owner?: OwnerPolicy | undefined;
  /** The image is there, and the VM is about to start. */
  readonly onBoot?: (() => void) | undefined;
}

export interface Started {
  readonly record: MachineRecord;
  /** False: it ran already, or was left alone because its user has stopped it. */
  readonly started: boolean;
  /** The host wanted to start it, and its policy says that who stopped it has the last word. */
  readonly skipped: boolean;
  /** Of the machine's process. */
  readonly pid: number;
  readonly report: StartReport | undefined;
  /** The machine's process, when an owner was asked for and this call has started it. */
  readonly owned?: MachineProcess | undefined;
}

/**
 * Starts a machine, and waits until it runs: its image is there, its init commands have run, its workload has been
 * started. One that runs already is left alone.
 *
 * @throws SmolError what kept it from running; it is stopped then
 */
export async function startMachine(
  context: Context,
  name: string,
  options: StartOptions = {},
): Promise<Started> {
  const claim = await claimMachine(context.paths, name, options.signal);
  try {
    await untilItIsClear(context, claim, options.signal);
    const state = readState(context.paths, name);
    const untouched = { record: claim.record, started: false, report: undefined };
    if (claim.isRunning()) return { ...untouched, skipped: false, pid: state?.pid ?? 0 };
    const byHost = context.environment[AUTOSTART_VARIABLE] !== undefined;
    if (byHost && !startsWithHost(claim.record.restart.policy, state?.stoppedByUser ?? false))
      return { ...untouched, skipped: true, pid: 0 };
    return await startClaimed(context, claim, options);
  } finally {
    claim.release();
  }
}

/** Beyond what the workload is given: for the guest, and for a host that has much to do. */
const END_LIMIT_MS = 60_000;

/**
 * A process that is about to end is no machine that runs: waits until it is gone. Nobody else starts the machine now, so
 * one that has not come up has lost who started it.
 *
 * @throws SmolError `machine.stuck`; the signal's reason
 */
async function untilItIsClear({ paths }: Context, claim: Claim, signal?: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(END_LIMIT_MS + claim.record.stopTimeoutMs);
  const either = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  try {
    await untilLocked(
      () => (claim.isRunning() && isEnding(readState(paths, claim.name)) ? undefined : true),
      either,
    );
  } catch (error) {
    if (!limit.aborted || signal?.aborted) throw error;
    throw stuck(claim.name);
  }
}

/** By what it has told last; before its first words that is what the one before it has. */
function isEnding(state: MachineState | undefined): boolean {
  if (state === undefined || (state.phase === "starting" && state.readyAt === null)) return true;
  return state.phase === "stopping" || state.phase === "stopped" || state.phase === "failed";
}

async function startClaimed(context: Context, claim: Claim, options: StartOptions): Promise<Started> {
  if (claim.record.ephemeral) throw new SmolError("machine.ephemeral", "a throw-away machine is not started");
  // Its start-up runs beside what has to be found out.
  const process = new MachineProcess();
  const abort = () => void process.end();
  options.signal?.addEventListener("abort", abort, { once: true });
  let release = () => {};
  try {
    const { order, durable } = await makeOrder(context, claim.record, options, (image) => {
      release = image.release;
    });
    options.signal?.throwIfAborted();
    await keepImage(context.paths, claim.record, order.record);
    options.onBoot?.();
    const stream = await process.start(order);
    const report = await reportOf(stream, options);
    makeTemplateFor(order, report);
    // From now on the machine needs this very image, whatever happens to the host.
    await durable;
    // Whoever starts a machine for itself has it.
    if (options.owner === undefined) giveUpOwnership(machineDirectory(context.paths, claim.name));
    if (options.owner === undefined) await process.release();
    const owned = options.owner === undefined ? undefined : process;
    return { record: order.record, started: true, skipped: false, pid: report.pid, report, owned };
  } catch (error) {
    await process.end();
    options.signal?.throwIfAborted();
    throw namingHolder(context, claim.name, claim.record.ports, error);
  } finally {
    // The machine's pin keeps it now; a program that lasts would keep it beyond the machine.
    release();
    options.signal?.removeEventListener("abort", abort);
  }
}

/**
 * Everything that the machine's process needs to know.
 *
 * @param onImage gets the image as soon as it is there, to release it at the end: also when what follows fails
 */
async function makeOrder(
  context: Context,
  record: MachineRecord,
  options: StartOptions,
  onImage: (image: ResolvedImage) => void,
): Promise<{ order: StartOrder; durable: Promise<void> }> {
  const host = await planHostPart(context, record, options.engine);
  const checkConfig: ImageOptions["checkConfig"] = (config) => void argumentsOf(record, config);
  const image = await resolveImage(context, imageOf(record), { ...options, checkConfig }, record.baseId);
  onImage(image);
  const { durable, baseId, facts } = image;
  const isSame = facts.id === record.imageId && baseId === record.baseId;
  const current = isSame ? record : { ...record, imageId: facts.id, baseId };
  const { confine, owner } = options;
  const order = await makeStartOrder(context, current, image, host, { confine, terminal: false, owner });
  return { order, durable };
}

/** Once a start has found out which image a name stands for, the machine keeps that one. */
const imageOf = ({ image, imageId }: MachineRecord): string | null => imageId ?? image;
