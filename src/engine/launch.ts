import { planLaunch, type Started, seatbeltProfile } from "../confine/index.ts";
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

/** The starter's name for the order of a VM that boots: the same one each time. */
const BOOTED = "VM";

/**
 * Starts a VM in a process of its own and watches it.
 *
 * @param program the same VM for the launcher, where there is one
 * @throws SmolError `engine.spawn_failed`
 */
export function launchVm(order: VmmOrder, options: LaunchOptions, program: VmProgram): RunningVm {
  const { confine } = options;
  if (confine === undefined) return watch(startByItself(order, options, program), [], options);
  const vmm = startConfined(BOOTED, program, confine, 0);
  return watch(vmm, vmm.subjects, options);
}

/** As `launchVm`, of a VM that may be started later, by a starter that is sealed then. */
export function prepareVm({ confine }: LaunchOptions, program: VmProgram): void {
  if (confine === undefined) return;
  naming(() => confine.starter.learn(BOOTED, () => planLaunch(program(confine.krun), confine.confinement)));
}

/**
 * As `launchVm`, of another kind of VM, with a connection that the program finds at the descriptor 4.
 *
 * @param kind the starter's name for its order
 */
export function launchConnectedVm(
  kind: string,
  confine: LaunchConfined,
  options: LaunchOptions,
  program: VmProgram,
): { vm: RunningVm; connection: number } {
  const vmm = startConfined(kind, program, confine, 1);
  return { vm: watch(vmm, vmm.subjects, options), connection: vmm.sockets[0] ?? -1 };
}

function watch(vmm: VmProcess, subjects: readonly string[], { consoleLog }: LaunchOptions): RunningVm {
  const console = new ConsoleTail();
  const messages = new ConsoleTail();
  // Read to the end, whatever comes: a full pipe would stop the guest's console, and with it the guest.
  const drained = Promise.all([
    drain(vmm.output, (chunk) => {
      console.push(chunk);
      consoleLog?.(chunk);
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

function startConfined(name: string, program: VmProgram, confine: LaunchConfined, sockets: 0 | 1): Started {
  const { starter, confinement } = confine;
  return naming(() => starter.start(name, () => planLaunch(program(confine.krun), confinement), sockets));
}

function naming<T>(start: () => T): T {
  try {
    return start();
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
