import { ConsoleTail } from "./console.ts";
import { splitFailure } from "./failure.ts";
import type { LaunchOptions, RunningVm, VmExit, VmmOrder } from "./types.ts";
import { prepareVmm, takeVmm } from "./vmm-handle.ts";

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
    // Nobody else has the write ends; a moment is enough, and the end must not depend on it.
    await Promise.race([drained, Bun.sleep(2000)]);
    const { error, rest } = splitFailure(messages.text(20, 8000));
    const tail = [console.text(), rest].filter((part) => part !== "").join("\n");
    return { code, signal, console: tail, error };
  });
  return { pid: vmm.pid, exited, kill: vmm.kill };
}

async function drain(stream: ReadableStream<Uint8Array>, onChunk: (chunk: Uint8Array) => void) {
  try {
    for await (const chunk of stream) onChunk(chunk);
  } catch {
    // A read error ends the stream like its end does: the exit of the process tells what happened.
  }
}
