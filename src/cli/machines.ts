import { makeContext } from "./context.ts";

/** What a command about machines needs when it runs; loaded then, and not before. */
export async function openMachines() {
  const machines = await import("../machine/index.ts");
  return { machines, context: makeContext() };
}
