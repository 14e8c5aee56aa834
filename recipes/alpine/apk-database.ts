/**
 * Reads apk's database of installed packages (`lib/apk/db/installed`; the format is described in apk-package(5) and
 * on Alpine's wiki, "Apk spec"): stanzas of `LETTER:VALUE` lines, one stanza for each package.
 */

export interface ApkPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** An SPDX expression. */
  readonly licence: string;
  /** The commit of Alpine's package recipes (aports) that it was built from. */
  readonly commit: string;
  /** Identifies exactly this build of the package, in apk's own notation. */
  readonly identity: string;
  /** The stanza as it stands in the database. */
  readonly stanza: string;
  readonly directories: readonly ApkEntry[];
  readonly files: readonly ApkFile[];
}

/** A path without leading slash, and what it is to have. */
export interface ApkEntry {
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export interface ApkFile extends ApkEntry {
  /** SHA-1 of the content, or of a link's target, in hex. */
  readonly sha1: string;
}

/** @throws Error when a line is not understood. */
export function parseDatabase(text: string): ApkPackage[] {
  return text
    .trim()
    .split(/\n\n+/)
    .map((stanza) => parseStanza(stanza));
}

function parseStanza(stanza: string): ApkPackage {
  const fields = new Map<string, string>();
  const directories: ApkEntry[] = [];
  const files: Partial<ApkFile>[] = [];
  for (const line of stanza.split("\n")) {
    const letter = line.slice(0, 1);
    const value = line.slice(2);
    if (line[1] !== ":") throw new Error(`apk's database: not a field: ${line}`);
    const directory = directories.at(-1);
    const file = files.at(-1);
    if (letter === "F") {
      directories.push({ path: checkedPath(value), uid: 0, gid: 0, mode: 0o755 });
    } else if (letter === "M" && directory) {
      directories[directories.length - 1] = { ...directory, ...parseOwner(value) };
    } else if (letter === "R" && directory) {
      const path = checkedPath(directory.path === "" ? value : `${directory.path}/${value}`);
      files.push({ path, uid: 0, gid: 0, mode: 0o644 });
    } else if (letter === "a" && file) {
      Object.assign(file, parseOwner(value));
    } else if (letter === "Z" && file) {
      Object.assign(file, { sha1: parseChecksum(value) });
    } else {
      fields.set(letter, value);
    }
  }
  const field = (letter: string) => {
    const value = fields.get(letter);
    if (!value) throw new Error(`apk's database: a package has no field ${letter}: ${stanza.slice(0, 100)}`);
    return value;
  };
  return {
    name: field("P"),
    version: field("V"),
    architecture: field("A"),
    licence: field("L"),
    commit: field("c"),
    identity: field("C"),
    stanza,
    directories: directories.filter(({ path }) => path !== ""),
    files: files.map(withChecksum),
  };
}

function withChecksum(file: Partial<ApkFile>): ApkFile {
  if (file.sha1 === undefined) throw new Error(`apk's database: no checksum of ${file.path}`);
  return file as ApkFile;
}

function checkedPath(path: string): string {
  if (path.startsWith("/") || path.split("/").includes("..") || path.includes("\0"))
    throw new Error(`apk's database: not a path: ${path}`);
  return path;
}

/** `UID:GID:MODE`, the mode in octal. */
function parseOwner(value: string): { uid: number; gid: number; mode: number } {
  const found = value.match(/^(\d+):(\d+):([0-7]+)$/);
  if (!found) throw new Error(`apk's database: not an owner and mode: ${value}`);
  return { uid: Number(found[1]), gid: Number(found[2]), mode: Number.parseInt(found[3] ?? "", 8) };
}

/** `Q1` and a SHA-1 in base64. */
function parseChecksum(value: string): string {
  const bytes = Buffer.from(value.slice(2), "base64");
  if (!value.startsWith("Q1") || bytes.length !== 20)
    throw new Error(`apk's database: not a checksum: ${value}`);
  return bytes.toString("hex");
}
