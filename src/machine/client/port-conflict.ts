import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import type { PortSpec } from "../model/index.ts";
import { hasProcess, listMachines } from "./info.ts";

/**
 * Says of a port that could not be published which machine has it, if one has.
 *
 * @param name of the machine that wanted it
 * @param error of its start; any other is given back as it is
 */
export function namingHolder(
  context: Context,
  name: string,
  wanted: readonly PortSpec[],
  error: unknown,
): unknown {
  if (!(error instanceof SmolError) || error.code !== "port.in_use") return error;
  for (const machine of listMachines(context)) {
    if (machine.name === name || !hasProcess(machine.status)) continue;
    const held = machine.state?.ports ?? [];
    const port = wanted.find((one) => held.some((other) => collide(one, other)));
    if (port === undefined) continue;
    return new SmolError(
      "port.in_use",
      `host port ${port.host} is already in use by running machine '${machine.name}'`,
      { hint: error.hint, cause: error },
    );
  }
  return error;
}

const isAny = (address: string) => address === "0.0.0.0" || address === "::";

function collide(one: PortSpec, other: PortSpec): boolean {
  return (
    one.host === other.host &&
    one.protocol === other.protocol &&
    (one.address === other.address || isAny(one.address) || isAny(other.address))
  );
}
