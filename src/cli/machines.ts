import type { Context } from "../context.ts";

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

/** Whether there is a machine of this name. */
export function isThere(machines: Machines, context: Context, name: string): boolean {
  return machines.listMachineNames(context).includes(name);
}
