import { existsSync, readFileSync } from "node:fs";
import type { Manifest } from "../../src/assets/types.ts";
import { program } from "../../src/cli/commands/index.ts";
import { completionScripts } from "../../src/cli/completion/scripts.ts";
import { manPages } from "../../src/cli/help/man.ts";
import { LAUNCHER } from "../../src/pack/release-archive.ts";
import { EPOCH_SECONDS, root } from "../host.ts";
import type { TarEntry } from "../tar.ts";
import { sbom } from "./sbom.ts";

/** What a release installs: the program, and beside it what shells, readers and auditors look for. */

/** A file below the prefix that it is installed in, such as `bin/smolvm`. */
export interface ReleaseFile {
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

const papers = ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "THIRD_PARTY.md"];

/** @param dist where `build.ts full` left the program. */
export async function releaseFiles(dist: string): Promise<ReleaseFile[]> {
  const manifest = JSON.parse(readFileSync(`${dist}/manifest.json`, "utf8")) as Manifest;
  const { bash, zsh, fish } = completionScripts;
  const doc = (name: string) => `share/doc/smolvm/${name}`;
  const texts: [path: string, content: string | Uint8Array][] = [
    ["share/bash-completion/completions/smolvm", bash],
    ["share/zsh/site-functions/_smolvm", zsh],
    ["share/fish/vendor_completions.d/smolvm.fish", fish],
    ...papers.map((name): [string, Uint8Array] => [doc(name), readFileSync(`${root}/${name}`)]),
    [doc("LICENCES.txt"), await Bun.zstdDecompress(readFileSync(`${dist}/assets/licences.zst`))],
    [doc("smolvm.spdx.json"), sbom(manifest)],
    ...(await manPages(program, releaseDate)).map(({ name, text }): [string, string] => [
      `share/man/man1/${name}`,
      text,
    ]),
  ];
  return [
    { path: "bin/smolvm", mode: 0o755, content: readFileSync(`${dist}/smolvm`) },
    ...launcher(dist),
    ...texts.map(([path, content]) => ({ path, mode: 0o644, content: Buffer.from(content) })),
  ];
}

/** Of packed programs, for those who pack for this platform elsewhere: `pack create --host`. macOS has none. */
function launcher(dist: string): ReleaseFile[] {
  const file = `${dist}/assets/stub.zst`;
  if (!existsSync(file)) return [];
  return [{ path: LAUNCHER, mode: 0o755, content: Bun.zstdDecompressSync(readFileSync(file)) }];
}

/** Files below `folder`, which has their directories too, in the order of their paths; everything is root's. */
export function treeOf(files: readonly ReleaseFile[], folder: string): TarEntry[] {
  const entries = new Map<string, TarEntry>();
  const add = (path: string, mode: number, content: TarEntry["content"]) => {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (parent !== "" && !entries.has(parent)) add(parent, 0o755, { directory: true });
    entries.set(path, { path, mode, uid: 0, gid: 0, content });
  };
  for (const { path, mode, content } of files) add(`${folder}/${path}`, mode, { file: content });
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The day that everything of a release carries: the same inputs give the same bytes. */
export const releaseDate = new Date(EPOCH_SECONDS * 1000).toISOString().slice(0, 10);
