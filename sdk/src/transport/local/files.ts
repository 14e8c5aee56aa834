/** Contents of a machine's files, straight from and to the machine's own process (docs/protocol.md, `copy`). */
import { byWayOf, type CopyProgress } from "../../../../src/copy/guest-side.ts";
import { receiveFile, sendFile } from "../../../../src/copy/plain-file.ts";
import { unlessAborted } from "../../../../src/within.ts";
import type { Link } from "./link.ts";
import { StreamProcess } from "./process.ts";

interface Where {
  readonly link: Link;
  /** In the machine. */
  readonly path: string;
  readonly signal: AbortSignal | undefined;
}

const begin = (link: Link, params: object, signal?: AbortSignal) =>
  StreamProcess.open(link, link.open({ method: "copy", params }), signal);

/**
 * Writes one file, which appears when it is complete.
 *
 * @returns bytes
 * @throws SmolvmError; the signal's reason; what `content` throws
 */
export async function writeContent(
  { link, path, signal }: Where,
  content: AsyncIterable<Uint8Array>,
  { mode, parents }: { readonly mode?: number | undefined; readonly parents?: boolean | undefined },
): Promise<number> {
  const given = new Given(content, signal);
  const progress = { files: 0, bytes: 0 };
  const process = await begin(link, { direction: "in", path, parents }, signal);
  try {
    const request = { path, content: given.read(), overrides: { mode }, progress, signal };
    await byWayOf(asCopy(process), (guest) => sendFile(guest, request));
  } catch (error) {
    signal?.throwIfAborted();
    if (given.broken !== undefined) throw given.broken.cause;
    throw link.explain(error);
  }
  return progress.bytes;
}

/** A caller's content: how it breaks is the caller's own business, and a signal ends it even when nothing comes. */
class Given {
  broken: { readonly cause: unknown } | undefined;
  readonly #content: AsyncIterable<Uint8Array>;
  readonly #signal: AbortSignal | undefined;

  constructor(content: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
    this.#content = content;
    this.#signal = signal;
  }

  async *read(): AsyncGenerator<Uint8Array, void, void> {
    const iterator = this.#content[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await unlessAborted(iterator.next(), this.#signal);
        if (done) return;
        yield value;
      }
    } catch (cause) {
      this.broken = { cause };
      throw cause;
    } finally {
      // It may be waiting for what never comes.
      iterator.return?.()?.then(
        () => {},
        () => {},
      );
    }
  }
}

/** The content of one file. @throws SmolvmError; the signal's reason */
export async function* readContent({ link, path, signal }: Where): AsyncGenerator<Uint8Array, void, void> {
  const process = await begin(link, { direction: "out", path, follow: true }, signal);
  const kill = () => process.kill();
  signal?.addEventListener("abort", kill, { once: true });
  // Each piece waits here until the reader has asked for it.
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  // A reader that has enough.
  writer.closed.catch(kill);
  const progress: CopyProgress = { files: 0, bytes: 0 };
  const target = { begin: () => {}, write: (bytes: Uint8Array) => writer.write(bytes.slice()) };
  const copying = byWayOf(asCopy(process), (guest) =>
    receiveFile(guest, path, target, { progress, signal }),
  ).then(
    () => writer.close(),
    (error) => writer.abort(error),
  );
  copying.catch(() => {});
  const reader = readable.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw link.explain(error);
  } finally {
    signal?.removeEventListener("abort", kill);
    await reader.cancel().catch(() => {});
  }
}

const asCopy = (process: StreamProcess) => ({
  stdout: process.stdout,
  stderr: process.stderr,
  write: (bytes: Uint8Array) => process.write(bytes),
  end: () => process.end(),
  kill: () => process.kill(),
  result: process.ended,
});
