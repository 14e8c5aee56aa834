import type { Guest, Note, RootRequest, Step } from "../../guest/index.ts";
import { StreamFailure } from "../../protocol/index.ts";
import { explainRepair, explainSkipped, type RootDisks } from "../root/index.ts";
import { repairDisk } from "./system.ts";

/** What is known about the disks before the root is made. */
export interface DisksBefore {
  readonly root: RootDisks;
  /** Devices that a kernel has found damaged. */
  readonly damaged: readonly string[];
}

/** The root that people's commands run in, while it is being made. */
export interface MainRoot {
  /** Resolves once the guest has been asked for it: what is asked of the root from now on waits until it is made. */
  readonly requested: Promise<void>;
  /** Resolves once it is made, with what the user should know about it. */
  readonly made: Promise<readonly string[]>;
}

/**
 * Makes the main root: as a rule one request, without waiting for anything. Only disks that are damaged are seen to
 * before, and a disk that turns out to be damaged is repaired once.
 *
 * @param onOutOfMemory called when the kernel has killed processes of the root for lack of memory
 */
export function makeMainRoot(
  guest: Guest,
  plan: RootRequest,
  disks: DisksBefore,
  onOutOfMemory: () => void,
): MainRoot {
  const requested = Promise.withResolvers<void>();
  const made = make(guest, plan, disks, requested.resolve, onOutOfMemory);
  made.catch(requested.reject);
  requested.promise.catch(() => {});
  return { requested: requested.promise, made };
}

async function make(
  guest: Guest,
  plan: RootRequest,
  disks: DisksBefore,
  onRequested: () => void,
  onOutOfMemory: () => void,
): Promise<readonly string[]> {
  const repaired: string[] = [];
  const repair = async (device: string) => {
    if (await repairDisk(guest, device)) repaired.push(explainRepair(disks.root, device));
  };
  for (const device of disks.damaged) await repair(device);
  const request = async () => {
    const making = guest.root(plan);
    guest.watch({ root: plan.name }, (event) => {
      if (event.kind === "out_of_memory") onOutOfMemory();
    });
    onRequested();
    return [...repaired, ...explain(plan.steps, await making)];
  };
  try {
    return await request();
  } catch (error) {
    const device = damagedDisk(plan.steps, error);
    if (device === undefined) throw error;
    await repair(device);
    return await request();
  }
}

/** EIO, EINVAL, EBADMSG, EUCLEAN of Linux: what ext4 answers when the disk is not what it should be. */
const DAMAGE = new Set([5, 22, 74, 117]);

/** The ext4 disk whose mount failed because it is damaged. */
function damagedDisk(steps: readonly Step[], error: unknown): string | undefined {
  if (!(error instanceof StreamFailure) || error.step === undefined || error.errno === undefined)
    return undefined;
  const step = steps[error.step];
  if (step?.kind !== "mount" || step.type !== "ext4" || !DAMAGE.has(error.errno)) return undefined;
  return step.source;
}

function explain(steps: readonly Step[], notes: readonly Note[]): string[] {
  const texts = notes.map(({ step: number, text }) => {
    const step = steps[number];
    console.error(`root: step ${number} (${step?.kind}): ${text}`);
    return step && explainSkipped(step);
  });
  return [...new Set(texts.filter((text) => text !== undefined))];
}
