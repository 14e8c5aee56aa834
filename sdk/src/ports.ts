/** Whether something answers behind a port of the host. */
import { errorOf } from "./errors.ts";
import { execute } from "./exec.ts";
import type { Transport } from "./transport/types.ts";
import type { MachineInfo, PortMapping } from "./types/index.ts";
import { whenEnded } from "./watch.ts";

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

/** A guest that refuses has mostly done so by then, and need not be asked; in milliseconds. */
const QUIET_MS = 200;

/**
 * For a port at which no socket of the guest's listens: its kernel may lead it elsewhere (into a container), or refuse it as
 * soon as it gets to it. A guest that has just answered a question takes far less, in milliseconds.
 */
const PATIENCE_MS = 2000;

/** What is waited for. */
interface Wanted {
  readonly machine: string;
  readonly mapping: PortMapping;
  /** A path that has to answer with a status below 500. */
  readonly http: string | undefined;
}

/**
 * Resolves when something answers at a port of a machine.
 *
 * @throws InvalidStateError `machine.not_running` when the machine ends, or has ended; the signal's reason
 */
export async function untilAnswers(
  transport: () => Transport,
  { machine, mapping, http }: Wanted,
  limit: AbortSignal | undefined,
): Promise<void> {
  const over = new AbortController();
  const signal = limit === undefined ? over.signal : AbortSignal.any([limit, over.signal]);
  const asked: Listens = (port) => listens(transport(), machine, port, signal);
  try {
    await Promise.race([waitForPort(mapping, http, asked, signal), whenEnded(transport, machine, signal)]);
  } finally {
    over.abort();
  }
}

/** Undefined: the machine has no cat(1), or does not run commands now. */
async function listens(
  transport: Transport,
  machine: string,
  port: number,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const argv = ["cat", "/proc/net/tcp", "/proc/net/tcp6"];
  try {
    const { stdout } = await execute(transport, machine, argv, { user: "0", signal }, {});
    return listensIn(stdout, port);
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Whether a program listens at a port in the machine; undefined: nobody there can tell. */
export type Listens = (guestPort: number) => Promise<boolean | undefined>;

/**
 * Resolves when something answers. That a connection is open says nothing: the host's kernel opens it before the guest has
 * been asked, and an emulated guest takes its time to refuse.
 *
 * @param http a path that has to answer with a status below 500
 */
export async function waitForPort(
  mapping: PortMapping,
  http: string | undefined,
  listens: Listens,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const answers =
      http === undefined
        ? await isTaken(mapping, listens, signal)
        : await responds(urlOf(mapping, http), signal);
    if (answers) return;
    await pause(signal);
  }
}

/** Whether a connection is taken by a program in the machine. */
async function isTaken(
  mapping: PortMapping,
  listens: Listens,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { connect } = await import("node:net");
  const socket = connect({ host: addressOf(mapping), port: mapping.host });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const speaks = new Promise<true>((resolve) => socket.once("data", () => resolve(true)));
  const ends = new Promise<false>((resolve) => {
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
  const stop = () => socket.destroy();
  signal?.addEventListener("abort", stop, { once: true });
  const after = (ms: number) =>
    new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), ms);
    });
  try {
    const early = await Promise.race([speaks, ends, after(QUIET_MS)]);
    if (early !== undefined) return early;
    const told = await Promise.race([speaks, ends, listens(mapping.guest)]);
    if (told === true) return socket.readable;
    return (await Promise.race([speaks, ends, after(PATIENCE_MS)])) ?? true;
  } finally {
    signal?.removeEventListener("abort", stop);
    clearTimeout(timer);
    socket.destroy();
  }
}

/** State of a socket in the kernel's tables (`TCP_LISTEN`). */
const LISTEN = "0A";

/** Only the machine itself gets to these: 127.0.0.0/8, the same in IPv6, and ::1, as the tables have them. */
const LOOPBACK = /^((0{16}FFFF0000)?[0-9A-F]{6}7F|0{24}01000000)$/;

/** @param tables `/proc/net/tcp` and `/proc/net/tcp6` (proc_net_tcp.rst of the kernel) */
export function listensIn(tables: string, port: number): boolean {
  return tables.split("\n").some((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/);
    const [address = "", hex = ""] = local.split(":");
    return state === LISTEN && Number.parseInt(hex, 16) === port && !LOOPBACK.test(address);
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
