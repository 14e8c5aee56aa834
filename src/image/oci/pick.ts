import { SmolError } from "../../errors.ts";
import { parseReference } from "../../registry/index.ts";
import { bytesOf, printable } from "../tree/index.ts";

/** One of the images in an archive or a layout, and what it is called there: tags, references; hostile text. */
export interface Named<Image> {
  readonly names: readonly string[];
  readonly image: Image;
}

/**
 * Picks the images that a user means: those with exactly this name; else those whose reference it is (`alpine` is
 * `docker.io/library/alpine:latest`); else those with this tag.
 *
 * @param wanted undefined for all of them.
 * @throws SmolError `image.no_such_tag`, which lists the names that there are.
 */
export function pickByName<Image>(
  images: readonly Named<Image>[],
  wanted: string | undefined,
): Named<Image>[] {
  if (wanted === undefined) return [...images];
  const reference = canonical(wanted);
  const ways: readonly ((name: string) => boolean)[] = [
    (name) => name === wanted,
    (name) => reference !== undefined && canonical(name) === reference,
    (name) => name.endsWith(`:${wanted}`),
  ];
  for (const isMeant of ways) {
    const found = images.filter(({ names }) => names.some(isMeant));
    if (found.length > 0) return found;
  }
  const names = listOf(images);
  const there = names === "" ? "its images have no names" : `there is ${names}`;
  throw new SmolError("image.no_such_tag", `no image inside is called ${shown(wanted)}: ${there}`);
}

/** @param images of which only one can be run. */
export function several(images: readonly Named<unknown>[]): SmolError {
  return new SmolError("image.ambiguous", `there are several images inside: ${listOf(images)}`, {
    hint: "choose one by its name, behind a colon: --image ./FILE.tar:NAME",
  });
}

const MAX_LISTED = 20;

function listOf(images: readonly Named<unknown>[]): string {
  const names = images.flatMap((one) => one.names);
  const more = names.length > MAX_LISTED ? `, and ${names.length - MAX_LISTED} more` : "";
  return `${names.slice(0, MAX_LISTED).map(shown).join(", ")}${more}`;
}

const shown = (name: string) => printable(bytesOf(name));

function canonical(name: string): string | undefined {
  try {
    return parseReference(name).canonical;
  } catch {
    return undefined;
  }
}
