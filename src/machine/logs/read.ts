/**
 * Reading a log, in any process, while its machine may run or not. The files are the truth: nothing but the news that
 * there is more comes from the machine's process, so that a slow reader costs it nothing.
 */
import { unlessAborted } from "../../within.ts";
import { type ConsoleEntry, consoleFormat } from "./console-entry.ts";
import { missingNote } from "./decode.ts";
import { type EgressEntry, egressFormat } from "./egress-entry.ts";
import { type LogFile, openFiles } from "./files.ts";
import type { LogFormat } from "./format.ts";
import { startOfTail } from "./tail.ts";
import { type LogEntry, workloadFormat } from "./workload-entry.ts";

export interface ReadOptions {
  /** Begin with the last so many lines of those that `since` and `until` leave. */
  readonly tail?: number | undefined;
  /** Milliseconds since the epoch, both inclusive. With `follow`, `until` ends the reading. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /**
   * Go on when everything has been read: with each news that there is more, until the news end. It must remember news
   * that come while nobody waits for it, and begin to listen before it is passed in (`newsOf`, `Changes.listen`).
   */
  readonly follow?: AsyncIterable<unknown> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what is not shown, one sentence each: damaged lines (once), output that was lost. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/**
 * The output of a workload, as its log has it. Ends where the log ended when the reading began, or with `follow`.
 *
 * @param path of the log's current file; nothing there is an empty log
 * @throws the signal's reason; a system error when a file cannot be read
 */
export function readLogs(path: string, options: ReadOptions = {}): AsyncGenerator<LogEntry, void, void> {
  return readEntries(path, workloadFormat, options);
}

/** As `readLogs`, the lines of a machine's console. */
export function readConsole(
  path: string,
  options: ReadOptions = {},
): AsyncGenerator<ConsoleEntry, void, void> {
  return readEntries(path, consoleFormat, options);
}

/** As `readLogs`, what a machine wanted from the network. */
export function readEgress(path: string, options: ReadOptions = {}): AsyncGenerator<EgressEntry, void, void> {
  return readEntries(path, egressFormat, options);
}

async function* readEntries<Entry extends { readonly time: number }>(
  path: string,
  format: LogFormat<Entry>,
  options: ReadOptions,
): AsyncGenerator<Entry, void, void> {
  const news = options.follow?.[Symbol.asyncIterator]();
  const reader = new Reader(path, format, options);
  try {
    await reader.open();
    yield* reader.rest();
    while (news !== undefined && !reader.isPast) {
      const { done } = await unlessAborted(news.next(), options.signal);
      yield* reader.rest();
      if (done) break;
    }
  } finally {
    reader.close();
    void news?.return?.();
  }
}

class Reader<Entry extends { readonly time: number }> {
  /** There was an entry from after `until`. */
  isPast = false;
  readonly #path: string;
  readonly #format: LogFormat<Entry>;
  readonly #options: ReadOptions;
  /** What is still to be read; the last one may grow. */
  #files: LogFile[] = [];
  #notedDamage = false;

  constructor(path: string, format: LogFormat<Entry>, options: ReadOptions) {
    this.#path = path;
    this.#format = format;
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#files = openFiles(this.#path).files;
    const { tail, since, until, follow } = this.#options;
    // Else the last lines would be more than were asked for: those that are written after they were counted.
    if (follow === undefined) this.#files.at(-1)?.freeze();
    if (tail === undefined) return;
    for (const passed of await startOfTail(this.#files, this.#format, { tail, since, until })) {
      passed.close();
      this.#files.shift();
    }
  }

  close(): void {
    for (const file of this.#files) file.close();
    this.#files = [];
  }

  /** Everything that is in the files now. */
  async *rest(): AsyncGenerator<Entry, void, void> {
    const { follow, onNote } = this.#options;
    if (this.#files.length === 0 && follow !== undefined) this.#files = openFiles(this.#path).files;
    for (let [file] = this.#files; file !== undefined; [file] = this.#files) {
      yield* this.#entries(file);
      if (this.#files.length === 1) {
        if (follow === undefined) return;
        const newer = openFiles(this.#path, file.identity);
        if (newer.files.length === 0) return;
        this.#files.push(...newer.files);
        // It was renamed, and perhaps more had been written to it before.
        yield* this.#entries(file);
        if (!newer.follows) onNote?.("the log was renewed faster than it was read: lines may be missing");
      }
      // What is behind the last newline will never be a line.
      if (file.hasRest()) this.#noteDamage();
      file.close();
      this.#files.shift();
    }
  }

  async *#entries(file: LogFile): AsyncGenerator<Entry, void, void> {
    const {
      since = Number.NEGATIVE_INFINITY,
      until = Number.POSITIVE_INFINITY,
      onNote,
      signal,
    } = this.#options;
    for await (const { bytes } of file.lines()) {
      signal?.throwIfAborted();
      const entry = bytes === undefined ? undefined : this.#format.decode(bytes);
      if (entry === undefined) this.#noteDamage();
      else if (entry.time > until) this.isPast = true;
      else if (entry.time < since) continue;
      else if ("lostBytes" in entry) onNote?.(missingNote(entry.lostBytes));
      else yield entry;
    }
  }

  #noteDamage(): void {
    if (this.#notedDamage) return;
    this.#notedDamage = true;
    this.#options.onNote?.("the log has damaged lines, which are left out");
  }
}
