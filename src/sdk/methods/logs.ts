import { consoleLog, workloadLog } from "../../machine/index.ts";
import { Channel } from "../../protocol/index.ts";
import type { Asked } from "../child.ts";
import { checked, logsParams } from "../params.ts";

/** A machine's log, a line of JSON for each of its own. */
export async function logs({ params, stream, signal, serving: { context } }: Asked): Promise<unknown> {
  const { name, log = "workload", tail, follow } = checked(logsParams, params);
  const options = { tail, follow, signal };
  const write = async (line: { readonly time: number; readonly stream: string; readonly text: string }) =>
    await stream.write(Channel.stdout, Buffer.from(`${JSON.stringify(line)}\n`));
  if (log === "console") {
    for await (const { time, message } of consoleLog(context, name, options))
      await write({ time, stream: "console", text: message });
  } else {
    for await (const entry of workloadLog(context, name, options))
      await write({ time: entry.time, stream: entry.stream, text: Buffer.from(entry.bytes).toString() });
  }
  stream.end(Channel.stdout);
  return {};
}
