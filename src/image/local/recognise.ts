import { SmolError } from "../../errors.ts";
import { refuseOtherCompression } from "../blob/index.ts";
import { ArchiveIndex } from "./archive.ts";
import type { FileSource } from "./file-source.ts";
import { isRecipe } from "./source.ts";

/** Formats that people take for images, by their first bytes. */
const others: readonly (readonly [magic: string, what: string])[] = [
  ["PK\x03\x04", "a zip archive"],
  ["\x7fELF", "a program"],
  ["QFI\xfb", "a disk of a virtual machine (qcow2)"],
  ["hsqs", "a squashfs image"],
  ["#!", "a script"],
  ["{", "a JSON document"],
];

/** Refuses a file that is surely not an archive, in words that say what it is. */
export function refuseOthers(file: FileSource): void {
  if (file.size === 0) throw unknown(file, "it is empty");
  const bytes = file.readNow(0, Math.min(file.size, 1024));
  refuseOtherCompression(bytes, file.path);
  const start = Buffer.from(bytes).toString("latin1");
  if (/^(\s*(#.*)?\n)*\s*(FROM|ARG)\s/i.test(start)) throw isRecipe(file.path);
  for (const [magic, what] of others) {
    if (start.startsWith(magic)) throw unknown(file, `it is ${what}`);
  }
  if (file.size < 512) throw unknown(file, "it is too short for an archive");
}

/** Reads the table of contents of a file that may turn out not to be an archive. */
export async function readIndex(file: FileSource, signal?: AbortSignal): Promise<ArchiveIndex> {
  const index = new ArchiveIndex();
  try {
    await index.read(file, signal);
  } catch (error) {
    if (error instanceof SmolError && error.code === "image.bad_archive" && index.isEmpty) {
      throw unknown(file, "it is not an archive");
    }
    throw error;
  }
  return index;
}

/** Refuses an archive that holds something else than a system. */
export function checkRootArchive(file: FileSource, index: ArchiveIndex): void {
  if (!index.isRoot) throw unknown(file, "the archive holds neither a saved image nor a root filesystem");
}

function unknown(file: FileSource, why: string): SmolError {
  return new SmolError("image.unknown_format", `not a container image: ${file.path}: ${why}`, {
    hint: "an image is the archive of docker save or podman save, an OCI layout, or a root filesystem (directory or tar)",
  });
}
