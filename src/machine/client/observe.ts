import type { MachineEvent, Supervision } from "../host/lasting.ts";
import type { Machine } from "./connect.ts";
import { toSmolError } from "./failure.ts";

export type { MachineEvent, Supervision };

export interface Observed {
  /** Resolves when events are being heard. @throws SmolError */
  readonly started: Promise<void>;
  /** What happens to the machine, until it ends or the signal is aborted. */
  readonly events: AsyncIterable<MachineEvent>;
}

/** A later program may tell more. */
const KNOWN: ReadonlySet<unknown> = new Set<MachineEvent["type"]>([
  "health",
  "ended",
  "restarting",
  "gave_up",
  "started",
]);

/** Events that wait for a slow reader; beyond that the oldest are dropped. */
const MAX_WAITING = 1000;

/**
 * Hears what happens to a machine, and decides about its restarts and its health check for as long as it listens.
 *
 * @param supervision what is left out is left to the machine
 */
export function observeMachine(machine: Machine, supervision: Supervision, signal?: AbortSignal): Observed {
  const stream = machine.open({ method: "supervise", params: supervision });
  const waiting: MachineEvent[] = [];
  let wake = Promise.withResolvers<void>();
  let over = false;
  const end = () => {
    over = true;
    wake.resolve();
  };
  stream.onEvent = (message) => {
    const event = message as MachineEvent | undefined;
    if (event === undefined || !KNOWN.has(event.type)) return;
    waiting.push(event);
    if (waiting.length > MAX_WAITING) waiting.shift();
    wake.resolve();
  };
  stream.result.then(end, end);
  const leave = () => {
    stream.cancel();
    end();
  };
  if (signal?.aborted) leave();
  else signal?.addEventListener("abort", leave, { once: true });
  const started = stream.accepted.then(
    () => {},
    (error) => {
      throw toSmolError(error);
    },
  );
  started.catch(() => {});
  return { started, events: read() };

  async function* read(): AsyncGenerator<MachineEvent, void, void> {
    try {
      for (;;) {
        for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) yield event;
        if (over) return;
        await wake.promise;
        wake = Promise.withResolvers<void>();
      }
    } finally {
      stream.cancel();
    }
  }
}
