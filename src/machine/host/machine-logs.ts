import { mkdirSync } from "node:fs";
import { ConsoleLog, EgressLog, WorkloadLog } from "../logs/index.ts";

export const workloadLogPath = (data: string): string => `${data}/logs/workload.log`;
/** Where scripts look for it. */
export const consoleLogPath = (data: string): string => `${data}/agent-console.log`;

export const egressLogPath = (data: string): string => `${data}/logs/egress.log`;

/** The logs of a lasting machine, kept over its starts. */
export class MachineLogs {
  readonly workload: WorkloadLog;
  readonly console: ConsoleLog;
  /** What it wanted from the network; appears with the first line. */
  readonly egress: EgressLog;

  /** @param data the machine's directory for them */
  constructor(data: string) {
    mkdirSync(`${data}/logs`, { recursive: true, mode: 0o700 });
    this.console = new ConsoleLog(consoleLogPath(data));
    this.workload = new WorkloadLog(workloadLogPath(data), {
      onTrouble: (text) => this.console.say("error", text),
    });
    this.egress = new EgressLog(egressLogPath(data), {
      onTrouble: (text) => this.console.say("error", text),
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.workload.close(), this.egress.close(), this.console.close()]);
  }
}
