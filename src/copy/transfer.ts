/** One copy, from its first question to its end: into a machine, and out of one. */
import { SmolError } from "../errors.ts";
import { guestFailure, printable } from "./failure.ts";
import {
  baseName,
  bytesOf,
  type HostSource,
  meansDirectory,
  noTarget,
  openSource,
  openTarget,
} from "./host-path.ts";
import { type FileTarget, FileWriter, sendContent } from "./plain-file.ts";
import { broken, type Found, type RecordEvent, RecordReader } from "./reader.ts";
import { Kind, RecordWriter } from "./records.ts";
import { sendTar } from "./tar-source.ts";
import { TarWriter } from "./tar-writer.ts";
import { TEMPORARY } from "./temporary.ts";
import { type Overrides, type SendProgress, TreeReader } from "./tree-reader.ts";
import { TreeWriter } from "./tree-writer.ts";

/** The guest's program that packs or unpacks, with its streams. */
export interface GuestSide {
  /** What it says. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Resolves when there is room for more; also when it has ended. */
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing more comes. Without an end before, it gives the copy up, and removes what is not complete. */
  endInput(): void;
  /** Rejects when it could not run, or was lost. */
  readonly ended: Promise<unknown>;
}

export interface CopyProgress {
  files: number;
  bytes: number;
  /** Of all that is copied, where that is known. */
  total?: number | undefined;
}

interface CopyOptions {
  /** Keep owners. */
  readonly archive: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Updated as bytes are copied. */
  readonly progress: CopyProgress;
  /** Something that the user should know; one sentence. */
  readonly onNote: (text: string) => void;
}

export interface UploadRequest extends CopyOptions {
  /** A path of the host, a tar archive, or the content of one file. */
  readonly source: string | AsyncIterable<Uint8Array> | { readonly content: AsyncIterable<Uint8Array> };
  /** Follow a link that the source is. */
  readonly follow: boolean;
  /** In the machine. */
  readonly path: string;
  readonly overrides?: Overrides | undefined;
}

export interface DownloadRequest extends CopyOptions {
  /** In the machine. */
  readonly path: string;
  /** A path of the host; what takes a tar archive, and resolves when the bytes are not needed; what takes one file. */
  readonly target: string | ((bytes: Uint8Array) => Promise<void>) | FileTarget;
}

/**
 * Copies from the host into a machine.
 *
 * @throws SmolError `copy.*`; what the guest's side ended with; the signal's reason. What was not complete is gone then.
 */
export async function upload(guest: GuestSide, request: UploadRequest): Promise<void> {
  const { source, signal, progress } = request;
  const opened = typeof source === "string" ? openSource(source, request.follow) : undefined;
  progress.total = opened?.size;
  const answers = eventsOf(guest);
  let stopped = false;
  let last: Promise<RecordEvent> | undefined;
  try {
    const found = await answerOf(answers);
    if (found.kind !== "found") throw unexpected(found);
    last = answerOf(answers);
    const stop = () => {
      stopped = true;
    };
    last.then(stop, stop);
    const writer = new RecordWriter((bytes) => guest.write(bytes));
    const check = () => {
      signal?.throwIfAborted();
      if (stopped) throw new Stopped();
    };
    await send(writer, found.what, opened, request, check);
    writer.mark(Kind.end);
    await writer.flush();
    guest.endInput();
  } catch (error) {
    guest.endInput();
    // The guest's side says why it has stopped, or that it has given up and put its things away.
    const end = await (last ?? Promise.resolve(undefined));
    if (!(error instanceof Stopped)) throw error;
    throw unexpected(end as RecordEvent);
  } finally {
    opened?.directory.close();
  }
  const end = await last;
  if (end.kind !== "end") throw unexpected(end);
  await guest.ended;
}

/** The guest's side has ended the copy. */
class Stopped extends Error {}

