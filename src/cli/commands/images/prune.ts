import { pruneOptions } from "../../options/image-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, type Values } from "../../program/types.ts";

export const imagesPrune = command({
  path: ["images", "prune"],
  duration: "med",
  summary: "Remove images and layers that nobody needs",
  options: {
    ...pruneOptions,
    force: flag({ long: "force", short: "f", description: "No effect: nothing is ever asked" }),
  },
  text: `Removes images that have lost their name to a newer one, layers that belong to no image, and what
interrupted downloads left. --all removes every image that no machine is made of, whether that runs
or not; the next run pulls it again. It also removes saved guests, from which machines on qemu go
on: the next starts boot, and one is saved anew. Asks nothing.

--json prints an object with the keys dry_run, images, untagged, layer_count, freed_bytes, in_use,
machines (by the ids in in_use) and kept (layers stay, because something is being downloaded: prune
later).`,
  examples: [{ command: "smolvm images prune" }, { command: "smolvm images prune --all --dry-run" }],
  run: ({ values }) => pruneAll(values),
});

interface PruneScope {
  /** The one that the user named. */
  readonly machine?: string | undefined;
  /** See `pruneImages`. */
  readonly keepUnnamed?: number | undefined;
}

/** Prunes the images of this host, and says what went. Resolves to the exit code. */
export async function pruneAll(
  values: Values<typeof pruneOptions>,
  { machine, keepUnnamed }: PruneScope = {},
): Promise<number> {
  const [{ resolvePaths }, { pruneImages }, { TemplateStore }] = await Promise.all([
    import("../../../config/paths.ts"),
    import("../../../image/index.ts"),
    import("../../../machine/template/index.ts"),
  ]);
  const { all, dryRun, json } = values;
  const { cache } = resolvePaths();
  const images = await pruneImages(cache, { all, dryRun, keepUnnamed });
  const templates = all ? new TemplateStore(cache).clear(dryRun) : 0;
  const removed = { ...images, freedBytes: images.freedBytes + templates };
  if (json) {
    const { removedJson } = await import("../../show/images-json.ts");
    await printJson(removedJson(removed, dryRun));
  } else {
    const { formatMachinePruned, formatPruned } = await import("../../show/removed.ts");
    await print(
      machine === undefined ? formatPruned(removed, values) : formatMachinePruned(removed, machine, values),
    );
  }
  return 0;
}
