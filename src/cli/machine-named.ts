import { listMachines, notFound } from "../machine/index.ts";
import type { MachineSummary } from "../machine/request.ts";

/** @throws SmolError `machine.not_found` */
export async function machineNamed(name: string): Promise<MachineSummary> {
  const machines = await listMachines();
  const found = machines.find((machine) => machine.name === name);
  if (found !== undefined) return found;
  throw notFound(name);
}
