import { endsWithin } from "../within.ts";
import { ConsoleTail } from "./console.ts";
import { splitFailure } from "./failure.ts";
import type { LaunchOptions, RunningVm, VmExit, VmmOrder } from "./types.ts";
import { prepareVmm, takeVmm } from "./vmm-handle.ts";

/** How long the last output of a VMM that has ended may take to come out of its pipes. */
const DRAIN_LIMIT_MS = 2000;

/** Starts a VM in a VMM process and watches it. */
export function launchVm(order: VmmOrder, options: LaunchOptions): RunningVm {
  const vmm = takeVmm(options.vmm ?? prepareVmm());
  const console = new ConsoleTail();
  const messages = new ConsoleTail();
  // Read to the end, whatever comes: a full pipe would stop the guest's console, and with it the guest.
  const drained = Promise.all([
    drain(vmm.console, (chunk) => {
      console.push(chunk);
      options.consoleLog?.(chunk);
    }),
    drain(vmm.messages, (chunk) => messages.push(chunk)),
  ]);
  vmm.send(order);
  const exited = vmm.exited.then(async ({ code, signal }): Promise<VmExit> => {
    // No other process has the write ends, so a moment is enough; the end must not depend on it.
    await endsWithin(drained, DRAIN_LIMIT_MS);
    const { error, rest } = splitFailure(messages.text(20, 8000));
    const tail = [console.text(), rest].filter((part) => part !== "").join("\n");
    return { code, signal, console: tail, error };
  });
  return { pid: vmm.pid, exited, kill: vmm.kill };
}

async function drain(stream: AsyncIterable<Uint8Array>, onChunk: (chunk: Uint8Array) => void) {
  try {
    for await (const chunk of stream) onChunk(chunk);
  } catch {
    // A read error ends the stream like its end does: the exit of the process tells what happened.
  }
}
