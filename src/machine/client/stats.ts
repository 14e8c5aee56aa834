import type { Context } from "../../context.ts";
import type { Figures } from "../../guest/index.ts";
import { readState } from "../store/index.ts";
import type { Machine } from "./connect.ts";
import { toSmolError } from "./failure.ts";
import { residentBytes } from "./resident.ts";

/** What a machine uses at a moment. */
export interface MachineFigures extends Figures {
  /** Bytes of the host's memory that its VMM has; undefined where the host does not tell. */
  readonly hostBytes: number | undefined;
  /** Share of one of its processors that its processes have used since the figures before; 1 is all of one. */
  readonly processors: number | undefined;
}

/**
 * Figures of a running machine, until it ends or nobody asks for the next ones.
 *
 * @param everyMs milliseconds between them
 * @throws SmolError
 */
export async function* machineFigures(
  context: Context,
  machine: Machine,
  everyMs: number,
): AsyncGenerator<MachineFigures, void, void> {
  const stream = machine.open({ method: "stats", params: { everyMs } });
  const waiting: Figures[] = [];
  let wake = Promise.withResolvers<void>();
  let failure: unknown;
  let over = false;
  stream.onEvent = (message) => {
    // A later program may tell more.
    if ((message as { kind?: unknown } | undefined)?.kind !== "figures") return;
    // Whoever is slow is told how things are, not how they were.
    waiting.splice(0, waiting.length, message as Figures);
    wake.resolve();
  };
  stream.result
    .catch((error) => {
      failure = error;
    })
    .finally(() => {
      over = true;
      wake.resolve();
    });
  let before: { readonly at: number; readonly microseconds: number } | undefined;
  try {
    for (;;) {
      const figures = waiting.shift();
      if (figures !== undefined) {
        const at = performance.now();
        const microseconds = figures.root.processorMicroseconds;
        const processors = before && (microseconds - before.microseconds) / 1000 / (at - before.at);
        before = { at, microseconds };
        yield {
          ...figures,
          processors,
          hostBytes: residentBytes(readState(context.paths, machine.name)?.vmmPid),
        };
        continue;
      }
      if (failure !== undefined) throw toSmolError(failure);
      if (over) return;
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
  } finally {
    stream.cancel();
  }
}
