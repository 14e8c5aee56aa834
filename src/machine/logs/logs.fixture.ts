/** For tests: a directory for logs, what is in a log, and a program that writes one in a process of its own. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { Connection, jsonCodec, listenTransport } from "../../protocol/index.ts";
import {
  type LogEntry,
  type OutputName,
  type ReadOptions,
  readLogs,
  serveNews,
  WorkloadLog,
} from "./index.ts";

/** Calls with the path of a log in a directory of its own, which is removed afterwards. */
export async function withLog<T>(use: (path: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-logs-`);
  try {
    return await use(`${directory}/workload.log`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export async function entriesOf(path: string, options: ReadOptions = {}): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of readLogs(path, options)) entries.push(entry);
  return entries;
}

/** What entries have of one stream, or of both. */
export function bytesOf(entries: readonly LogEntry[], stream?: OutputName): Buffer {
  return Buffer.concat(
    entries.filter((entry) => stream === undefined || entry.stream === stream).map(({ bytes }) => bytes),
  );
}

export const textOf = async (path: string, options: ReadOptions = {}) =>
  bytesOf(await entriesOf(path, options)).toString();

/** Names and sizes of a directory's files. */
export function filesIn(directory: string): Record<string, number> {
  const names = readdirSync(directory).sort();
  return Object.fromEntries(names.map((name) => [name, statSync(`${directory}/${name}`).size]));
}

/** Writes a log and serves its news, as a machine's process does, and keeps all of it: `bun logs.fixture.ts SOCKET LOG LINES`. */
async function writeAsMachine([socket = "", path = "", lines = ""]: string[]): Promise<void> {
  const log = new WorkloadLog(path, { limits: { maxBytes: 100_000, maxFiles: 1000 } });
  const followed = Promise.withResolvers<void>();
  const ends: Promise<unknown>[] = [];
  const server = listenTransport(socket, (transport) => {
    new Connection(transport, {
      codec: jsonCodec("writer"),
      onStream(stream) {
        ends.push(serveNews(stream, log.changes));
        followed.resolve();
      },
    });
  });
  process.stdout.write("ready\n");
  await followed.promise;
  for (let line = 0; line < Number(lines); line++) {
    await log.write("stdout", Buffer.from(`line ${line}\n`));
    // As long as there is somebody who reads: a turn of the event loop now and then.
    if (line % 100 === 0) await Bun.sleep(0);
  }
  await log.close();
  await Promise.all(ends);
  server.stop();
}

if (import.meta.main) void writeAsMachine(Bun.argv.slice(2));
