import { resolvePaths } from "../config/paths.ts";
import { readRunningMachines } from "./directory.ts";
import { summarize } from "./record.ts";
import type { MachineSummary } from "./request.ts";

/** The machines that run now, by name. Looking changes nothing and starts nothing. */
export async function listMachines(): Promise<MachineSummary[]> {
  return (await readRunningMachines(resolvePaths())).map(summarize);
}
