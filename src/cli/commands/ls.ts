import { listMachines } from "../../machine/index.ts";
import { print } from "../output.ts";
import type { listOptions } from "../table/ls.ts";
import type { Invocation } from "../table/types.ts";
import { formatMachines } from "./ls-table.ts";

/** `machine ls`. */
export async function run({ values }: Invocation<typeof listOptions>): Promise<number> {
  const machines = await listMachines();
  await print(
    values.json ? `${JSON.stringify(machines, null, 2)}\n` : formatMachines(machines, values.verbose),
  );
  return 0;
}
