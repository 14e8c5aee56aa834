/** Volumes and filesystems in memory as people write them. Knows no files: a path is what was written. */
import { bytesIn } from "./size.ts";

/** Something of the host at a path of the guest: a directory or file by its path, or a volume by its name. */
export interface Volume {
  readonly kind: "bind" | "volume" | "overlay";
  readonly source: string;
  /** Absolute. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** A filesystem in the guest's memory. */
export interface Tmpfs {
  readonly target: string;
  /** Null: half of the memory. */
  readonly sizeBytes: number | null;
  /** Permission bits. */
  readonly mode: number;
  /** Programs on it can be run. */
  readonly exec: boolean;
}

/** What is wrong, for a message; or what was written. */
type Parsed<T> = T | { readonly wrong: string };

/** What the name of a volume looks like. */
export const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/;

/** Whether it can be the name of a volume; anything with a slash, or that begins with a dot, is a path. */
export const isVolumeName = (text: string): boolean => VOLUME_NAME.test(text);

const wrong = (text: string) => ({ wrong: text });

/** `HOST:GUEST[:ro|rw|overlay]`, `NAME:GUEST[:ro|rw]`; taken apart from the right, so that HOST may have colons. */
export function parseVolume(text: string): Parsed<Volume> {
  const parts = text.split(":");
  const last = parts.at(-1);
  const mode = parts.length > 2 && MODES.has(last ?? "") ? parts.pop() : undefined;
  const target = parts.pop() ?? "";
  const source = parts.join(":");
  if (source === "" || !target.startsWith("/"))
    return wrong(
      "write HOST:GUEST or NAME:GUEST, with an absolute path in the guest, and :ro to forbid writing",
    );
  return volumeOf(mode === "overlay" ? mode : undefined, source, target, mode === "ro");
}

const MODES = new Set(["ro", "rw", "overlay"]);

function volumeOf(
  kind: Volume["kind"] | undefined,
  source: string,
  target: string,
  readOnly: boolean,
): Parsed<Volume> {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source))
    return wrong("a volume is a folder of the host, not an address");
  const isPath = source.includes("/") || source.startsWith(".");
  if (source.includes("\0")) return wrong("a path has no NUL character");
  if (source.startsWith("~")) return wrong("`~` is the shell's: write the whole path, or $HOME");
  const chosen = kind ?? (isPath ? "bind" : "volume");
  if (chosen === "overlay" && !isPath)
    return wrong(
      "a workspace is a folder of the host: write a path with a slash, such as ./src:/src:overlay",
    );
  if (chosen === "volume" && !isVolumeName(source))
    return wrong("a volume's name has letters, digits, `_`, `.` and `-`, at most 64; a path has a slash");
  const place = guestPath(target);
  if (place === undefined) return wrong(TARGET);
  return { kind: chosen, source, target: place, readOnly };
}

const TARGET = "the path in the guest must be absolute, and not /, /proc, /sys or /dev itself";
const TAKEN = new Set(["/", "/proc", "/sys", "/dev"]);

/** Without `.`, `..`, doubled and trailing slashes. */
function guestPath(text: string): string | undefined {
  if (!text.startsWith("/") || text.includes("\0")) return undefined;
  const names: string[] = [];
  for (const name of text.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  const path = `/${names.join("/")}`;
  return TAKEN.has(path) ? undefined : path;
}

/** Of `--remove-volume`: `HOST:GUEST` as it was given, or `GUEST` alone. Returns the path in the guest. */
export function parseVolumeTarget(text: string): Parsed<string> {
  if (text.startsWith("/") && !text.includes(":")) return guestPath(text) ?? wrong(TARGET);
  const volume = parseVolume(text);
  return "wrong" in volume ? volume : volume.target;
}

const TMPFS_MODE = 0o1777;

/** `GUEST[:size=64m,mode=1777,exec]`, as docker's `--tmpfs`. */
export function parseTmpfs(text: string): Parsed<Tmpfs> {
  const [target = "", options = "", ...rest] = text.split(":");
  if (rest.length > 0) return wrong("write PATH or PATH:size=64m,mode=1777");
  return tmpfsOf(target, options === "" ? [] : options.split(","));
}

function tmpfsOf(text: string, options: readonly string[]): Parsed<Tmpfs> {
  const target = guestPath(text);
  if (target === undefined) return wrong(TARGET);
  let sizeBytes: number | null = null;
  let mode = TMPFS_MODE;
  let exec = false;
  for (const option of options) {
    const [name = "", value = ""] = option.split("=", 2);
    if (name === "size" || name === "tmpfs-size") {
      const size = bytesIn(value, 0);
      if (size === undefined || size < 4096) return wrong(`size=${value}: write for example size=64m`);
      sizeBytes = Math.round(size);
    } else if (name === "mode" || name === "tmpfs-mode") {
      if (!/^[0-7]{1,4}$/.test(value)) return wrong(`mode=${value}: write for example mode=1777`);
      mode = Number.parseInt(value, 8);
    } else if (name === "exec" || name === "noexec") exec = name === "exec";
    // Always so, or the default.
    else if (!["rw", "nosuid", "nodev"].includes(name))
      return wrong(`${name}: there are size, mode and exec`);
  }
  return { target, sizeBytes, mode, exec };
}

/** docker's `--mount type=bind|volume|overlay|tmpfs,source=…,target=…,readonly`. */
export function parseMount(text: string): Parsed<{ volume: Volume } | { tmpfs: Tmpfs }> {
  const said = new Map<string, string>();
  const more: string[] = [];
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    const [name, value] = at < 0 ? [part, "true"] : [part.slice(0, at), part.slice(at + 1)];
    const known = KEYS[name];
    if (known !== undefined) said.set(known, value);
    else if (name.startsWith("tmpfs-")) more.push(part);
    else return wrong(`${name}: there are type, source, target, readonly, tmpfs-size and tmpfs-mode`);
  }
  const { type = "volume", source = "", target = "", readonly = "false" } = Object.fromEntries(said);
  if (readonly !== "true" && readonly !== "false") return wrong("readonly is true or false");
  if (type === "tmpfs") {
    const tmpfs = tmpfsOf(target, more);
    return "wrong" in tmpfs ? tmpfs : { tmpfs };
  }
  if (type !== "bind" && type !== "volume" && type !== "overlay")
    return wrong(`type=${type}: there are bind, volume, overlay and tmpfs`);
  if (type === "overlay" && readonly === "true") return wrong("type=overlay is what the guest may write to");
  if (source === "") return wrong(`type=${type} needs source=…`);
  const volume = volumeOf(type, source, target, readonly === "true");
  return "wrong" in volume ? volume : { volume };
}

const KEYS: Readonly<Record<string, string>> = {
  type: "type",
  source: "source",
  src: "source",
  target: "target",
  dst: "target",
  destination: "target",
  readonly: "readonly",
  ro: "readonly",
};
