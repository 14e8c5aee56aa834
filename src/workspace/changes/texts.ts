/** A file's change as text, for people and for `git apply`. */
import { closeDescriptor } from "../../../ffi/files.ts";
import { readWhole, withOwn } from "../copy.ts";
import { isNotThere, type Names } from "../host-folder.ts";
import { type Stat, statOf } from "../stat.ts";
import type { OpenWorkspace } from "../workspace.ts";
import type { Change } from "./changes.ts";

/** Bytes of a file that are compared line by line; what is larger is no text that anybody reads. */
export const MAX_TEXT = 1024 * 1024;

/** How much a comparison may take: a hostile pair of files takes quadratic time. */
const MAX_COMPARE_MS = 2000;
const MAX_EDITS = 20_000;

const CONTEXT_LINES = 3;

export type Side = Uint8Array | "too-large" | undefined;

/** What the host has now, if it may be shown as what was there before. */
export function hostSide({ host }: OpenWorkspace, names: Names): Side {
  try {
    const stat = host.stat(names);
    if (stat?.kind === "symlink") return host.readLink(names);
    if (stat?.kind !== "file") return undefined;
    const fd = host.openFile(names);
    try {
      return bounded(fd, statOf(fd));
    } finally {
      closeDescriptor(fd);
    }
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}

export function guestSide({ data }: OpenWorkspace, { node }: Change): Side {
  if (node?.kind === "symlink") return node.target;
  if (node?.kind !== "file") return undefined;
  try {
    return withOwn(data.path(node.id), 0, (fd) => bounded(fd, statOf(fd)));
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}

const bounded = (fd: number, { size }: Stat): Side => (size > MAX_TEXT ? "too-large" : readWhole(fd, size));

/** Bytes in which git looks for a NUL to tell whether a file is text. */
const LOOKED_AT = 8000;

export const isBinary = (bytes: Uint8Array): boolean => bytes.subarray(0, LOOKED_AT).includes(0);

export interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  /** Each begins with ` `, `+`, `-` or `\`; a character for each byte. */
  readonly lines: readonly string[];
}

/** The lines that differ; undefined when comparing would take too long, or one of them is no text. */
export async function hunksOf(before: Uint8Array, after: Uint8Array): Promise<readonly Hunk[] | undefined> {
  if (isBinary(before) || isBinary(after)) return undefined;
  const { structuredPatch } = await import("diff");
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
  const patch = structuredPatch("", "", text(before), text(after), undefined, undefined, {
    context: CONTEXT_LINES,
    timeout: MAX_COMPARE_MS,
    maxEditLength: MAX_EDITS,
  });
  return patch?.hunks;
}
