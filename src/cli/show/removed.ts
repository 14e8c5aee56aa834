import type { RemovedImages } from "../../image/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { oneLine } from "../output.ts";
import { shortId } from "./images.ts";

/** Layers of an image that is being added look as if they belonged to none. */
const KEPT = "Layers stay while something is downloaded: prune again later.";

/** What was removed, in docker's words, one line each; empty when nothing was. */
export function formatRemoved({ images, untagged, layers, freedBytes, kept }: RemovedImages): string {
  const lines = [
    ...untagged.map((name) => `Untagged: ${name}`),
    ...images.flatMap(({ id, references }) => [
      ...references.map((name) => `Untagged: ${name}`),
      `Deleted: ${id}`,
    ]),
    ...(images.length > 0 || layers > 0 || freedBytes > 0 ? [`Freed ${formatBytes(freedBytes)}`] : []),
    ...(kept ? [KEPT] : []),
  ];
  return textOf(lines);
}

export interface PruneOptions {
  readonly all: boolean;
  readonly dryRun: boolean;
}

/** What `prune` did, or would do. */
export function formatPruned(removed: RemovedImages, { all, dryRun }: PruneOptions): string {
  const { images, layers, freedBytes, inUse } = removed;
  const used = textOf(
    inUse.map((id) => {
      const users = usersOf(removed, id);
      return `Kept, because ${users === "" ? "it is in use" : `it is used by ${users}`}: ${id}`;
    }),
  );
  if (images.length === 0 && layers === 0 && freedBytes === 0) {
    const nothing = all ? "No unused images to remove." : "No unreferenced layers to remove.";
    return used + textOf([removed.kept ? KEPT : nothing]);
  }
  if (!dryRun) return used + formatRemoved(removed);
  const would = images.map(({ id, references }) => `Would delete: ${[id, ...references].join(" ")}`);
  const free = `Would free ${formatBytes(freedBytes)}`;
  return used + textOf([...would, free, ...(removed.kept ? [KEPT] : [])]);
}

/**
 * What `machine prune --name` did, or would do: as `formatPruned`, in the words that scripts look for.
 *
 * @param machine whose image stays, whatever else goes
 */
export function formatMachinePruned(removed: RemovedImages, machine: string, options: PruneOptions): string {
  const { freedBytes, inUse, machines, kept } = removed;
  const own = inUse.filter((id) => machines[id]?.includes(machine)).length;
  if (options.all && own > 0) {
    const [stay, free] = options.dryRun ? ["Would keep", "would free"] : ["Kept", "freed"];
    const line = `${stay} ${own} cached image(s) in use by machine '${machine}'; ${free} ${formatBytes(freedBytes)}`;
    return textOf([line, ...(kept ? [KEPT] : [])]);
  }
  const text = formatPruned(removed, options);
  return options.all ? text : text.replace(/^(Freed|Would free) .*$/m, "$& of unreferenced layers");
}

/** Why images were not removed, as one line without its end. */
export function formatInUse(removed: RemovedImages): string {
  const [id = "", ...more] = removed.inUse;
  const users = usersOf(removed, id);
  if (more.length === 0 && users !== "")
    return `image ${shortId(id)} is used by ${users} and was not removed`;
  const all = removed.inUse.map((id) => {
    const users = usersOf(removed, id);
    return users === "" ? shortId(id) : `${shortId(id)} (${users})`;
  });
  return `${more.length === 0 ? "image in use is" : "images in use are"} not removed: ${all.join(", ")}`;
}

/** `machine 'web'`, `machines 'a', 'b'`; empty when nobody knows. */
function usersOf({ machines }: RemovedImages, id: string): string {
  const names = machines[id] ?? [];
  if (names.length === 0) return "";
  return `machine${names.length === 1 ? "" : "s"} ${names.map((name) => `'${name}'`).join(", ")}`;
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${oneLine(line)}\n`).join("");
}
