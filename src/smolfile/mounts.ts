import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { TomlPath } from "../toml/index.ts";
import { oneLine } from "../values/index.ts";
import { parseVolume } from "../values/mount.ts";
import type { Smolfile } from "./parse.ts";
import type { Problem } from "./problem.ts";

/** Sources of volumes that are not there; looked for from the file's directory. */
export async function mountProblems({ content, directory }: Smolfile): Promise<Problem[]> {
  const { volumes = [], dev } = content;
  // A list in [dev] takes the other's place.
  const [path, used] = dev?.volumes?.length ? [["dev", "volumes"], dev.volumes] : [["volumes"], volumes];
  const found = await Promise.all(
    used.map(async (entry, index) => {
      const volume = parseVolume(entry);
      // A volume of smolvm's own is made when it is needed.
      if ("wrong" in volume || volume.kind === "volume") return [];
      return await missingMount([...path, index], directory, volume.source);
    }),
  );
  return found.flat();
}

async function missingMount(path: TomlPath, directory: string, source: string): Promise<Problem[]> {
  try {
    await stat(resolve(directory, source));
    return [];
  } catch {
    // Scripts look for these words.
    return [
      { code: "smolfile.no_mount_source", path, message: `mount source not found: ${oneLine(source)}` },
    ];
  }
}
