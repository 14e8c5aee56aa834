import {
  distribution,
  distributionSources,
  ensureInstalled,
  isAvailable,
  resolvePackages,
} from "../../build/apt.ts";
import { type Component, writeComponents } from "../../build/components.ts";
import { writeErofs } from "../../build/erofs.ts";
import { run } from "../../build/host.ts";
import { part } from "../../build/parts.ts";
import { bootstrap, bootstrapRecipe } from "./bootstrap.ts";

/**
 * The base image: the userland of a machine that was given no image. The build machine's own release of Debian (or
 * Ubuntu), as small as it is while apt works, with CA certificates. An image like any other: nothing of ours is in it.
 */

/** Besides the essential packages and apt. */
const included = ["ca-certificates"];

/** Makes `base.erofs` and returns its directory. */
export async function baseImage(): Promise<string> {
  const archive = await baseArchive();
  const pins = { archive: archive.slice(archive.lastIndexOf("/")) };
  return await part("base", { recipe: import.meta.path, pins }, async (out) => {
    await writeErofs(Bun.file(`${archive}/base.tar`).stream(), `${out}/base.erofs`);
    writeComponents(out, await installedComponents(`${archive}/base.tar`));
  });
}

/** Makes `base.tar` and returns its directory. The slow half, which does not depend on how images are written. */
async function baseArchive(): Promise<string> {
  await ensureInstalled(["mmdebstrap"], "puts the base image together");
  const sources = await distributionSources();
  // A merged /usr needs no tool to merge it, which would bring all of Perl.
  const merged = (await isAvailable("usr-is-merged", sources)) ? ["usr-is-merged"] : [];
  const names = [...included, ...merged];
  const resolved = await resolvePackages(["?essential", "apt", ...names], sources);
  const pins = { sources, names, packages: resolved.map(({ sha256 }) => sha256) };
  return await part("base-archive", { recipe: bootstrapRecipe, pins }, (out) =>
    bootstrap(out, names, sources),
  );
}

/** The packages of the archive, from its own dpkg database; their licences are inside the image. */
async function installedComponents(archive: string): Promise<Component[]> {
  const { origin, codename } = distribution();
  const status = await run(["tar", "-xOf", archive, "./var/lib/dpkg/status"]);
  return status
    .trim()
    .split("\n\n")
    .map((stanza) => {
      const field = (name: string) => stanza.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1] ?? "";
      const name = field("Package");
      return {
        name,
        version: field("Version"),
        source: `${origin} ${codename}`,
        licence: `see /usr/share/doc/${name}/copyright`,
        part: "base" as const,
      };
    });
}
