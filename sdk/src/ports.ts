/** Whether something answers behind a port of the host. */
import { connect } from "node:net";
import { errorOf } from "./errors.ts";
import type { MachineInfo, PortMapping } from "./types.ts";

export interface PortReach {
  readonly guest: number;
  /** Default: any that is free. */
  readonly host?: number | undefined;
  /** Of the host. Default: 127.0.0.1. */
  readonly bind?: string | undefined;
  /** Default: tcp. */
  readonly protocol?: "tcp" | "udp" | undefined;
}

/**
 * How a port of a machine is reached.
 *
 * @param before of several, one that is not among these is meant
 * @throws SmolvmError `sdk.no_port`
 */
export function mappingOf(
  { name, ports }: MachineInfo,
  guestPort: number,
  before: readonly PortMapping[] = [],
): PortMapping {
  const leading = ports.filter(({ guest }) => guest === guestPort);
  const mapping = leading.find(({ host }) => !before.some((known) => known.host === host)) ?? leading[0];
  if (mapping !== undefined) return mapping;
  throw errorOf({
    code: "sdk.no_port",
    message: `no port of the host leads to port ${guestPort} of machine '${name}'`,
    hint: `await machine.expose(${guestPort})`,
  });
}

/** Where a program of this host connects. */
const addressOf = ({ bind }: PortMapping): string => (bind === "0.0.0.0" ? "127.0.0.1" : bind);

export const urlOf = (mapping: PortMapping, path: string): string =>
  new URL(path, `http://${addressOf(mapping)}:${mapping.host}`).href;

/** Between two attempts, in milliseconds: that a program in a machine listens is nobody's event. */
const PAUSE_MS = 50;

/** How long a connection has to stay open to be more than the host's own port that has nothing behind it. */
const QUIET_MS = 200;

/** Resolves when something answers. @param http a path that has to answer with a status below 500 */
export async function waitForPort(
  mapping: PortMapping,
  http: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const answers =
      http === undefined
        ? await staysOpen(addressOf(mapping), mapping.host)
        : await responds(urlOf(mapping, http), signal);
    if (answers) return;
    await pause(signal);
  }
}

/** A port whose guest refuses is closed at once. */
function staysOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (answer: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => {
      timer = setTimeout(() => end(true), QUIET_MS);
    });
    socket.once("data", () => end(true));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
  });
}

async function responds(url: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    const answer = await fetch(url, signal === undefined ? {} : { signal });
    await answer.body?.cancel();
    return answer.status < 500;
  } catch {
    return false;
  }
}

function pause(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, PAUSE_MS);
    signal?.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}
