import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileNames } from "../src/assets/file-names.ts";
import type { AssetName, Embedded, Manifest } from "../src/assets/types.ts";
import { compile, packageVersion } from "./compile.ts";
import { root, say, sha256, sha256File } from "./host.ts";
import { inventory, licenceBundle } from "./licences.ts";
import { type Effort, type Packed, pack, packBytes } from "./pack.ts";
import { sourceHash } from "./parts.ts";

/** Puts the made parts and the compiled TypeScript together into one program. */

export type PackedAssets = Partial<Record<AssetName, Packed>>;

/**
 * Writes `dist/assets/`, `dist/manifest.json` and `dist/smolvm`, each replaced in one step.
 *
 * @param parts the directory of each part that the program is to have.
 * @param absent why it lacks the others.
 */
export async function assemble(
  dist: string,
  parts: Partial<Record<AssetName, string>>,
  absent: Manifest["absent"],
  effort: Effort,
): Promise<PackedAssets> {
  const packed: PackedAssets = {};
  for (const [name, directory] of Object.entries(parts) as [AssetName, string][]) {
    packed[name] = await pack(name, `${directory}/${fileNames[name]}`, effort);
  }
  const bun = { version: Bun.version, sha256: await sha256File(process.execPath) };
  const { components, licences } = inventory(Object.values(parts), bun);
  const bundle = await packBytes(Buffer.from(licenceBundle(licences)), effort);
  const identity = [sourceHash(`${root}/src/main.ts`), bun, packageVersion(), hashes(packed), sha256(bundle)];
  const manifest: Manifest = {
    version: packageVersion(),
    buildId: sha256(JSON.stringify(identity)),
    platform: `${process.platform}-${process.arch}`,
    absent,
    components,
  };
  const index = writeAssets(`${dist}/assets`, packed, manifest, bundle);
  writeFileSync(`${dist}/manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);
  say("compiling smolvm");
  await compile(embeddingModule(`${dist}/assets`, index), `${dist}/smolvm`);
  return packed;
}

function hashes(packed: PackedAssets): string[] {
  return Object.values(packed).map(({ sha256 }) => sha256);
}

/** Copies everything that is embedded into one directory, with an index that names files of that directory. */
function writeAssets(
  directory: string,
  packed: PackedAssets,
  manifest: Manifest,
  licences: Buffer,
): Embedded {
  const unfinished = `${directory}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished);
  const assets: Embedded["assets"] = {};
  for (const [name, { path, ...description }] of Object.entries(packed) as [AssetName, Packed][]) {
    cpSync(path, `${unfinished}/${name}.zst`);
    assets[name] = { file: `${name}.zst`, ...description };
  }
  writeFileSync(`${unfinished}/manifest.json`, JSON.stringify(manifest));
  writeFileSync(`${unfinished}/licences.zst`, licences);
  const { buildId, absent } = manifest;
  const index: Embedded = { buildId, assets, absent, manifest: "manifest.json", licences: "licences.zst" };
  writeFileSync(`${unfinished}/index.json`, JSON.stringify(index));
  rmSync(directory, { recursive: true, force: true });
  renameSync(unfinished, directory);
  return index;
}

/** TypeScript that takes the place of src/assets/embedded.ts: every file of the index becomes an embedded file. */
function embeddingModule(directory: string, index: Embedded): string {
  const imports: string[] = [];
  const embed = (file: string) => {
    const name = `file${imports.length}`;
    imports.push(`import ${name} from ${JSON.stringify(`${directory}/${file}`)} with { type: "file" };`);
    return name;
  };
  const assets = Object.entries(index.assets).map(
    ([name, { file, ...rest }]) => `${name}: { file: ${embed(file)}, ...${JSON.stringify(rest)} }`,
  );
  const value = [
    `buildId: ${JSON.stringify(index.buildId)}`,
    `absent: ${JSON.stringify(index.absent)}`,
    `assets: { ${assets.join(", ")} }`,
    `manifest: ${embed(index.manifest)}`,
    `licences: ${embed(index.licences)}`,
  ];
  return `${imports.join("\n")}\nconst value = { ${value.join(", ")} };\nexport const embedded = () => value;\n`;
}
