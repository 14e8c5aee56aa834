import type { Context } from "../context.ts";
import type { MachineInfo } from "../machine/index.ts";
import { printJson } from "./output.ts";

/** The machine library, as commands get it. */
export type Machines = typeof import("../machine/index.ts");

/** What a command about machines needs when it runs; loaded then, and not before. */
export async function openMachines(): Promise<{ machines: Machines; context: Context }> {
  const [machines, { makeContext }] = await Promise.all([
    import("../machine/index.ts"),
    import("./context.ts"),
  ]);
  return { machines, context: makeContext() };
}

/** Machines as JSON: one as it is, several as an array. */
export async function printMachines(machines: Machines, infos: readonly MachineInfo[]): Promise<void> {
  const all = infos.map(machines.machineJson);
  await printJson(all.length === 1 ? all[0] : all);
}

/** Whether there is a machine of this name. */
export function isThere(machines: Machines, context: Context, name: string): boolean {
  return machines.listMachineNames(context).includes(name);
}
