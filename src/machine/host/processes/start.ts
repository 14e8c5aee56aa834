import type { GuestExec, GuestProcess } from "../../../guest/index.ts";
import { StreamFailure } from "../../../protocol/index.ts";
import type { Workplace } from "../relay.ts";

/**
 * Starts a process; again, when its root had to be made twice.
 *
 * @param signal ends it before it runs
 * @returns it and its process id, once it runs
 * @throws StreamFailure why it cannot be started; the connection's error
 */
export async function startProcess(
  workplace: Workplace,
  exec: GuestExec,
  signal?: AbortSignal,
): Promise<{ readonly process: GuestProcess; readonly pid: number }> {
  try {
    return await ask(workplace, exec, signal);
  } catch (error) {
    if (!(error instanceof StreamFailure) || error.code !== "exec.no_root") throw error;
    // Why the root could not be made explains more.
    await workplace.rootMade;
    return await ask(workplace, exec, signal);
  }
}

async function ask(workplace: Workplace, exec: GuestExec, signal: AbortSignal | undefined) {
  const process = workplace.exec(exec);
  const cancel = () => process.cancel();
  signal?.addEventListener("abort", cancel);
  if (signal?.aborted) cancel();
  try {
    const { pid } = await process.accepted;
    workplace.onStart?.();
    return { process, pid };
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}
