import type { machinePruneOptions } from "../../table/images.ts";
import type { Invocation } from "../../table/types.ts";
import { machineNamed } from "./machine.ts";
import { run as prune } from "./prune.ts";

/**
 * `machine prune`: images are shared by all machines, so a machine's name only says that the user expects it to be
 * there.
 *
 * @throws SmolError `machine.not_found`
 */
export async function run({ values }: Invocation<typeof machinePruneOptions>): Promise<number> {
  if (values.name !== undefined) await machineNamed(values.name);
  return prune({ values });
}
