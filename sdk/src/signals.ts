import { constants } from "node:os";
import { errorOf } from "./errors.ts";
import type { ProcessEnd } from "./transport/types.ts";
import type { ExitStatus, SignalName } from "./types.ts";

/** The numbers of Linux, which is what a machine runs, whatever this host is. */
const LINUX: Readonly<Partial<Record<SignalName, number>>> = {
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGSTOP: 19,
  SIGCONT: 18,
};

/** The last real-time signal (signal(7)). */
const LAST_SIGNAL = 64;

/** @throws InvalidConfigError: a machine takes nothing else, and would end the connection */
export function signalNumber(signal: SignalName | number): number {
  const number =
    typeof signal === "number" ? signal : (LINUX[signal] ?? constants.signals[signal as NodeJS.Signals]);
  if (Number.isInteger(number) && number >= 1 && number <= LAST_SIGNAL) return number;
  throw errorOf({ code: "sdk.bad_request", message: `${JSON.stringify(signal)} is no signal` });
}

function signalName(number: number): SignalName {
  const linux = Object.entries(LINUX).find(([, value]) => value === number);
  const known = linux ?? Object.entries(constants.signals).find(([, value]) => value === number);
  return (known?.[0] ?? `SIG${number}`) as SignalName;
}

export const statusOf = (end: ProcessEnd): ExitStatus =>
  "signal" in end
    ? { exitCode: 128 + end.signal, signal: signalName(end.signal) }
    : { exitCode: end.exitCode, signal: null };
