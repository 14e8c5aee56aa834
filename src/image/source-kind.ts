import { statSync } from "node:fs";
import { errnoOf } from "../errors.ts";

/**
 * Whether `--image X` names something on this machine (also when it may not be read), rather than in a registry.
 *
 * A bare word is a reference, unless a *file* has that name: a directory `alpine` in a checkout must not stand in for
 * the image of that name. `./alpine` is always the directory.
 */
export function isLocalImage(source: string): boolean {
  if (source === "-") return true;
  try {
    const stat = statSync(source, { throwIfNoEntry: false });
    return stat !== undefined && (stat.isFile() || looksLikePath(source) || !isReferenceLike(source));
  } catch (error) {
    return errnoOf(error) === "EACCES" && looksLikePath(source);
  }
}

/** Whether a text can only be meant as a path. */
export function looksLikePath(source: string): boolean {
  return (
    source === "" || /^\.{0,2}\//.test(source) || source === "." || source === ".." || isArchiveName(source)
  );
}

/** Nobody calls a repository like that. */
const isArchiveName = (source: string) => /\.(tar|tgz|tar\.gz|tar\.zst|tar\.xz|oci)$/.test(source);

/** Roughly: lower-case words with slashes, and perhaps a tag. Directories with other names cannot be references. */
const isReferenceLike = (source: string) =>
  /^[a-z0-9][a-z0-9._\-/:@]*$/.test(source) && !source.endsWith("/");
