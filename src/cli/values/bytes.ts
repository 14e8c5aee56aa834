import { bytesIn, quote } from "../../values/index.ts";
import { badValue } from "../usage.ts";

/**
 * A number of bytes: `8G`, `512MiB`, `1.5T`, or without a unit. Units are binary whatever their spelling.
 *
 * @returns a whole number of at least one
 */
export function parseBytes(text: string): number {
  const bytes = bytesIn(text, 0);
  if (bytes === undefined)
    throw badValue(`not a size: ${quote(text)}`, "give a number of bytes, or for example 8G");
  if (bytes < 1) throw badValue(`must be at least one byte, not ${text}`);
  if (bytes > Number.MAX_SAFE_INTEGER) throw badValue(`must be less than 8192T, not ${text}`);
  return Math.round(bytes);
}
