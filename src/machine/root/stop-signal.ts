import { constants } from "node:os";

/**
 * SIGRTMIN and SIGRTMAX as glibc counts them, and with it docker: the first two of the kernel's are the
 * library's own.
 */
const REALTIME = { RTMIN: 34, RTMAX: 64 } as const;

const INIT_STOP = REALTIME.RTMIN + 3;

/**
 * The signal that asks the first process to end: the image's STOPSIGNAL, else SIGTERM, for an init system
 * SIGRTMIN+3, systemd's "halt".
 *
 * @param stopSignal as in an image: `SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3`; one that does not exist counts as none
 */
export function stopSignalOf(stopSignal: string | undefined, initSystem: boolean): number {
  return parseSignal(stopSignal ?? "") ?? (initSystem ? INIT_STOP : constants.signals.SIGTERM);
}

/** @returns undefined when there is no such signal */
export function parseSignal(text: string): number | undefined {
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realtime = /^(RTMIN|RTMAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realtime !== null) {
    const [, base, sign, offset = "0"] = realtime;
    return checked(
      REALTIME[base as keyof typeof REALTIME] + Number(`${sign ?? "+"}${offset}`),
      REALTIME.RTMIN,
    );
  }
  if (/^\d{1,2}$/.test(name)) return checked(Number(name), 1);
  return (constants.signals as Record<string, number>)[`SIG${name}`];
}

const checked = (number: number, lowest: number) =>
  number >= lowest && number <= REALTIME.RTMAX ? number : undefined;
