import { type BigIntStats, existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { errnoOf, SmolError } from "../../errors.ts";
import { type Fingerprint, fingerprintOf } from "../store/index.ts";
import type { Platform } from "../types.ts";
import { unreadable } from "./unreadable.ts";

/** Something on this machine that an image can be made from. */
export interface LocalSource {
  /** An archive; a directory that holds a saved image; a directory that is the root of a system. */
  readonly kind: "file" | "layout" | "root";
  readonly path: string;
  /** One of several images inside, by its tag or reference. */
  readonly name: string | undefined;
  readonly fingerprint: Fingerprint;
}

/**
 * Finds what a user's text names: a path, or a path and, behind a colon, the name of one of the images inside. What
 * exists under the whole text, or the longer part of it, is meant; names of images have colons too.
 *
 * @returns undefined when there is nothing.
 */
export function locateSource(
  source: string,
): { readonly path: string; readonly name: string | undefined } | undefined {
  if (exists(source)) return { path: source, name: undefined };
  for (let colon = source.lastIndexOf(":"); colon > 0; colon = source.lastIndexOf(":", colon - 1)) {
    const [path, name] = [source.slice(0, colon), source.slice(colon + 1)];
    if (name !== "" && exists(path)) return { path, name };
  }
  return undefined;
}

/** Whether something lies under a path, also when it may not be read. */
export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    return errnoOf(error) === "EACCES";
  }
}

/**
 * Finds out what a path is, by its place and type alone, and what it looks like now.
 *
 * @throws SmolError when it is not there, or is something that cannot be an image.
 */
export async function describeSource(
  path: string,
  name: string | undefined,
  platform: Platform,
): Promise<LocalSource> {
  const stat = statOf(path);
  if (isRecipeName(path)) throw isRecipe(path);
  if (stat.isFile()) return { kind: "file", path, name, fingerprint: fingerprintOf(stat, platform, name) };
  if (!stat.isDirectory()) {
    throw new SmolError("image.unknown_format", `neither a file nor a directory: ${path}`, {
      hint: "to read an archive from a pipe, use --image - and standard input",
    });
  }
  for (const file of ["manifest.json", "index.json"]) {
    const document = join(path, file);
    const isLayout = file === "manifest.json" || existsSync(join(path, "oci-layout"));
    if (isLayout && existsSync(document)) {
      return {
        kind: "layout",
        path,
        name,
        fingerprint: fingerprintOf(statOf(document), platform, name, file),
      };
    }
  }
  if (existsSync(join(path, "Dockerfile")) && !existsSync(join(path, "etc"))) throw isRecipe(path);
  const { fingerprintTree } = await import("./fingerprint.ts");
  if (name !== undefined) throw hasNoImages(path);
  return { kind: "root", path, name, fingerprint: fingerprintTree(path, stat, platform) };
}

function statOf(path: string): BigIntStats {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Whether a file is called as Dockerfiles are: `Dockerfile`, `Containerfile.dev`, `app.Dockerfile`, in any case. */
export function isRecipeName(path: string): boolean {
  return /^(docker|container)file(\..*)?$/i.test(basename(path)) || /\.(docker|container)file$/i.test(path);
}

export function hasNoImages(path: string): SmolError {
  return new SmolError(
    "image.no_such_tag",
    `${path} is a root filesystem: there is no image in it to choose`,
  );
}

export function isRecipe(path: string): SmolError {
  return new SmolError("image.not_an_image", `${path} is a recipe for an image, not an image`, {
    hint: `Dockerfiles are not built here; build it first: docker build -t NAME . && docker save NAME -o image.tar, then --image ./image.tar`,
  });
}
