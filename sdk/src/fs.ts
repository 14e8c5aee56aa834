import { errorOf, FileError } from "./errors.ts";
import type { ExecResult } from "./result.ts";
import { bytesOf, Kept, streamOf } from "./source.ts";
import type { CallOptions, FileStat, Source } from "./types/index.ts";

/** What the files of a machine need of it. */
export interface FileDoor {
  read(path: string, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
  write(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: { readonly mode?: number | undefined; readonly parents?: boolean | undefined },
    signal: AbortSignal | undefined,
  ): Promise<unknown>;
  exec(argv: readonly string[], options: CallOptions): Promise<ExecResult>;
  within<T>(
    operation: string,
    options: CallOptions,
    work: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T>;
}

/** Paths that one `stat` is asked about: its arguments stay far below what Linux takes. */
const BATCH = 500;

/** Mode, size, owner, group, seconds: what both GNU's and busybox's stat print. */
const STAT_FORMAT = "%f %s %u %g %Y";

/**
 * Files of a running machine. Reading and writing need nothing of the image; the others run its `stat`, `find`, `mkdir`,
 * `rm`, `mv` and `chmod`, which images without a shell may lack (`exec.not_found`).
 *
 * @example
 * await machine.fs.writeFile("/app/main.py", "print(1 + 1)");
 * const text = await machine.fs.readFile("/app/main.py", "utf8");
 */
export class MachineFs {
  readonly #door: FileDoor;

  /** @internal */
  constructor(door: FileDoor) {
    this.#door = door;
  }

  /**
   * A whole file.
   *
   * @example
   * const bytes = await machine.fs.readFile("/etc/hostname", { maxBytes: 4096 });
   * @throws FileError `copy.*`; `copy.limit` for more than `maxBytes`
   */
  async readFile(
    path: string,
    options?: CallOptions & { readonly encoding?: null | undefined; readonly maxBytes?: number | undefined },
  ): Promise<Uint8Array>;
  async readFile(
    path: string,
    options: "utf8" | (CallOptions & { readonly encoding: "utf8"; readonly maxBytes?: number | undefined }),
  ): Promise<string>;
  async readFile(
    path: string,
    given:
      | "utf8"
      | (CallOptions & {
          readonly encoding?: "utf8" | null | undefined;
          readonly maxBytes?: number | undefined;
        }) = {},
  ): Promise<Uint8Array | string> {
    const options = given === "utf8" ? { encoding: "utf8" as const } : given;
    const { maxBytes = Number.POSITIVE_INFINITY, encoding } = options;
    const bytes = await this.#door.within("readFile", options, async (signal) => {
      const kept = new Kept(maxBytes);
      for await (const chunk of this.#door.read(path, signal)) {
        kept.add(chunk);
        if (kept.truncated)
          throw errorOf({ code: "copy.limit", message: `${path} is larger than ${maxBytes} bytes` });
      }
      return kept.bytes();
    });
    return encoding === "utf8" ? new TextDecoder().decode(bytes) : bytes;
  }

  /**
   * The content as it comes. A failure is the stream's.
   *
   * @example
   * for await (const chunk of machine.fs.readStream("/var/log/messages")) process.stdout.write(chunk);
   */
  readStream(path: string, { signal }: Pick<CallOptions, "signal"> = {}): ReadableStream<Uint8Array> {
    return streamOf(this.#door.read(path, signal));
  }

  /**
   * The file appears when it is complete, in the place of one of that name.
   *
   * @param options.mkdir make directories above it
   * @example
   * await machine.fs.writeFile("/app/run.sh", "#!/bin/sh\necho hi\n", { mode: 0o755, mkdir: true });
   */
  async writeFile(
    path: string,
    data: Source,
    options: CallOptions & { readonly mode?: number | undefined; readonly mkdir?: boolean | undefined } = {},
  ): Promise<void> {
    const { mode, mkdir: parents } = options;
    await this.#door.within("writeFile", options, (signal) =>
      this.#door.write(path, bytesOf(data), { mode, parents }, signal),
    );
  }

