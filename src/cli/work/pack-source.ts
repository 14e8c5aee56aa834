import type { Settings } from "../../config/index.ts";
import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import {
  type BootableImage,
  digestOfName,
  openImage,
  type Platform,
  type PullPolicy,
} from "../../image/index.ts";
import { isImageId, isLocalImage } from "../../image/source-kind.ts";
import { inspectMachine, type MachineSpec } from "../../machine/index.ts";
import type { SpecLayer } from "../../machine/model/index.ts";
import { hostsOwn, UNNAMED } from "../../pack/index.ts";
import type { ProgressMode } from "../options/pull-options.ts";
import { pullSettings } from "../options/pull-settings.ts";
import { warn } from "../output.ts";
import { reportPull } from "../progress/pull-report.ts";

/** What a machine that is packed says about the pack: all but what its host lends it. */
export function layerOfMachine(context: Context, name: string): SpecLayer {
  const { record } = inspectMachine(context, name);
  if (record === undefined)
    throw new SmolError("machine.damaged", `the record of machine '${name}' cannot be read`);
  const lent = [
    ...(record.secrets.length > 0 ? ["secrets"] : []),
    ...(record.volumes.length > 0 ? ["volumes"] : []),
    ...(record.ports.length > 0 ? ["ports"] : []),
    ...(record.sshAgent ? ["SSH agent"] : []),
    ...(record.mountSockets.length + record.exposeSockets.length > 0 ? ["sockets of the host"] : []),
  ];
  if (lent.length > 0) {
    warn(`not packed, because whoever runs the pack gives it: the machine's ${lent.join(", ")}`);
  }
  const variables = record.env.map((text) => text.split("=", 1)[0]);
  if (variables.length > 0) {
    warn(`packed, for whoever has the pack to read: the values of the machine's ${variables.join(", ")}`);
  }
  const { name: _, ephemeral: __, imageId: ___, ...settings }: MachineSpec = record;
  return {
    ...settings,
    ...hostsOwn,
    // What it was asked to be for; it has its image.
    platform: undefined,
  };
}

interface NamedOptions {
  readonly platform: Platform | undefined;
  readonly pull: PullPolicy;
  readonly proxy: string | undefined;
  readonly noProxy: string | undefined;
  readonly maxImageSize: number | undefined;
  readonly quiet: boolean;
  readonly progress: ProgressMode;
  readonly signal: AbortSignal;
}

/** The image of a name, as `machine run` takes them; its download is shown on stderr. */
export async function imageOfName(
  context: Context,
  name: string,
  options: NamedOptions,
): Promise<BootableImage> {
  const { platform, pull, quiet, progress, signal } = options;
  const report = reportPull({ quiet, progress, upToDate: false });
  try {
    return await openImage(name, {
      ...pullSettings(options),
      cacheDir: context.paths.cache,
      policy: pull,
      platform,
      signal,
      onPull: report.onPull,
      loadSettings: () => settingsOf(context),
    });
  } finally {
    await report.end();
  }
}

/**
 * The same above what the name of its image means now, pulled anew: what the machine inherited from a pack is dropped,
 * and what has been mended in the image since is there.
 *
 * @param image what the machine's record calls its image
 * @throws SmolError `machine.bad_setting` when that is no name of a registry
 */
export async function rebasedImageOfMachine(
  context: Context,
  name: string,
  image: string | null,
  options: NamedOptions,
): Promise<BootableImage> {
  if (image === null || image === UNNAMED || isLocalImage(image) || isImageId(image)) {
    throw new SmolError(
      "machine.bad_setting",
      `machine '${name}' is of no image that has a name in a registry`,
      {
        hint: "without --rebase-from-image, the image that it was made of is packed with it",
      },
    );
  }
  const base = await imageOfName(context, image, options);
  try {
    return await imageOfMachine(context, name, { signal: options.signal, onto: base.id });
  } finally {
    base.release();
  }
}

/** What an image's name led to in its registry: the same in every cache, whatever else that knows of the image. */
export async function digestOf(
  context: Context,
  name: string,
  platform: Platform | undefined,
): Promise<string | null> {
  const registry = (await settingsOf(context)).images.defaultRegistry;
  return (await digestOfName(context.paths.cache, name, { platform, registry })) ?? null;
}

/**
 * An image of a machine that does not run: the layers of its image, and its changes as one more.
 *
 * @param options `onto`: see `CommitOptions`
 */
export async function imageOfMachine(
  context: Context,
  name: string,
  options: { readonly signal: AbortSignal; readonly onto?: string | undefined },
): Promise<BootableImage> {
  const { commitMachine } = await import("../../machine/index.ts");
  const committed = await commitMachine(context, name, options);
  if (committed.skipped > 0) warn(`${committed.skipped} sockets are not packed: only programs make them`);
  try {
    return await openImage(committed.id, {
      cacheDir: context.paths.cache,
      signal: options.signal,
      loadSettings: () => settingsOf(context),
    });
  } finally {
    committed.release();
  }
}

const settingsOf = async (context: Context): Promise<Settings> =>
  (await import("../../config/index.ts")).loadSettings(context.paths);
