import { warn } from "../output.ts";
import type { Invocation } from "../program/types.ts";

/** Tells the user about options of the machine that configure nothing, because they came behind the `--`. */
export async function noteMisplaced(invocation: Invocation): Promise<void> {
  if (!invocation.workload.some((word) => word.startsWith("--"))) return;
  const { cameAfterDashes } = await import("../explain/misplaced.ts");
  const note = cameAfterDashes(invocation);
  if (note !== undefined) warn(note);
}
