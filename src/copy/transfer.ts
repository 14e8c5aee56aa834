/** One copy, from its first question to its end: into a machine, and out of one. */
import { SmolError } from "../errors.ts";
import { type CopyProgress, type GuestSide, receiveFrom, sendTo } from "./guest-side.ts";
import { type HostSource, openSource, openTarget } from "./host-path.ts";
import { baseName, bytesOf, meansDirectory, noTarget } from "./names.ts";
import { type FileTarget, receiveFile, sendFile } from "./plain-file.ts";
import type { Found } from "./reader.ts";
import { Kind, type RecordWriter } from "./records.ts";
import { sendTar } from "./tar-source.ts";
import { TarWriter } from "./tar-writer.ts";
import { TEMPORARY } from "./temporary.ts";
import { type Overrides, type SendProgress, TreeReader } from "./tree-reader.ts";
import { TreeWriter } from "./tree-writer.ts";

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
  const { source, path, signal, progress } = request;
  if (typeof source === "object" && "content" in source) {
    await sendFile(guest, { ...request, path, content: source.content });
    return;
  }
  const opened = typeof source === "string" ? openSource(source, request.follow) : undefined;
  progress.total = opened?.size;
  try {
    await sendTo(guest, signal, (writer, found, check) => send(writer, found, opened, request, check));
  } finally {
    opened?.directory.close();
  }
}

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
  const { path, target, archive, onNote } = request;
  if (typeof target === "object") {
    await receiveFile(guest, path, target, request);
    return;
  }
  const base = baseName(path);
  let writer: TreeWriter | undefined;
  const tar = typeof target === "function" ? new TarWriter(bytesOf(base ?? "."), target) : undefined;
  try {
    await receiveFrom(guest, { ...request, onSkipped: notedOnce(onNote) }, async (event, isTop) => {
      if (isTop && event.kind === "entry" && typeof target === "string") {
        const place = openTarget(target, base, event.entry.kind === Kind.directory);
        TEMPORARY.sweep(place.directory);
        writer = new TreeWriter(place.directory, place.name, { archive, onNote });
      }
      writer?.take(event);
      await tar?.take(event);
    });
    writer?.close();
  } catch (error) {
    writer?.abandon();
    throw error;
  }
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
