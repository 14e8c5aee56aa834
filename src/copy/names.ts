/** Names and paths, of the host or of a machine, by docker's rules for `cp`. */
import { SmolError } from "../errors.ts";

/** The name that a copy of a path has; undefined: not the directory is meant but what is in it (`DIR/.`, `/`). */
export function baseName(path: string): string | undefined {
  const last = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
  return last === "" || last === "." || last === ".." ? undefined : last;
}

/** A path that can only be a directory's. */
export const meansDirectory = (path: string): boolean => /(^|\/)\.{0,2}$/.test(path);

/** Names in records are byte strings. */
export const bytesOf = (text: string): string => Buffer.from(text).toString("latin1");

/** @param where the path as the user wrote it, with its machine */
export function noTarget(where: string): SmolError {
  return new SmolError("copy.no_target", `there is no directory ${where}`, {
    hint: "make it first, or leave the slash at its end out to give the copy that name",
  });
}
