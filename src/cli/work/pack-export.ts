import { existsSync } from "node:fs";
import { loadSettings } from "../../config/index.ts";
import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import type { SavedImage } from "../../image/save.ts";
import { openPackedImage, platformOf } from "../../pack/index.ts";
import type { ExportValues } from "../commands/pack/export.ts";
import { makeContext } from "../context.ts";
import { reportCopy } from "../progress/copy-report.ts";
import { usageError } from "../usage.ts";
import { findSidecar } from "./find-sidecar.ts";
import { interruptible } from "./interruptible.ts";
import { openPackFile } from "./open-pack.ts";
import { isPack } from "./pack-program.ts";
import { imageOfMachine } from "./pack-source.ts";

/** An image of the cache that is to be exported. */
interface Source {
  readonly id: string;
  /** Seconds since 1970; of a machine, it is when its image was made. */
  readonly createdAt?: number | undefined;
  readonly release: () => void;
}

/**
 * Makes an archive of the image of a pack, or of a machine, and shows on stderr how far it is.
 *
 * @param path of the pack; undefined: the only one here, or the machine that `values` names
 * @throws SmolError; nothing is left then. Interrupted
 */
export async function exportShown(path: string | undefined, values: ExportValues): Promise<SavedImage> {
  const { oci: output, fromVm, tag: reference, verifyKeys } = values;
  if (output === undefined) {
    throw usageError("cli.missing_value", "no archive was named", "smolvm pack export --oci FILE PACK");
  }
  if (fromVm !== undefined && (path !== undefined || verifyKeys.length > 0)) {
    const other = path === undefined ? "--verify-key" : path;
    throw usageError("cli.conflict", `--from-vm and ${other} exclude each other: a machine is no pack`);
  }
  if (existsSync(output) && (await isPack(output))) {
    throw new SmolError("pack.unwritable", `${output} is there, and is a pack`, {
      hint: "name the archive: smolvm pack export --oci FILE PACK",
    });
  }
  const context = makeContext();
  const settings = await loadSettings(context.paths);
  return await interruptible(async (signal) => {
    const source: Source = await (fromVm === undefined
      ? imageOfPack(context, path ?? (await findSidecar(".")), { values, signal })
      : imageOfMachine(context, fromVm, { signal }));
    try {
      const { saveImage } = await import("../../image/save.ts");
      return await saveImage({
        ...{ cacheDir: context.paths.cache, name: source.id, path: output, reference, signal },
        createdAt: source.createdAt,
        registry: settings.images.defaultRegistry,
      });
    } finally {
      source.release();
    }
  });
}

/** Also of a pack for another architecture, which cannot run here. */
async function imageOfPack(
  { paths }: Context,
  path: string,
  { values, signal }: { readonly values: ExportValues; readonly signal: AbortSignal },
): Promise<Source> {
  const pack = await openPackFile(path, values.verifyKeys);
  const report = reportCopy(values);
  try {
    const { id, release } = await openPackedImage(pack, {
      cacheDir: paths.cache,
      platform: platformOf(pack.manifest),
      signal,
      onUnpack: (bytes, total) => report.onCopy?.(bytes, total, "the pack's files into the cache"),
      loadSettings: () => loadSettings(paths),
    });
    return { id, createdAt: secondsOf(pack.manifest.created), release };
  } finally {
    await report.end();
    await pack.close();
  }
}

/** A pack's word for when it was made is a stranger's: what is no time is left out. @returns seconds since 1970 */
function secondsOf(created: string): number | undefined {
  const time = /^\d{4}-/.test(created) ? Date.parse(created) : Number.NaN;
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000);
}
