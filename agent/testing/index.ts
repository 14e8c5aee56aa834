/**
 * Runs the real agent without a VM, for tests, and a small busybox tree as the workload's root. Needs Linux,
 * root, cc and a static busybox.
 */
export { isRunning, startAgent, startGuest, type TestAgent, type TestGuest } from "./guest.ts";
export { agentProgram, staticAgent } from "./program.ts";
export { RawHost } from "./raw.ts";
export { bindMount, makeRoot, stepsFor, which } from "./root.ts";
export { collect, crowd, endOf, type Finished, output, PATH, readUntil, run, start } from "./run.ts";
