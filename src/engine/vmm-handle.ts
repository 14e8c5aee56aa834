import { closeSync } from "node:fs";
import { makePipe } from "../../ffi/libc.ts";
import { messageOf, SmolError } from "../errors.ts";
import { readAndClose } from "../pipe.ts";
import { vmmCommand } from "./self.ts";
import type { VmmHandle, VmmOrder } from "./types.ts";

/** What `launchVm` needs beside that; kept apart because a process takes one order only. */
export interface IdleVmm extends VmmHandle {
  /** The guest's console, once. */
  readonly console: AsyncIterable<Uint8Array>;
  /** Messages of the VMM itself. */
  readonly messages: ReadableStream<Uint8Array>;
  send(order: VmmOrder): void;
}

const idle = new WeakMap<VmmHandle, IdleVmm>();

/**
 * Starts a VMM process. It ends with the thread that calls this, however that ends (kill -9 included).
 *
 * @throws SmolError `engine.spawn_failed`
 */
export function prepareVmm(): VmmHandle {
  const vmm = spawnVmm();
  const handle = { pid: vmm.pid, exited: vmm.exited, kill: vmm.kill };
  idle.set(handle, vmm);
  return handle;
}

/** The process behind the handle, once. */
export function takeVmm(handle: VmmHandle): IdleVmm {
  const vmm = idle.get(handle);
  if (vmm === undefined) throw new Error("a VMM process runs one VM only");
  idle.delete(handle);
  return vmm;
}

function spawnVmm(): IdleVmm {
  const { readEnd, writeEnd } = makePipe();
  try {
    const { command, argv0, env } = vmmCommand(process.pid);
    // A session of its own: an interrupt typed at the terminal is the parent's to handle.
    const child = Bun.spawn(command, {
      argv0,
      env,
      stdin: "pipe",
      stdout: writeEnd,
      stderr: "pipe",
      detached: true,
    });
    return {
      pid: child.pid,
      exited: child.exited.then(() => ({ code: child.exitCode, signal: child.signalCode as string | null })),
      kill: () => child.kill("SIGKILL"),
      console: readAndClose(readEnd),
      messages: child.stderr,
      send: (order) => {
        child.stdin.write(`${JSON.stringify(order)}\n`);
        child.stdin.flush();
      },
    };
  } catch (error) {
    closeSync(readEnd);
    throw new SmolError("engine.spawn_failed", `cannot start the VMM process: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    closeSync(writeEnd);
  }
}
