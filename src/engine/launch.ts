import { type ConfinedProgram, planLaunch, seatbeltProfile } from "../confine/index.ts";
import { messageOf, SmolError } from "../errors.ts";
import { endsWithin } from "../within.ts";
import { ConsoleTail } from "./console.ts";
import { splitFailure } from "./failure.ts";
import type { LaunchConfined, LaunchOptions, RunningVm, VmExit, VmmOrder, VmProgram } from "./types.ts";
import { prepareVmm, takeVmm } from "./vmm-handle.ts";

/** The process of a VM, whoever has started it. */
interface VmProcess {
  readonly pid: number;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  readonly output: AsyncIterable<Uint8Array>;
  readonly messages: AsyncIterable<Uint8Array>;
  kill(): void;
}

/** How long the last output of a VMM that has ended may take to come out of its pipes. */
const DRAIN_LIMIT_MS = 2000;

/**
 * Starts a VM in a process of its own and watches it.
 *
 * @param program the same VM for the launcher, where there is one
 * @throws SmolError `engine.spawn_failed`
 */
export function launchVm(order: VmmOrder, options: LaunchOptions, program: VmProgram): RunningVm {
  const { confine } = options;
  const { vmm, subjects } =
    confine === undefined
      ? { vmm: startByItself(order, options, program), subjects: [] }
      : startConfined(() => program(confine.krun), confine);
  const console = new ConsoleTail();
  const messages = new ConsoleTail();
  // Read to the end, whatever comes: a full pipe would stop the guest's console, and with it the guest.
  const drained = Promise.all([
    drain(vmm.output, (chunk) => {
      console.push(chunk);
      options.consoleLog?.(chunk);
    }),
    drain(vmm.messages, (chunk) => messages.push(chunk)),
  ]);
  const exited = vmm.exited.then(async ({ code, signal }): Promise<VmExit> => {
    // No other process has the write ends, so a moment is enough; the end must not depend on it.
    await endsWithin(drained, DRAIN_LIMIT_MS);
    const { error, rest } = splitFailure(messages.text(20, 8000), subjects);
    const tail = [console.text(), rest].filter((part) => part !== "").join("\n");
    return { code, signal, console: tail, error };
  });
  return {
    get pid() {
      return vmm.pid;
    },
    exited,
    kill: vmm.kill,
  };
}

function startConfined(
  program: () => ConfinedProgram,
  { starter, confinement }: LaunchConfined,
): { vmm: VmProcess; subjects: readonly string[] } {
  try {
    const vmm = starter.start("VM", () => planLaunch(program(), confinement));
    return { vmm, subjects: vmm.subjects };
  } catch (error) {
    throw new SmolError("engine.spawn_failed", `cannot start the VM's process: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Where there is no launcher: a process of ours takes the VM's place, and confines itself on macOS. */
function startByItself(
  order: VmmOrder,
  { vmm: prepared, sandbox }: LaunchOptions,
  program: VmProgram,
): VmProcess {
  const { pid, exited, kill, console: output, messages, send } = takeVmm(prepared ?? prepareVmm());
  // The program that calls libkrun is this one.
  const profile = sandbox ? seatbeltProfile(program(process.execPath)) : undefined;
  send({ ...order, sandbox: profile });
  return { pid, exited, kill, output, messages };
}

async function drain(stream: AsyncIterable<Uint8Array>, onChunk: (chunk: Uint8Array) => void) {
  try {
    for await (const chunk of stream) onChunk(chunk);
  } catch {
    // A read error ends the stream like its end does: the exit of the process tells what happened.
  }
}
