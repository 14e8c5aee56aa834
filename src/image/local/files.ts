import { errnoOf, SmolError } from "../../errors.ts";
import { Digester } from "../blob/index.ts";
import { splitPath } from "../tree/index.ts";
import { type ArchiveIndex, missingMember } from "./archive.ts";
import { FileSource } from "./file-source.ts";
import { OpenDirectory } from "./open-directory.ts";
import { unreadable } from "./unreadable.ts";

/** One file of a saved image. `read` may be called once; `close` always has to be. */
export interface ImageFile {
  readonly size: number;
  read(): AsyncIterable<Uint8Array>;
  close(): void;
}

/** The files of a saved image, in an archive or in a directory. Paths are byte strings from the image: hostile. */
export interface ImageFiles {
  /** @throws SmolError when there is no such file. */
  open(path: string): ImageFile;
  has(path: string): boolean;
}

/** Files inside an archive, read by offset. */
export class ArchiveFiles implements ImageFiles {
  readonly #file: FileSource;
  readonly #index: ArchiveIndex;

  constructor(file: FileSource, index: ArchiveIndex) {
    this.#file = file;
    this.#index = index;
  }

  open(path: string): ImageFile {
    const member = this.#index.find(path);
    if (member === undefined) throw missingMember(path);
    return { size: member.size, read: () => this.#file.read(member.offset, member.size), close() {} };
  }

  has(path: string): boolean {
    return this.#index.find(path) !== undefined;
  }
}

/** Files below a directory. No symbolic link below it is followed, so that no other file of the host can be read. */
export class DirectoryFiles implements ImageFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  open(path: string): ImageFile {
    const file = this.#find(path);
    if (file === undefined) throw missingMember(path);
    return { size: file.size, read: () => file.read(0, file.size), close: () => file.close() };
  }

  has(path: string): boolean {
    const file = this.#find(path);
    file?.close();
    return file !== undefined;
  }

  #find(path: string): FileSource | undefined {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined) return undefined;
    const full = `${this.#directory}/${Buffer.from([...parts, name].join("/"), "latin1").toString()}`;
    let directory: OpenDirectory | undefined;
    try {
      directory = OpenDirectory.open(this.#directory);
      for (const part of parts) directory = directory.enter(part);
      return new FileSource(full, directory.openFile(name));
    } catch (error) {
      const code = errnoOf(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      if (code === "ELOOP")
        throw new SmolError("image.bad_archive", `${full} is a symbolic link, which is not followed`);
      throw error instanceof SmolError ? error : unreadable(full, error);
    } finally {
      directory?.close();
    }
  }
}

/**
 * Reads a small document in full.
 *
 * @param expected digest and size from the descriptor that led here, both checked.
 * @throws SmolError when it is longer than `maxBytes`, or not what the descriptor promises.
 */
export async function readDocument(
  files: ImageFiles,
  path: string,
  maxBytes: number,
  expected?: { digest: string; size: number },
): Promise<{ text: string; digest: string }> {
  const file = files.open(path);
  try {
    if (file.size > maxBytes) {
      throw new SmolError(
        "image.limit",
        `${path} is longer than the ${maxBytes} bytes that such a document may have`,
      );
    }
    if (expected !== undefined && file.size !== expected.size) {
      throw new SmolError(
        "image.digest_mismatch",
        `${path} does not have the ${expected.size} bytes it should have`,
      );
    }
    const parts: Uint8Array[] = [];
    const digester = new Digester(expected?.digest ?? "sha256:");
    for await (const chunk of file.read()) {
      digester.update(chunk);
      parts.push(Buffer.from(chunk));
    }
    if (expected !== undefined) digester.check(path);
    return { text: Buffer.concat(parts).toString("utf8"), digest: digester.digest() };
  } finally {
    file.close();
  }
}
