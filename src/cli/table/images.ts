import { parseText } from "../values/text.ts";
import { command } from "./command.ts";
import { platformOption, pullOptions } from "./pull-options.ts";
import { type Arguments, type CommandSpec, flag, value } from "./types.ts";

/** More names than anybody types; a shell's own limit is not far above. */
const MAX_NAMES = 1000;

const names = (placeholder: string, completed: boolean): Arguments => ({
  kind: "words",
  placeholder: `${placeholder}...`,
  min: 1,
  max: MAX_NAMES,
  hint: completed ? { kind: "image" } : undefined,
});

const json = (description: string) => flag({ long: "json", description });

export const imagesListOptions = {
  json: json("Print a JSON array"),
  quiet: flag({ long: "quiet", short: "q", description: "Print ids only, one a line" }),
  names: flag({ long: "names", description: "Print names only, one a line; the id of an image without one" }),
  full: flag({ long: "no-trunc", description: "Cut nothing off" }),
  verbose: flag({
    long: "verbose",
    short: "v",
    description: "Show digests, layers and configuration of each",
  }),
};

export const imagesList = command({
  path: ["images", "ls"],
  aliases: ["list"],
  summary: "List the images that are kept on this host",
  options: imagesListOptions,
  details: async () => (await import("../help/images.ts")).list,
  load: () => import("../commands/images/ls.ts"),
});

export const imagesPullOptions = {
  platform: platformOption,
  ...pullOptions,
  json: json("Print a JSON object"),
};

export const imagesPull = command({
  path: ["images", "pull"],
  summary: "Get images from registries, or look for newer ones",
  options: imagesPullOptions,
  arguments: names("IMAGE", true),
  details: async () => (await import("../help/images.ts")).pull,
  load: () => import("../commands/images/pull.ts"),
});

/** docker users type `pull`. */
export const pull: CommandSpec<typeof imagesPullOptions> = {
  ...imagesPull,
  path: ["pull"],
  summary: "The same as images pull",
};

export const imagesRemoveOptions = {
  platform: platformOption,
  force: flag({
    long: "force",
    short: "f",
    description: "Remove an image that is named by its id with all of its names",
  }),
  json: json("Print a JSON object"),
};

export const imagesRemove = command({
  path: ["images", "rm"],
  aliases: ["remove"],
  summary: "Remove images from this host",
  options: imagesRemoveOptions,
  arguments: names("IMAGE", true),
  details: async () => (await import("../help/images.ts")).remove,
  load: () => import("../commands/images/rm.ts"),
});

export const imagesInspectOptions = {
  platform: platformOption,
  json: flag({ long: "json", description: "No effect: the output is always a JSON array" }),
};

export const imagesInspect = command({
  path: ["images", "inspect"],
  summary: "Print everything about images that are kept on this host",
  options: imagesInspectOptions,
  arguments: names("IMAGE", true),
  details: async () => (await import("../help/images.ts")).inspect,
  load: () => import("../commands/images/inspect.ts"),
});

const pruneFlags = {
  all: flag({ long: "all", short: "a", description: "Remove every image that no machine uses" }),
  dryRun: flag({ long: "dry-run", description: "Only say what would be removed" }),
  json: json("Print a JSON object"),
};

export const imagesPruneOptions = {
  ...pruneFlags,
  force: flag({ long: "force", short: "f", description: "No effect: nothing is ever asked" }),
};

export const imagesPrune = command({
  path: ["images", "prune"],
  summary: "Remove images and layers that nobody needs",
  options: imagesPruneOptions,
  details: async () => (await import("../help/images.ts")).prune,
  load: () => import("../commands/images/prune.ts"),
});

const machineName = (description: string) =>
  value({ long: "name", short: "n", placeholder: "NAME", description, parse: parseText });

export const machineImagesOptions = {
  name: machineName("Only the image of this machine"),
  json: json("Print a JSON object"),
};

export const machineImages = command({
  path: ["machine", "images"],
  summary: "Show the images of machines and the room they take",
  options: machineImagesOptions,
  details: async () => (await import("../help/images.ts")).machineImages,
  load: () => import("../commands/images/machine-images.ts"),
});

export const machinePruneOptions = {
  name: machineName("A machine that must exist; all machines share the images"),
  ...pruneFlags,
};

export const machinePrune = command({
  path: ["machine", "prune"],
  summary: "Remove layers of images that nobody needs",
  options: machinePruneOptions,
  details: async () => (await import("../help/images.ts")).machinePrune,
  load: () => import("../commands/images/machine-prune.ts"),
});
