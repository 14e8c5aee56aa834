import { mkdirSync } from "node:fs";
import { attempt } from "../make.ts";
import { platformName } from "../platform.ts";
import { writeSmallFile } from "../small-file.ts";
import type { Platform } from "../types.ts";
import { formatRef, refPath, refsDirectory, type StoredRef } from "./entry.ts";

/** Remembers which image a reference gave. @throws SmolError when the cache cannot be written. */
export function writeRef(
  images: string,
  platform: Platform,
  ref: Omit<StoredRef, "version" | "platform" | "pulledAt">,
): void {
  const complete = { ...ref, platform: platformName(platform), pulledAt: Math.floor(Date.now() / 1000) };
  attempt(() => {
    mkdirSync(refsDirectory(images), { recursive: true, mode: 0o700 });
    writeSmallFile(refPath(images, ref.canonical, platform), formatRef(complete));
  });
}
