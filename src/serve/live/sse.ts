/** Server-sent events (WHATWG HTML, 9.2): a stream that a slow reader holds up, and that a client's end ends. */

import type { Asked } from "../http/route.ts";

/** Proxies and clients take a silent connection for a dead one. */
const KEEP_ALIVE_MS = 15_000;

const encoder = new TextEncoder();

export interface ServerEvent {
  /** Undefined: an unnamed one. */
  readonly event?: string | undefined;
  readonly data: string;
}

/** CR, LF and CRLF all end a line of the format: a client gets LF for each. */
function encodeEvent({ event, data }: ServerEvent): Uint8Array {
  const name = event === undefined ? "" : `event: ${event}\n`;
  const lines = data.split(/\r\n|\n|\r/).map((line) => `data: ${line}\n`);
  return encoder.encode(`${name}${lines.join("")}\n`);
}

/** What becomes of an error in the middle: the last event. */
function failureEvent(error: unknown, explain: Asked["explain"]): ServerEvent {
  const { error: message, code } = explain(error);
  return { event: "error", data: JSON.stringify({ message, code }) };
}

/** Answers with events until there are no more. One is asked for when there is room for it. */
export function eventStream(
  events: AsyncGenerator<ServerEvent, void, void>,
  { explain, ended }: Pick<Asked, "explain" | "ended">,
): Response {
  let timer: Timer | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      timer = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(": keep-alive\n\n"));
      }, KEEP_ALIVE_MS);
    },
    async pull(controller) {
      try {
        const { value, done } = await events.next();
        if (!done) {
          controller.enqueue(encodeEvent(value));
          return;
        }
      } catch (error) {
        controller.enqueue(encodeEvent(failureEvent(error, explain)));
      }
      clearInterval(timer);
      ended();
      controller.close();
    },
    async cancel() {
      clearInterval(timer);
      await events.return().finally(ended);
    },
  });
  return new Response(stream, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    },
  });
}
