/** Machines: what they are made of, how they start, run commands and end. */
export { execInMachine } from "./exec.ts";
export { listMachines } from "./list.ts";
export { notFound } from "./name.ts";
export type { ExecCommand, MachineSummary, RunRequest } from "./request.ts";
export { runEphemeral } from "./run.ts";
