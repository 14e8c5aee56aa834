import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import { type TarEntry, TarReader } from "../tar/index.ts";
import { printable, splitPath } from "../tree/index.ts";
import type { FileSource } from "./file-source.ts";

/** A file inside an archive: where its bytes are. */
export interface Member {
  readonly offset: number;
  readonly size: number;
}

/** What stands under one name of an archive; links are resolved when they are asked for. */
type Named = Member | { readonly link: string } | { readonly directory: true };

const systemDirectories = new Set(["bin", "etc", "usr", "lib", "lib64", "sbin", "nix", "gnu"]);

/** Enough to see a header and short members in one read. */
const READ = 64 * 1024;

/**
 * The table of contents of an archive that is not compressed. Only headers are read: the data is passed over, and
 * read later by offset.
 */
export class ArchiveIndex {
  readonly #members = new Map<string, Named>();
  #isRoot = false;

  /** Whether the archive is the root of a system: it has one of its directories. It was not read further then. */
  get isRoot(): boolean {
    return this.#isRoot;
  }

  /** Whether anything was found at all. */
  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** Reads the headers. @throws SmolError when the archive is damaged. */
  async read(file: FileSource, signal?: AbortSignal): Promise<void> {
    const reader: TarReader = new TarReader({
      entry: (entry) => this.#add(entry, reader.position),
      data() {},
      end() {},
    });
    while (reader.position < file.size && !reader.ended) {
      signal?.throwIfAborted();
      const length = Math.min(READ, file.size - reader.position);
      for await (const chunk of file.read(reader.position, length)) reader.write(chunk);
      if (this.#isRoot) return;
      if (reader.position + reader.skippable > file.size) break;
      reader.skip();
    }
    reader.finish();
  }

  /** The file under a path. Symbolic and hard links are followed inside the archive. */
  find(path: string): Member | undefined {
    let current = normal(path);
    for (let links = 0; links <= limits.symlinks; links++) {
      const named = this.#members.get(current);
      if (named === undefined || "directory" in named) return undefined;
      if (!("link" in named)) return named;
      current = named.link;
    }
    return undefined;
  }

  #add(entry: TarEntry, offset: number): void {
    if (this.#members.size >= limits.entries)
      throw new SmolError("image.limit", "the archive has too many members");
    const path = normal(entry.path);
    // The archive of an image holds documents and blobs, and nothing under such names.
    if (systemDirectories.has(path.split("/", 1)[0] ?? "")) this.#isRoot = true;
    // As when the archive is unpacked: of two members with one name, the later one counts.
    if (entry.type === "directory") this.#members.set(path, { directory: true });
    else if (entry.type === "link") this.#members.set(path, { link: normal(entry.target) });
    else if (entry.type === "symlink") this.#members.set(path, { link: normal(besides(path, entry.target)) });
    else if (entry.type === "file" && entry.runs === undefined)
      this.#members.set(path, { offset, size: entry.size });
    else this.#members.delete(path);
  }
}

const normal = (path: string) => splitPath(path).join("/");

/** The path that a symbolic link leads to. */
function besides(path: string, target: string): string {
  return target.startsWith("/") ? target : `${path.slice(0, path.lastIndexOf("/") + 1)}${target}`;
}

export function missingMember(path: string): SmolError {
  return new SmolError("image.bad_archive", `the image lacks the file ${printable(path)}`, {
    hint: "the archive was not written completely, or not by a tool that saves images",
  });
}
