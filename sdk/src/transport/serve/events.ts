/** Server-sent events (WHATWG HTML, 9.2) as they come. */
import type { Address } from "./address.ts";
import { connectionFailure, failureOf } from "./failure.ts";
import { ask, type Wanted } from "./http.ts";

export interface ServerEvent {
  /** Empty: an unnamed one. */
  readonly event: string;
  readonly data: string;
}

/** A line of a log has 64 KiB at most; what is beyond this is none of ours. */
const MAX_EVENT_LENGTH = 1024 * 1024;

/**
 * Ends when the server ends the stream, or at the signal, which is no error.
 *
 * @throws SmolvmError also what an `error` event of the server says
 */
export async function* eventsOf(
  address: Address,
  wanted: Pick<Wanted, "method" | "path" | "json" | "signal">,
): AsyncGenerator<ServerEvent, void, void> {
  const answer = await ask(address, wanted);
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const bytes of answer as AsyncIterable<Uint8Array>) {
      rest += decoder.decode(bytes, { stream: true });
      const blocks = rest.split("\n\n");
      rest = blocks.pop() ?? "";
      if (rest.length > MAX_EVENT_LENGTH) throw new Error("an event of it is too long");
      for (const block of blocks) {
        const event = parsed(block);
        if (event?.event === "error") throw failureOf(JSON.parse(event.data));
        if (event !== undefined) yield event;
      }
    }
  } catch (error) {
    if (wanted.signal?.aborted !== true) throw connectionFailure(error, address.text);
  } finally {
    answer.destroy();
  }
}

/** @returns undefined for a comment */
function parsed(block: string): ServerEvent | undefined {
  const lines = block.split("\n");
  const of = (key: string) =>
    lines.filter((line) => line.startsWith(`${key}: `)).map((line) => line.slice(key.length + 2));
  const data = of("data");
  return data.length === 0 ? undefined : { event: of("event")[0] ?? "", data: data.join("\n") };
}
