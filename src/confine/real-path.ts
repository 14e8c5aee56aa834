import { realpathSync } from "node:fs";
import type { AllowedPath } from "./types.ts";

/** Where the file is, whatever name a program has for it; undefined: one that may be missing is. @throws Error */
export function realPath({ path, optional }: AllowedPath): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (optional) return undefined;
    throw error;
  }
}
