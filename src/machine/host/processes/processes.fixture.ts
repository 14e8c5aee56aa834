/** For tests: bytes that say where they belong, and a machine's process that has nothing but a table of processes. */
import type { Guest, GuestExec } from "../../../guest/index.ts";
import type { Connection } from "../../../protocol/index.ts";
import { connectionPair } from "../../../protocol/protocol.fixture.ts";
import { type Agent, type Asked, fakeGuest, fields } from "../../machine.fixture.ts";
import {
  AttachedProcess,
  type AttachRequest,
  type HostedProcess,
  ProcessTable,
  type StartOptions,
  serveAttach,
  serveProcessLogs,
  type TableOptions,
} from "./index.ts";
import type { OutputChannel } from "./output-buffer.ts";

const PRIME = 65_521;
const tables = [1, 2].map((channel) =>
  Uint8Array.from(
    { length: PRIME },
    (_, offset) => (offset * 167 + (offset >> 7) * 13 + channel * 101) & 0xff,
  ),
);

/** What a process of the tests writes to a channel: each byte depends on where it is. */
export function pattern(channel: OutputChannel, offset: number, length: number): Uint8Array {
  const table = tables[channel - 1] as Uint8Array;
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const part = table.subarray((offset + at) % PRIME, ((offset + at) % PRIME) + length - at);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export interface Host {
  readonly table: ProcessTable;
  readonly guest: Guest;
  /** A client's connection to the machine's process, which serves `attach` and `processLogs`. */
  connect(): Promise<Connection>;
  start(options?: Partial<GuestExec> & StartOptions): Promise<HostedProcess>;
}

/** A machine's process without anything but its table, whose guest has an agent that is written in the test. */
export async function hostWithAgent(
  serve: (stream: Agent, asked: Asked) => void,
  options: TableOptions = {},
): Promise<Host> {
  const { guest } = await fakeGuest((asked) => serve(asked.stream, asked));
  return hostOf(guest, options);
}

/** The same for a guest that is there. */
export function hostOf(guest: Guest, options: TableOptions = {}): Host {
  const table = new ProcessTable(options);
  const workplace = { exec: (request: GuestExec) => guest.exec(request), rootMade: Promise.resolve() };
  return {
    table,
    guest,
    async connect() {
      const { opener } = await connectionPair((stream) => {
        if (stream.request.method === "attach") void serveAttach(stream, table);
        else void serveProcessLogs(stream, table);
      });
      return opener;
    },
    start({ name, tee, signal, ...exec } = {}) {
      const request = { root: "main", argv: ["program"], env: [], stdin: false, ...exec };
      return table.start(workplace, request, { name, tee, signal });
    },
  };
}

/** Attaches with defaults: everything from the start. */
export function attach(
  connection: Connection,
  request: Partial<AttachRequest> & { process: string },
): AttachedProcess {
  const params: AttachRequest = { stdin: false, replay: Number.MAX_SAFE_INTEGER, ...request };
  return new AttachedProcess(connection.open({ method: "attach", params }), request.since);
}

export async function collect(process: AttachedProcess, channel: OutputChannel): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of process.read(channel)) parts.push(chunk);
  return Buffer.concat(parts);
}

/** The agent's answers. */
export const accept = (stream: Agent) => stream.accept(fields().int(1, 7).finish());
export const exit = (stream: Agent, code: number) => stream.finish(fields().int(1, code).finish());
export const die = (stream: Agent, signal: number) => stream.finish(fields().int(2, signal).finish());

/** An agent whose one process the test drives. */
export async function driven(options: TableOptions = {}) {
  const asked = Promise.withResolvers<Agent>();
  const host = await hostWithAgent((stream) => {
    accept(stream);
    asked.resolve(stream);
  }, options);
  const process = await host.start({ stdin: true });
  return { ...host, process, agent: await asked.promise, id: process.about.id };
}
