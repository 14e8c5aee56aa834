/**
 * News about a log between the machine's process, which writes it, and whoever follows it in another process. The
 * stream of the control protocol has no data: `event` {type: "changed"} when there is more to read, at most one until
 * `control` {type: "next"} says that it was looked at; `result` {} when the log is closed.
 */
import { ProtocolError, type Stream } from "../../protocol/index.ts";
import { Changes } from "./changes.ts";

const isOfType = (message: unknown, type: string) =>
  typeof message === "object" && message !== null && (message as { type?: unknown }).type === type;

/** Machine's process: tells a client of a log's changes, from now until it cancels or the log is closed. */
export async function serveNews(client: Stream, changes: Changes): Promise<void> {
  const news = changes.listen();
  const looks = new Changes();
  const looked = looks.listen();
  client.onControl = (message) => {
    if (!isOfType(message, "next")) throw new ProtocolError("malformed control message");
    looks.notify();
  };
  client.onCancel = () => {
    void news.return?.();
    looks.end();
  };
  client.accept();
  for await (const _ of news) {
    client.event({ type: "changed" });
    await looked.next();
  }
  client.finish({});
}

/** Client: what `serveNews` tells, until the machine's process is gone or has closed the log; for `follow`. */
export function newsOf(stream: Stream): AsyncIterableIterator<void, void, void> {
  const changes = new Changes();
  const news = changes.listen();
  stream.onEvent = (message) => {
    // A later program may tell more.
    if (isOfType(message, "changed")) changes.notify();
  };
  const end = () => changes.end();
  stream.result.then(end, end);
  return {
    async next() {
      const item = await news.next();
      if (!item.done) stream.control({ type: "next" });
      return item;
    },
    async return() {
      stream.cancel();
      changes.end();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
