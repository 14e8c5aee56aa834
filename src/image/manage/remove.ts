import { SmolError } from "../../errors.ts";
import { isInUse, machinesWith } from "../store/index.ts";
import type { RemovedImages } from "../types.ts";
import { deleteImage, deleteRef, deleteUnused, type Unused, wouldBeUnused } from "./delete.ts";
import { imageNamed, type NameOptions } from "./names.ts";
import { type SurveyedImage, survey } from "./survey.ts";

/**
 * Removes images, as `docker rmi` does: a reference is taken off; with its last one, or when it is named by its id,
 * the image goes.
 *
 * @param options.force an image that is named by its id goes also when several references lead to it.
 * @throws SmolError when a name means nothing (before anything is removed), or an image is in use.
 */
export function removeImages(
  directory: string,
  names: readonly string[],
  options: NameOptions & { readonly force?: boolean } = {},
): RemovedImages {
  const before = survey(directory);
  const named = names.map((name) => ({ name, ...imageNamed(before, name, options) }));
  for (const { name, image, ref } of named) {
    if (ref !== undefined || options.force || image.refs.length <= 1) continue;
    const references = image.refs.map((each) => each.ref.familiar).join(", ");
    throw new SmolError("image.several_references", `several references lead to ${name}: ${references}`, {
      hint: "remove the references, or give --force",
    });
  }
  const untagged: string[] = [];
  const removed = new Set<SurveyedImage>();
  const inUse = new Set<string>();
  const gone = new Set<string>();
  for (const { image, ref } of named) {
    const others = image.refs.filter(({ path }) => path !== ref?.path && !gone.has(path));
    if (ref !== undefined && others.length > 0) {
      deleteRef(ref);
      gone.add(ref.path);
      untagged.push(ref.ref.familiar);
    } else if (!removed.has(image)) {
      if (deleteImage(directory, image)) removed.add(image);
      else inUse.add(image.stored.id);
    }
  }
  const unused = removed.size === 0 ? nothing : deleteUnused(directory);
  return result([...removed], unused, { untagged, ...kept(directory, [...inUse]) });
}

/** See `pruneImages`. */
export interface PruneImagesOptions {
  readonly all?: boolean | undefined;
  readonly keepUnnamed?: number | undefined;
  readonly dryRun?: boolean | undefined;
}

/**
 * Removes what nobody needs: images that no reference leads to and that were not made of a local archive, layers
 * without an image, and what interrupted processes left.
 *
 * @param options.all also all other images that no machine uses or will use at its next start.
 * @param options.keepUnnamed also those images without a reference, of packs and files, that no machine needs, but this
 *   number that were used last.
 * @param options.dryRun says what would be removed, and changes nothing.
 */
export function pruneImages(directory: string, options: PruneImagesOptions): RemovedImages {
  const before = survey(directory);
  const old = new Set(oldUnnamed(directory, before.images, options.keepUnnamed));
  const wanted = before.images.filter(
    (image) =>
      options.all || old.has(image) || (image.refs.length === 0 && image.stored.origin === "registry"),
  );
  if (options.dryRun) {
    const inUse = wanted.filter(({ stored }) => isInUse(directory, stored.id));
    const free = wanted.filter((image) => !inUse.includes(image));
    const unused = { ...wouldBeUnused(before, new Set(free)), kept: false };
    const ids = inUse.map(({ stored }) => stored.id);
    return result(free, unused, { untagged: [], ...kept(directory, ids) });
  }
  const inUse: string[] = [];
  const removed = wanted.filter((image) => {
    let spared = false;
    const spare = (refs: readonly unknown[]) => {
      // A pull has found it useful again in the meantime.
      spared = !options.all && refs.length > 0;
      return spared;
    };
    if (deleteImage(directory, image, spare)) return true;
    if (!spared) inUse.push(image.stored.id);
    return false;
  });
  return result(removed, deleteUnused(directory), { untagged: [], ...kept(directory, inUse) });
}

/** Images of packs and files that no machine needs, without those that were used last. */
function oldUnnamed(
  directory: string,
  images: readonly SurveyedImage[],
  keep: number | undefined,
): readonly SurveyedImage[] {
  if (keep === undefined) return [];
  return images
    .filter(({ refs, stored }) => refs.length === 0 && stored.origin === "local")
    .toSorted((a, b) => b.lastUsedMs - a.lastUsedMs)
    .slice(keep)
    .filter(({ stored }) => !isInUse(directory, stored.id));
}

/** Images that stay because of whoever uses them. */
function kept(directory: string, inUse: readonly string[]): Pick<RemovedImages, "inUse" | "machines"> {
  return { inUse, machines: Object.fromEntries(inUse.map((id) => [id, machinesWith(directory, id)])) };
}

const nothing: Unused = { layers: 0, bytes: 0, kept: false };

function result(
  images: readonly SurveyedImage[],
  unused: Unused,
  others: Pick<RemovedImages, "untagged" | "inUse" | "machines">,
): RemovedImages {
  return {
    images: images.map(({ stored, refs }) => ({
      id: stored.id,
      references: refs.map(({ ref }) => ref.familiar),
    })),
    layers: unused.layers,
    kept: unused.kept,
    freedBytes: unused.bytes + images.reduce((sum, { ownBytes }) => sum + ownBytes, 0),
    ...others,
  };
}
