import { Krun } from "../../../ffi/krun.ts";
import type { VmSpec } from "../types.ts";

/** The VM's handle, which `krun_create_ctx` returns. */
export const HANDLE = Symbol("handle");
export type Argument = number | boolean | string | Uint8Array | null | typeof HANDLE;

/** A function of libkrun and its arguments (include/libkrun.h). */
export interface KrunCall {
  readonly name: keyof typeof Krun.functions;
  readonly arguments: readonly Argument[];
}

/** How the VM's process finds what is connected for it. */
export interface Connections {
  /** A path that can be opened for the guest's console. */
  readonly console: string;
  /** Path of the agent's socket. */
  readonly agent: string;
  /** The network's wire: a path to connect, or a descriptor that is connected. */
  readonly card: string | number;
}

/** All calls that make the VM and start it, in order; the last one does not return. */
export function krunCalls(spec: VmSpec, commandLine: string, connections: Connections): KrunCall[] {
  const calls: KrunCall[] = [];
  const call = (name: KrunCall["name"], ...values: Argument[]) => calls.push({ name, arguments: values });
  call("krun_create_ctx");
  call("krun_init_log", 2, Krun.logLevel.error, Krun.logStyleNever, Krun.logIgnoreEnvironment);
  call("krun_set_vm_config", HANDLE, spec.cpus, spec.memoryMib);
  const format = process.arch === "x64" ? Krun.kernelFormat.elf : Krun.kernelFormat.raw;
  call("krun_set_kernel", HANDLE, spec.kernel, format, null, commandLine);
  for (const [index, { path, readOnly, format: diskFormat = "raw" }] of spec.disks.entries()) {
    // Without flushes the device does not offer them, and the guest does not wait for them.
    const sync = spec.ephemeral || readOnly ? Krun.sync.none : Krun.sync.full;
    const direct = false;
    call("krun_add_disk3", HANDLE, `disk${index}`, path, Krun.diskFormat[diskFormat], readOnly, direct, sync);
  }
  for (const { tag, path, readOnly, daxWindowMib = 0 } of spec.shares)
    call("krun_add_virtiofs3", HANDLE, tag, path, daxWindowMib * 1024 * 1024, readOnly);
  if (spec.card !== undefined) {
    const mac = Uint8Array.from(spec.card.mac.split(":"), (part) => Number.parseInt(part, 16));
    const { card } = connections;
    const [path, fd] = typeof card === "number" ? [null, card] : [card, -1];
    call("krun_add_net_unixstream", HANDLE, path, fd, mac, Krun.netFeatures, 0);
  }
  if (spec.gpu !== undefined)
    call("krun_set_gpu_options2", HANDLE, Krun.gpuFlags, spec.gpu.vramMib * 1024 * 1024);
  call("krun_disable_implicit_vsock", HANDLE);
  call("krun_add_vsock", HANDLE, Krun.noTsi);
  const listen = false; // The guest connects; libkrun forwards that to the socket on which our caller listens.
  call("krun_add_vsock_port2", HANDLE, spec.agentPort, connections.agent, listen);
  // The guest's console without libkrun's log in between.
  call("krun_set_console_output", HANDLE, connections.console);
  call("krun_start_enter", HANDLE);
  return calls;
}

/** As words of the program launcher/krun/krun.c, behind the library's path. */
export function krunWords(calls: readonly KrunCall[]): string[] {
  return calls.flatMap((call) => [call.name, ...call.arguments.map(wordOf), ";"]);
}

function wordOf(argument: Argument): string {
  if (argument === HANDLE) return "@";
  if (argument === null) return "-";
  if (typeof argument === "string") return `=${argument}`;
  if (argument instanceof Uint8Array) return `#${Buffer.from(argument).toString("hex")}`;
  return String(Number(argument));
}
