import { Krun, openKrun } from "../../../ffi/krun.ts";
import { messageOf, SmolError } from "../../errors.ts";
import type { VmmOrder } from "../types.ts";
import { type Argument, HANDLE, krunCalls } from "./calls.ts";
import { krunFailure } from "./failure.ts";

type KrunOrder = Extract<VmmOrder, { engine: "krun" }>;

/**
 * Turns this process into the VM; it ends when the guest does. For systems without a launcher: there the machine's
 * process has nobody else to call libkrun.
 *
 * @throws SmolError `engine.krun_failed` when libkrun refuses; it never returns otherwise
 */
export function startKrun({ libkrun, commandLine, spec }: KrunOrder): never {
  const krun = load(libkrun);
  const connections = { console: "/dev/fd/1", agent: spec.agentSocket, card: spec.card?.socket ?? "" };
  let handle = -1;
  for (const { name, arguments: values } of krunCalls(spec, commandLine, connections)) {
    const call = krun[name] as (...values: unknown[]) => number;
    const { args: types } = Krun.functions[name];
    const result = call(...values.map((value, index) => converted(value, handle, types[index] === Krun.u64)));
    if (result < 0) throw krunFailure(name, -result);
    if (handle < 0) handle = result;
  }
  throw new Error("libkrun came back");
}

/** libkrun copies what it is given. */
function converted(value: Argument, handle: number, isWide: boolean): unknown {
  if (value === HANDLE) return handle;
  if (typeof value === "string") return Buffer.from(`${value}\0`);
  return isWide ? BigInt(value as number) : value;
}

function load(path: string): ReturnType<typeof openKrun> {
  try {
    return openKrun(path);
  } catch (error) {
    throw new SmolError("engine.krun_failed", `cannot load ${path}: ${messageOf(error)}`, {
      hint: "use --engine qemu",
    });
  }
}