  /**
   * What is in a directory, by name.
   *
   * @example
   * for (const { path, type, size } of await machine.fs.readdir("/etc")) console.log(path, type, size);
   */
  async readdir(path: string, options: CallOptions = {}): Promise<FileStat[]> {
    const listing = ["find", `${withoutDash(path)}/`, "-mindepth", "1", "-maxdepth", "1", "-print0"];
    const { stdout } = await this.#tool(path, listing, options);
    const names = stdout.split("\0").filter((name) => name !== "");
    const found: FileStat[] = [];
    for (let start = 0; start < names.length; start += BATCH)
      found.push(...(await this.#statAll(names.slice(start, start + BATCH), options)));
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /**
   * Of a link, not of what it leads to.
   *
   * @example
   * const { size, mtime } = await machine.fs.stat("/etc/passwd");
   * @throws FileError `copy.not_found`
   */
  async stat(path: string, options: CallOptions = {}): Promise<FileStat> {
    const { stdout } = await this.#tool(path, ["stat", "-c", STAT_FORMAT, withoutDash(path)], options);
    return statOf(path, stdout);
  }

  /**
   * Whether there is something of that name, be it a link that leads nowhere.
   *
   * @example
   * if (!(await machine.fs.exists("/app"))) await machine.fs.mkdir("/app");
   */
  async exists(path: string, options: CallOptions = {}): Promise<boolean> {
    try {
      await this.stat(path, options);
      return true;
    } catch (error) {
      if (error instanceof FileError) return false;
      throw error;
    }
  }

  /**
   * Makes a directory; with `recursive` also those above it, and one that is there is fine.
   *
   * @example
   * await machine.fs.mkdir("/srv/data/in", { recursive: true });
   */
  async mkdir(
    path: string,
    options: CallOptions & {
      readonly recursive?: boolean | undefined;
      readonly mode?: number | undefined;
    } = {},
  ): Promise<void> {
    const { recursive, mode } = options;
    const flags = [...(recursive ? ["-p"] : []), ...(mode === undefined ? [] : ["-m", octal(mode)])];
    await this.#tool(path, ["mkdir", ...flags, withoutDash(path)], options);
  }

  /**
   * Removes a file; with `recursive` a directory with all that is in it, with `force` also what is not there.
   *
   * @example
   * await machine.fs.rm("/srv/data", { recursive: true, force: true });
   */
  async rm(
    path: string,
    options: CallOptions & {
      readonly recursive?: boolean | undefined;
      readonly force?: boolean | undefined;
    } = {},
  ): Promise<void> {
    const flags = [...(options.recursive ? ["-r"] : []), ...(options.force ? ["-f"] : [])];
    await this.#tool(path, ["rm", ...flags, withoutDash(path)], options);
  }

  /**
   * Replaces a file that is there.
   *
   * @example
   * await machine.fs.rename("/srv/new.json", "/srv/current.json");
   */
  async rename(from: string, to: string, options: CallOptions = {}): Promise<void> {
    await this.#tool(from, ["mv", "-T", "-f", withoutDash(from), withoutDash(to)], options);
  }

  /**
   * Sets the permissions of a file or directory.
   *
   * @example
   * await machine.fs.chmod("/app/run.sh", 0o755);
   */
  async chmod(path: string, mode: number, options: CallOptions = {}): Promise<void> {
    await this.#tool(path, ["chmod", octal(mode), withoutDash(path)], options);
  }

  /** Files that went meanwhile are left out. */
  async #statAll(paths: readonly string[], options: CallOptions): Promise<FileStat[]> {
    const result = await this.#door.exec(["stat", "-c", STAT_FORMAT, ...paths], options);
    const lines = result.stdout.split("\n").slice(0, -1);
    if (lines.length === paths.length)
      return paths.map((path, index) => statOf(path.replace("//", "/"), lines[index] as string));
    if (paths.length === 1) return [];
    const middle = paths.length >> 1;
    return [
      ...(await this.#statAll(paths.slice(0, middle), options)),
      ...(await this.#statAll(paths.slice(middle), options)),
    ];
  }

  async #tool(path: string, argv: readonly string[], options: CallOptions): Promise<ExecResult> {
    const result = await this.#door.exec(argv, options);
    if (result.ok) return result;
    const message = result.stderr.trim() || `${argv[0]} failed with exit code ${result.exitCode}`;
    const isMissing = /no such file/i.test(message);
    throw errorOf({ code: isMissing ? "copy.not_found" : "copy.guest_file", message, details: { path } });
  }
}

/** A relative path must not look like an option. */
const withoutDash = (path: string) => (path.startsWith("-") ? `./${path}` : path);

const octal = (mode: number) => mode.toString(8);

/** By the type's bits of a mode (inode(7)). */
const TYPES = new Map<number, FileStat["type"]>([
  [0o100000, "file"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
]);

function statOf(path: string, line: string): FileStat {
  const [raw = "", size = "", uid = "", gid = "", seconds = ""] = line.trim().split(" ");
  const mode = Number.parseInt(raw, 16);
  return {
    path,
    type: TYPES.get(mode & 0o170000) ?? "other",
    size: Number(size),
    mode: mode & 0o7777,
    uid: Number(uid),
    gid: Number(gid),
    mtime: new Date(Number(seconds) * 1000),
  };
}
