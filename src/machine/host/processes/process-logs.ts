/**
 * What is kept of a process's output, as a log: on the stdout channel of the stream come lines in the format of a
 * workload's log (src/machine/logs/workload-entry.ts), in the order in which both channels were written.
 */
import { Channel, failureOf, type Stream } from "../../../protocol/index.ts";
import { encodeEntry, encodeLost } from "../../logs/index.ts";
import { checkedParameters } from "./attach.ts";
import { checkProcessLogsRequest } from "./messages.ts";
import type { Output, OutputChannel } from "./output-buffer.ts";
import type { ProcessTable } from "./table.ts";

const NEWLINE = 0x0a;

/** Serves a client's `processLogs`. Never holds up the process. Never rejects. */
export async function serveProcessLogs(client: Stream, table: ProcessTable): Promise<void> {
  const gone = new AbortController();
  client.onCancel = () => gone.abort();
  try {
    const { process, tail, follow } = checkedParameters(client, checkProcessLogsRequest);
    const { output } = table.find(process);
    const soFar = output.soFar();
    // From this very moment on.
    const coming = output.fromNow(gone.signal);
    const first = follow ? coming.next() : undefined;
    client.accept();
    for (const piece of tail === undefined ? soFar : lastLines(soFar, tail)) await send(client, piece);
    if (first !== undefined) {
      for (let item = await first; !item.done; item = await coming.next()) await send(client, item.value);
    }
    client.end(Channel.stdout);
    client.finish({});
  } catch (error) {
    client.fail(failureOf(error));
  }
}

async function send(client: Stream, { channel, bytes, time, lost }: Output): Promise<void> {
  const missing = lost > 0 ? encodeLost({ time, lostBytes: lost }) : "";
  const stream = channel === Channel.stdout ? "stdout" : "stderr";
  await client.write(Channel.stdout, Buffer.from(missing + encodeEntry({ time, stream, bytes })));
}

/** The last lines of both channels together. What has no newline yet is a line too. */
export function lastLines(output: readonly Output[], count: number): Output[] {
  const seen = new Set<OutputChannel>();
  let lines = 0;
  for (let index = output.length - 1; index >= 0; index--) {
    const piece = output[index] as Output;
    const { bytes, channel } = piece;
    for (let end = bytes.length; end > 0; end = end === 1 ? 0 : bytes.lastIndexOf(NEWLINE, end - 2) + 1) {
      if (!seen.has(channel) || bytes[end - 1] === NEWLINE) lines += 1;
      seen.add(channel);
      if (lines <= count) continue;
      const rest = output.slice(index + 1);
      return end === bytes.length ? rest : [{ ...piece, bytes: bytes.subarray(end) }, ...rest];
    }
  }
  return [...output];
}
