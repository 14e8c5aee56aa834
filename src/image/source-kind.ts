/**
 * What `--image X` means, by its text alone: never by what happens to lie in the working directory. Whoever wrote a
 * checkout must not decide that `--image alpine` runs a file called alpine.
 */

/** Ends of the names of archives; nobody calls a repository like that. */
const ARCHIVE = "\\.(?:tar|tar\\.gz|tgz|tar\\.zst|tar\\.xz)";

const archiveName = new RegExp(`${ARCHIVE}$`);
const archiveWithTag = new RegExp(`^(.*?${ARCHIVE}):([^/].*)$`, "s");

/** Whether `--image X` names something on this machine, which need not exist, rather than in a registry. */
export function isLocalImage(source: string): boolean {
  return source === "-" || looksLikePath(source);
}

/** Whether `--image X` is the id of an image of the cache, or its first digits: no reference has this form. */
export const isImageId = (source: string): boolean => /^sha256:[0-9a-f]{6,64}$/.test(source);

/** Whether a text is meant as a path: it begins as one, or has the name of an archive. */
export function looksLikePath(source: string): boolean {
  const { path } = splitArchiveTag(source);
  return path === "." || path === ".." || /^\.{0,2}\//.test(path) || archiveName.test(path);
}

/**
 * Splits `app.tar:name:tag`, one image of several in an archive, as skopeo writes it. Of a path without such an end,
 * all is the path.
 */
export function splitArchiveTag(source: string): { readonly path: string; readonly tag: string | undefined } {
  const [, path = source, tag] = archiveWithTag.exec(source) ?? [];
  return { path, tag };
}
