import { listMachines } from "../../machine/index.ts";
import { print, printJson } from "../output.ts";
import type { listOptions } from "../table/ls.ts";
import type { Invocation } from "../table/types.ts";
import { formatMachines } from "./ls-table.ts";

/** `machine ls`. */
export async function run({ values }: Invocation<typeof listOptions>): Promise<number> {
  const machines = await listMachines();
  if (values.json) await printJson(machines.map(({ env: _, ...facts }) => facts));
  else await print(formatMachines(machines, values.verbose));
  return 0;
}
