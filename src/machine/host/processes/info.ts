import { Channel } from "../../../protocol/index.ts";
import type { HostedProcess, ProcessEnd } from "./hosted-process.ts";
import type { Offsets } from "./messages.ts";

/** What `machine ps` tells about a process; JSON. */
export interface ProcessInfo {
  readonly id: string;
  readonly name: string | null;
  readonly argv: readonly string[];
  readonly user: string;
  readonly tty: boolean;
  /** It has an input. */
  readonly stdin: boolean;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** `lost`: its machine ended under it. */
  readonly state: "running" | "exited" | "lost";
  readonly endedAt: number | null;
  readonly exitCode: number | null;
  /** The signal that ended it. */
  readonly signal: number | null;
  readonly outOfMemory: boolean;
  /** How many clients are attached to it. */
  readonly attached: number;
  /** Bytes of output that it has written. */
  readonly written: Offsets;
}

export function processInfo({ about, end, attached, output }: HostedProcess): ProcessInfo {
  const { id, name = null, argv, user, tty, stdin, pid, startedAt } = about;
  return {
    ...{ id, name, argv, user, tty, stdin, pid, startedAt },
    ...endInfo(end),
    attached,
    written: {
      stdout: output.channel(Channel.stdout).written,
      stderr: output.channel(Channel.stderr).written,
    },
  };
}

function endInfo(
  end: ProcessEnd | undefined,
): Pick<ProcessInfo, "state" | "endedAt" | "exitCode" | "signal" | "outOfMemory"> {
  const none = { endedAt: null, exitCode: null, signal: null, outOfMemory: false };
  if (end === undefined) return { ...none, state: "running" };
  const { at, result, outOfMemory } = end;
  if ("code" in result) return { ...none, state: "lost", endedAt: at };
  return {
    state: "exited",
    endedAt: at,
    exitCode: "exitCode" in result ? result.exitCode : null,
    signal: "signal" in result ? result.signal : null,
    outOfMemory,
  };
}
