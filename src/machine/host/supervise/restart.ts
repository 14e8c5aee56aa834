/**
 * Whether what has ended is started again: decisions only. docs/supervision.md says it for users.
 *
 * A workload that has ended is started again in its machine. When the machine itself is lost, or the workload is not
 * well, the whole machine is.
 */
import type { RestartPolicy, RestartSpec, WorkloadEnd } from "../../model/index.ts";

/** Why something does not run any more, or not well. */
export type Ending =
  | { readonly kind: "workload"; readonly end: Pick<WorkloadEnd, "exitCode" | "signal" | "outOfMemory"> }
  /** A program in the guest asked its kernel to stop: what an init system does for `poweroff` and `reboot`. */
  | { readonly kind: "halted"; readonly how: "poweroff" | "restart" }
  /** The VM ended, its agent is gone or silent, or it did not start. */
  | {
      readonly kind: "machine";
      /** For people. */
      readonly reason: string;
      /** Milliseconds without a sign of life before it was noticed. */
      readonly silentMs?: number | undefined;
    }
  /** The health check has failed as often as the specification allows. */
  | { readonly kind: "unhealthy" }
  /** Somebody asked for it. */
  | { readonly kind: "stopped" };

export interface RestartHistory {
  /** Restarts since it last ran well, or since somebody started it. */
  readonly inRow: number;
  /** How long it ran well after its last start, in milliseconds. */
  readonly wellMs: number;
}

export type RestartDecision =
  | {
      readonly kind: "restart";
      readonly what: "workload" | "machine";
      /** The pause before, in milliseconds. */
      readonly afterMs: number;
      /** Restarts in a row, this one included. */
      readonly inRow: number;
    }
  /** Nothing is started, and nothing that runs is ended. */
  | {
      readonly kind: "give_up";
      /** For people: why nothing is started. */
      readonly reason: string;
    };

/** What has run well for so long, as in docker, is taken to work: it gets all its retries again. */
export const WELL_MS = 10_000;

const FIRST_PAUSE_MS = 1000;

export function decideRestart(spec: RestartSpec, history: RestartHistory, ending: Ending): RestartDecision {
  const refusal = refuses(spec.policy, ending);
  if (refusal !== undefined) return { kind: "give_up", reason: refusal };
  const inRow = history.wellMs >= WELL_MS ? 0 : history.inRow;
  if (spec.maxRetries > 0 && inRow >= spec.maxRetries) {
    const times = spec.maxRetries === 1 ? "one restart" : `${spec.maxRetries} restarts in a row`;
    return { kind: "give_up", reason: `${describeEnding(ending)}; ${times} did not help` };
  }
  return {
    kind: "restart",
    what: ending.kind === "workload" ? "workload" : "machine",
    afterMs: Math.min(FIRST_PAUSE_MS * 2 ** inRow, spec.maxBackoffMs),
    inRow: inRow + 1,
  };
}

/** Why the policy starts nothing; undefined: it does. */
function refuses(policy: RestartPolicy, ending: Ending): string | undefined {
  if (ending.kind === "stopped") return describeEnding(ending);
  // `reboot` is a wish, not a fault: no policy is needed to fulfil it.
  if (ending.kind === "halted" && ending.how === "restart") return undefined;
  if (policy === "never") return `${describeEnding(ending)}; the restart policy is never`;
  if (policy === "on-failure" && !isFailure(ending))
    return `${describeEnding(ending)}, which is no failure (restart policy on-failure)`;
  return undefined;
}

function isFailure(ending: Ending): boolean {
  if (ending.kind === "workload") return ending.end.exitCode !== 0;
  return ending.kind === "machine" || ending.kind === "unhealthy";
}

/** A sentence's beginning, for people. */
export function describeEnding(ending: Ending): string {
  switch (ending.kind) {
    case "workload": {
      const { exitCode, signal, outOfMemory } = ending.end;
      const how = signal === null ? `with exit code ${exitCode}` : `by signal ${signal}`;
      return `the workload ended ${how}${outOfMemory ? ", and memory had run out" : ""}`;
    }
    case "halted":
      return `the guest was told to ${ending.how === "restart" ? "reboot" : "power off"}`;
    case "machine":
      return ending.reason;
    case "unhealthy":
      return "the workload is unhealthy";
    case "stopped":
      return "stopped by the user";
  }
}

/**
 * Whether an enabled machine is started with its host. As docker has it: `unless-stopped` remembers that somebody
 * stopped the machine; every other policy leaves it to `machine enable`, which was asked for.
 */
export function startsWithHost(policy: RestartPolicy, stoppedByUser: boolean): boolean {
  return policy !== "unless-stopped" || !stoppedByUser;
}
