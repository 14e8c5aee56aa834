/** The VMM process: waits for its order, gives up its privileges, becomes the VM. */
import { messageOf, SmolError } from "../errors.ts";
import { confine } from "./confine.ts";
import { formatFailure } from "./failure.ts";
import type { VmmOrder } from "./types.ts";

/** A spec with the longest paths and command line is a few kilobytes. */
const MAX_ORDER_BYTES = 1024 * 1024;

/** Entry of the `__vmm` role; argument: process id of the parent. Ends with the VM, or with exit code 1. */
export async function runVmmProcess(): Promise<never> {
  try {
    confine(Number(process.argv[3]));
    const order = await readOrder();
    if (order.sandbox !== undefined) await enter(order.sandbox);
    if (order.engine === "krun") {
      const { startKrun } = await import("./krun/start.ts");
      return startKrun(order);
    }
    return becomeProgram(order.command);
  } catch (error) {
    await Bun.write(Bun.stderr, formatFailure(error));
    process.exit(1);
  }
}

async function enter(profile: string): Promise<void> {
  const { enterSandbox } = await import("../../ffi/seatbelt.ts");
  try {
    enterSandbox(profile);
  } catch (error) {
    throw new SmolError("confine.failed", `macOS does not take the VM's sandbox: ${messageOf(error)}`, {
      hint: "--confine off starts without",
    });
  }
}

/** One line of JSON. The parent keeps the stream open: its end is how a process without prctl learns of the parent's. */
async function readOrder(): Promise<VmmOrder> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of Bun.stdin.stream()) {
    text += decoder.decode(chunk, { stream: true });
    if (text.endsWith("\n")) return JSON.parse(text) as VmmOrder;
    if (text.length > MAX_ORDER_BYTES) break;
  }
  // The parent ended, or had nothing to start after all.
  process.exit(0);
}

/** Nothing of the user's environment goes along: QEMU needs none of it. */
function becomeProgram(command: readonly [string, ...string[]]): never {
  if (process.execve === undefined) throw new Error("this Bun has no process.execve");
  return process.execve(command[0], [...command], { LC_ALL: "C" });
}