async function send(
  writer: RecordWriter,
  found: Found,
  source: HostSource | undefined,
  request: UploadRequest,
  check: () => void,
): Promise<void> {
  const { path, archive, overrides = {}, progress, onNote } = request;
  const skipped = notedOnce(onNote);
  const options = {
    ...{ archive, overrides, check },
    progress: progress as SendProgress,
    onSkipped: skipped,
  };
  if (typeof request.source === "object" && "content" in request.source) {
    if (found === "directory")
      throw new SmolError("copy.in_the_way", `in the machine: ${path} is a directory`);
    if (meansDirectory(path)) throw noTarget(`${path} in the machine`);
    writer.mark(Kind.as);
    await sendContent(request.source.content, writer, options);
    return;
  }
  const isDirectory = source?.isDirectory ?? true;
  if (found === "other" && isDirectory)
    throw new SmolError("copy.in_the_way", `in the machine: ${path} exists and is no directory`);
  if (found === "nothing" && (source === undefined || (!isDirectory && meansDirectory(path))))
    throw noTarget(`${path} in the machine`);
  writer.mark(found === "directory" ? Kind.into : Kind.as);
  if (source === undefined) {
    await sendTar(request.source as AsyncIterable<Uint8Array>, writer, options);
    return;
  }
  const shown = request.source as string;
  const name = baseName(shown);
  const tree = new TreeReader(writer, options);
  if (found === "directory" && isDirectory && name === undefined) {
    await tree.sendContents(source.directory.openDirectory(source.name ?? "."), shown);
  } else {
    // What gets its name from the machine's path needs none here.
    await tree.sendTop(source.directory, source.name ?? ".", shown, bytesOf(name ?? "copy"));
  }
}

/**
 * Copies from a machine to the host.
 *
 * @throws SmolError `copy.*`; what the guest's side ended with; the signal's reason. What was not complete is gone then.
 */
export async function download(guest: GuestSide, request: DownloadRequest): Promise<void> {
  const { path, target, signal, progress, archive, onNote } = request;
  guest.endInput();
  const base = baseName(path);
  let writer: TreeWriter | undefined;
  const sink = typeof target === "string" ? undefined : sinkOf(path, target);
  const noted = notedOnce(onNote);
  let begun = false;
  try {
    for await (const event of eventsOf(guest)) {
      signal?.throwIfAborted();
      if (event.kind === "failure" || event.kind === "found") throw unexpected(event);
      if (event.kind === "skipped") {
        noted(
          event.name === "" ? path : printable(event.name),
          "only files, directories and links are copied",
        );
        if (!begun && event.name === "")
          throw new SmolError("copy.guest_file", `in the machine: ${path} is no file, directory or link`);
        continue;
      }
      if (event.kind === "entry") {
        if (!begun && event.entry.kind === Kind.file) progress.total = event.entry.size;
        if (event.entry.kind !== Kind.directory) progress.files++;
        if (!begun && typeof target === "string") {
          const place = openTarget(target, base, event.entry.kind === Kind.directory);
          TEMPORARY.sweep(place.directory);
          writer = new TreeWriter(place.directory, place.name, { archive, onNote });
        }
        begun = true;
      }
      if (event.kind === "end" && !begun) throw broken("nothing");
      if (event.kind === "data") progress.bytes += event.bytes.length;
      writer?.take(event);
      await sink?.take(event);
    }
    await guest.ended;
    writer?.close();
  } catch (error) {
    writer?.abandon();
    throw error;
  }
}

function sinkOf(path: string, target: Exclude<DownloadRequest["target"], string>): TarWriter | FileWriter {
  if (typeof target === "object") return new FileWriter(path, target);
  return new TarWriter(bytesOf(baseName(path) ?? "."), target);
}

/** What the guest's side says, to its end. @throws SmolError `copy.malformed`; what it ended with */
async function* eventsOf(guest: GuestSide): AsyncGenerator<RecordEvent, void, void> {
  const reader = new RecordReader();
  for await (const chunk of guest.output) yield* reader.read(chunk);
  if (!reader.ended) await guest.ended;
  reader.finish();
}

async function answerOf(events: AsyncGenerator<RecordEvent, void, void>): Promise<RecordEvent> {
  const { value, done } = await events.next();
  if (done) throw broken("no answer");
  return value;
}

function unexpected(event: RecordEvent | undefined): SmolError {
  if (event?.kind === "failure") return guestFailure(event.errno, event.text);
  return broken(`an answer of the kind ${event?.kind}`);
}

/** Most names that are worth a note each. */
const MOST_NOTES = 5;

function notedOnce(onNote: (text: string) => void): (path: string, why: string) => void {
  let count = 0;
  return (path, why) => {
    count++;
    if (count <= MOST_NOTES) onNote(`not copied: ${path} (${why})`);
    else if (count === MOST_NOTES + 1) onNote("more of that kind are not copied either");
  };
}
