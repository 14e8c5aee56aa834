import { errorOf } from "./errors.ts";
import type { ProcessEnd } from "./transport/types.ts";
import type { ExitStatus, SignalName } from "./types/index.ts";

/** By their numbers less one, in Linux (signal(7)), which is what a machine runs, whatever this host is. */
const NAMES: readonly SignalName[] = [
  ...(["SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE"] as const),
  ...(["SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT"] as const),
  ...(["SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU"] as const),
  ...(["SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS"] as const),
];

/** The last real-time signal. */
const LAST_SIGNAL = 64;

/** @throws InvalidConfigError: a machine takes nothing else, and would end the connection */
export function signalNumber(signal: SignalName | number): number {
  const number = typeof signal === "number" ? signal : NAMES.indexOf(signal) + 1;
  if (Number.isInteger(number) && number >= 1 && number <= LAST_SIGNAL) return number;
  throw errorOf({ code: "sdk.bad_request", message: `${JSON.stringify(signal)} is no signal` });
}

const signalName = (number: number): SignalName => NAMES[number - 1] ?? `SIG${number}`;

export const statusOf = (end: ProcessEnd): ExitStatus =>
  "signal" in end
    ? { exitCode: 128 + end.signal, signal: signalName(end.signal) }
    : { exitCode: end.exitCode, signal: null };
