import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { connectMachine, type Machine } from "./connect.ts";
import { inspectMachine, type MachineInfo } from "./info.ts";
import { observeMachine } from "./observe.ts";

/** `stopped`: it does not run, for whatever reason. */
export type AwaitedStatus = "running" | "healthy" | "stopped";

/** Between two looks at a machine whose process is not there, or tells nobody about that: nothing would wake us. */
const LOOK_MS = 100;

/**
 * Waits until a machine is in a state.
 *
 * @throws SmolError `machine.not_found`, `machine.no_health`; `machine.failed` when it has failed and something else is
 * awaited; the signal's reason
 */
export async function waitForStatus(
  context: Context,
  name: string,
  awaited: AwaitedStatus,
  signal?: AbortSignal,
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const info = inspectMachine(context, name);
    if (isReached(info, awaited)) return;
    requirePossible(info, awaited);
    const machine = await connectMachine(context, name).catch(() => undefined);
    const wasTold = machine !== undefined && (await untilNews(context, machine, awaited, signal));
    if (!wasTold) await Bun.sleep(LOOK_MS);
  }
}

function isReached({ status, state }: MachineInfo, awaited: AwaitedStatus): boolean {
  if (awaited === "healthy") return status === "running" && state?.health?.status === "healthy";
  if (awaited === "running") return status === "running";
  return status === "stopped" || status === "failed" || status === "created";
}

function requirePossible({ name, status, record, state }: MachineInfo, awaited: AwaitedStatus): void {
  if (awaited === "healthy" && record?.health === null)
    throw new SmolError("machine.no_health", `machine '${name}' has no health check`);
  if (awaited !== "stopped" && status === "failed")
    throw new SmolError("machine.failed", `machine '${name}' has failed: ${state?.reason ?? ""}`);
}

/** Resolves when something has happened to the machine. @returns false when its process tells nothing */
async function untilNews(
  context: Context,
  machine: Machine,
  awaited: AwaitedStatus,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const close = () => machine.close();
  signal?.addEventListener("abort", close, { once: true });
  try {
    const { events, started } = observeMachine(machine, {}, signal);
    try {
      await started;
    } catch {
      return false;
    }
    // Listens before it looks: what happens in between is not missed.
    if (isReached(inspectMachine(context, machine.name), awaited)) return true;
    for await (const _ of events) break;
    return true;
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
}
