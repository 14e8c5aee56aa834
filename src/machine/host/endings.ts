/** How what a lasting machine consists of has ended, and how its guest is ended in order. */
import { endsWithin } from "../../within.ts";
import type { WorkloadEnd, WorkloadState } from "../model/index.ts";
import type { ProcessEnd } from "./processes/index.ts";
import type { Session } from "./session.ts";
import type { Ending } from "./supervise/index.ts";

/** How long the guest may take to end its processes and to unmount its disks. */
const SHUTDOWN_LIMIT_MS = 15_000;

/** How long a workload that was killed may take to be gone; only what is told about its end depends on it. */
export const KILL_LIMIT_MS = 5000;

/** How long a VM may take to end after its guest has. */
const LAST_WORDS_MS = 2000;

/**
 * Resolves when a session is over that should go on, with the reason that says most: the guest is gone a moment before
 * its VM is.
 *
 * @param lost resolves when the machine's first process has ended
 */
export async function endOfSession({ vm }: Session, lost: Promise<Ending>): Promise<Ending> {
  const ofVm = vm.exited.then(({ console, signal }): Ending => {
    const last = console.split("\n").at(-1) ?? "";
    const how = signal === null ? "the VM has ended" : `the VM was ended by ${signal}`;
    return { kind: "machine", reason: `${how}${last === "" ? "" : `: ${last}`}` };
  });
  const first = await Promise.race([lost, ofVm]);
  if (first.kind !== "machine") return first;
  return (await endsWithin(ofVm, LAST_WORDS_MS)) ? await ofVm : first;
}

export async function shutDownGuest(session: Session, onTrouble: (reason: string) => void): Promise<void> {
  const clean = session
    .freeDisks()
    .catch(() => {})
    .then(() => session.guest.shutdown())
    .catch(() => {});
  if (!(await endsWithin(clean, SHUTDOWN_LIMIT_MS))) onTrouble("the guest did not unmount its disks in time");
}

/** As records keep it: of a machine's workload, and of a container's command. */
export function workloadEnd({ at, result, outOfMemory }: ProcessEnd): WorkloadEnd {
  const exitCode = "exitCode" in result ? result.exitCode : "halted" in result ? 0 : null;
  const signal = "signal" in result ? result.signal : null;
  return { exitCode, signal, outOfMemory, at };
}

/** A workload that runs no more because nothing of its machine does: nobody has seen how it ended. */
export function endedWithMachine(workload: WorkloadState | null): WorkloadState | null {
  if (workload === null || workload.end !== null) return workload;
  return { ...workload, end: { exitCode: null, signal: null, outOfMemory: false, at: Date.now() } };
}
