import { constants } from "node:os";
import type { ProcessEnd } from "./transport/types.ts";
import type { ExitStatus, SignalName } from "./types.ts";

/** The numbers of Linux, which is what a machine runs, whatever this host is. */
const LINUX: Readonly<Partial<Record<SignalName, number>>> = {
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGSTOP: 19,
  SIGCONT: 18,
};

export const signalNumber = (signal: SignalName | number): number =>
  typeof signal === "number" ? signal : (LINUX[signal] ?? constants.signals[signal as NodeJS.Signals]);

function signalName(number: number): SignalName {
  const linux = Object.entries(LINUX).find(([, value]) => value === number);
  const known = linux ?? Object.entries(constants.signals).find(([, value]) => value === number);
  return (known?.[0] ?? `SIG${number}`) as SignalName;
}

export const statusOf = (end: ProcessEnd): ExitStatus =>
  "signal" in end
    ? { exitCode: 128 + end.signal, signal: signalName(end.signal) }
    : { exitCode: end.exitCode, signal: null };
