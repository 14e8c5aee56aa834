/** Paths that the user names on the host: what is there, or can be. */
import { lstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { SmolError } from "../errors.ts";
import { Directory } from "./directory.ts";
import { hostFailure } from "./failure.ts";
import { baseName, bytesOf, meansDirectory, noTarget } from "./names.ts";

export interface HostSource {
  readonly isDirectory: boolean;
  /** Of a file; undefined: nobody knows yet. */
  readonly size: number | undefined;
  /** Where it is, and its name there; without a name: the directory itself. */
  readonly directory: Directory;
  readonly name: string | undefined;
}

/**
 * Opens what is to be copied. A link is copied as a link, unless it is to be followed.
 *
 * @throws SmolError `copy.host_file`
 */
export function openSource(path: string, follow: boolean): HostSource {
  return attempt("read", path, () => {
    const slash = path.endsWith("/");
    const info = follow || slash ? statSync(path) : lstatSync(path);
    if (!info.isFile() && !info.isDirectory() && !info.isSymbolicLink())
      throw new SmolError("copy.host_file", `${path} is no file, directory or link`);
    if (info.isDirectory() && baseName(path) === undefined)
      return { isDirectory: true, size: undefined, directory: Directory.open(path), name: undefined };
    // The path itself may lead through links; its last part does not any more.
    const real = follow || slash ? realpathSync(path) : path;
    const name = baseName(real);
    const directory = Directory.open(name === undefined ? real : dirname(real));
    const size = info.isFile() ? info.size : undefined;
    return { isDirectory: info.isDirectory(), size, directory, name: name && bytesOf(name) };
  });
}

export interface HostTarget {
  readonly directory: Directory;
  /** Undefined: what is copied goes into the directory without one of its own. */
  readonly name: string | undefined;
}

/**
 * Where a copy goes.
 *
 * @param base the name of what is copied; undefined: its contents are
 * @throws SmolError `copy.host_file`, `copy.in_the_way`, `copy.no_target`
 */
export function openTarget(path: string, base: string | undefined, isDirectory: boolean): HostTarget {
  return attempt("write", path, () => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) {
      if (!isDirectory && base === undefined)
        throw new SmolError("copy.malformed", "the copy is no directory");
      return { directory: Directory.open(path), name: base && bytesOf(base) };
    }
    if (found !== undefined) {
      if (isDirectory || !found.isFile()) {
        const what = isDirectory ? "no directory" : "neither a file nor a directory";
        throw new SmolError("copy.in_the_way", `${path} exists and is ${what}`);
      }
      return placeOf(realpathSync(path));
    }
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
      throw new SmolError("copy.in_the_way", `${path} is a link that leads nowhere`);
    if (!isDirectory && meansDirectory(path)) throw noTarget(path);
    return placeOf(path.replace(/(?<=.)\/+$/, ""));
  });
}

function placeOf(path: string): HostTarget {
  return { directory: Directory.open(dirname(path)), name: bytesOf(basename(path)) };
}

function attempt<T>(action: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw hostFailure(action, bytesOf(path), error);
  }
}
