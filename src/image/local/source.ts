import { type BigIntStats, existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { SmolError } from "../../errors.ts";
import { type Fingerprint, fingerprintOf } from "../store/index.ts";
import type { Platform } from "../types.ts";
import { unreadable } from "./unreadable.ts";

/** Something on this machine that an image can be made from. */
export type LocalSource =
  /** An archive. */
  | { readonly kind: "file"; readonly path: string; readonly fingerprint: Fingerprint }
  /** A directory that holds a saved image. */
  | { readonly kind: "layout"; readonly path: string; readonly fingerprint: Fingerprint }
  /** A directory that is the root of a system. */
  | { readonly kind: "root"; readonly path: string; readonly fingerprint: Fingerprint };

/**
 * Finds out what a path is, by its place and type alone, and what it looks like now.
 *
 * @throws SmolError when it is not there, or is something that cannot be an image.
 */
export async function describeSource(path: string, platform: Platform): Promise<LocalSource> {
  const stat = statOf(path);
  if (isRecipeName(path)) throw isRecipe(path);
  if (stat.isFile()) return { kind: "file", path, fingerprint: fingerprintOf(stat, platform) };
  if (!stat.isDirectory()) {
    throw new SmolError("image.unknown_format", `neither a file nor a directory: ${path}`, {
      hint: "to read an archive from a pipe, use --image - and standard input",
    });
  }
  for (const name of ["manifest.json", "index.json"]) {
    const document = join(path, name);
    const isLayout = name === "manifest.json" || existsSync(join(path, "oci-layout"));
    if (isLayout && existsSync(document)) {
      return { kind: "layout", path, fingerprint: fingerprintOf(statOf(document), platform, name) };
    }
  }
  if (existsSync(join(path, "Dockerfile")) && !existsSync(join(path, "etc"))) throw isRecipe(path);
  const { fingerprintTree } = await import("./fingerprint.ts");
  return { kind: "root", path, fingerprint: fingerprintTree(path, stat, platform) };
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

export function isRecipe(path: string): SmolError {
  return new SmolError("image.not_an_image", `${path} is a recipe for an image, not an image`, {
    hint: `Dockerfiles are not built here; build it first: docker build -t NAME . && docker save NAME -o image.tar, then --image ./image.tar`,
  });
}
