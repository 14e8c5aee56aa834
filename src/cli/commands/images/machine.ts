import { SmolError } from "../../../errors.ts";
import { listMachines } from "../../../machine/index.ts";
import type { MachineSummary } from "../../../machine/request.ts";
import { oneLine } from "../../output.ts";

/** @throws SmolError `machine.not_found` */
export async function machineNamed(name: string): Promise<MachineSummary> {
  const machines = await listMachines();
  const found = machines.find((machine) => machine.name === name);
  if (found !== undefined) return found;
  throw new SmolError("machine.not_found", `vm not found: ${oneLine(name)}`, {
    hint: "`smolvm machine ls` shows what runs",
  });
}
