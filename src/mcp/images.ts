/** Which images calls may name. */
import { resolve } from "node:path";
import { isImageId, isLocalImage } from "../image/source-kind.ts";
import { parseReference } from "../registry/index.ts";
import { quote } from "../values/index.ts";
import { notAllowed } from "./ceilings.ts";

export interface ImageCeiling {
  /**
   * Names, paths, and patterns of names, in which `*` is any text; none: the built-in image, and what Docker publishes
   * itself.
   */
  readonly images: readonly string[];
  /** Where names without a registry are, as the host's settings have it; undefined: docker.io. */
  readonly defaultRegistry: string | undefined;
}

/**
 * Without a list. A name of somebody else's registry would tell that registry what it says, whatever `--allow-host` is,
 * and the host would bring its own credentials.
 */
const OFFICIAL = ["docker.io/library/*"];

/**
 * @returns the image that a call means; null: the built-in one
 * @throws SmolError `mcp.not_allowed`, `registry.bad_reference`
 */
export function allowedImage(
  asked: string | undefined,
  { images, defaultRegistry }: ImageCeiling,
): string | null {
  if (asked === undefined) return images.find((one) => !one.includes("*")) ?? null;
  if (images.includes(asked)) return asked;
  const patterns = images.length > 0 ? images : OFFICIAL;
  const hint =
    images.length > 0
      ? `the server has ${images.join(", ")}`
      : "the server has Docker's official images, such as python:3.13-slim; its option --image opens others";
  // An id may be an image that the user has pulled from anywhere.
  if (isLocalImage(asked) || isImageId(asked)) throw notAllowed(`the image ${quote(asked)}`, hint);
  const { canonical, familiar } = parseReference(asked, { registry: defaultRegistry });
  if (patterns.some((pattern) => matches(pattern, canonical) || matches(pattern, familiar))) return asked;
  throw notAllowed(`the image ${quote(asked)}`, hint);
}

/** Paths as the server's own directory has them, so that they mean the same wherever a machine's process works. */
export const startersImage = (name: string): string => (isLocalImage(name) ? resolve(name) : name);

/** Whether a text is what a pattern says; in time that grows with both, whatever they are. */
function matches(pattern: string, text: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return text === pattern;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
