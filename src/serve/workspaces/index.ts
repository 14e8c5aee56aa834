/** Work on workspaces beside the server, which answers others meanwhile. */
import { startThread } from "../../self.ts";
import { unpackError } from "../../sent-error.ts";
import type { FromThread, WorkspaceOrder, WorkspaceOutcome } from "./messages.ts";

export type { ToldChange, WorkspaceOutcome } from "./messages.ts";

/** A thread has memory of its own, some 30 MB: others wait. */
const MAX_THREADS = 4;

let running = 0;
const waiting: (() => void)[] = [];

/**
 * Carries out an order on a thread. What was begun is ended, also when nobody waits for it any more.
 *
 * @throws SmolError `workspace.*`
 */
export async function onThread(order: WorkspaceOrder): Promise<WorkspaceOutcome> {
  if (running >= MAX_THREADS) await new Promise<void>((resolve) => void waiting.push(resolve));
  else running++;
  const worker = startThread("__workspace");
  try {
    return await answerOf(worker, order);
  } finally {
    worker.terminate();
    const next = waiting.shift();
    if (next === undefined) running--;
    // It takes this one's place.
    else next();
  }
}

async function answerOf(worker: Worker, order: WorkspaceOrder): Promise<WorkspaceOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<WorkspaceOutcome>();
  worker.addEventListener("message", ({ data }: MessageEvent<FromThread>) => {
    if (data.kind === "ready") worker.postMessage(order);
    else if (data.kind === "done") resolve(data.outcome);
    else reject(unpackError(data.error));
  });
  worker.addEventListener("error", ({ message }) => reject(new Error(message)));
  worker.addEventListener("close", () => reject(new Error("the thread of a workspace has ended")));
  return await promise;
}
