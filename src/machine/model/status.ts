/** How a machine is, as everybody who looks is told; `unknown`: its record cannot be read by this program. */
export const machineStatuses = [
  "created",
  "starting",
  "running",
  "stopping",
  "stopped",
  "failed",
  "unreachable",
  "unknown",
] as const;

export type MachineStatus = (typeof machineStatuses)[number];
