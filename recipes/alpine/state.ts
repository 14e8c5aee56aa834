import { gzipSync } from "node:zlib";
import { EPOCH_SECONDS } from "../../build/host.ts";
import { readTarGz } from "../../build/read-tar.ts";
import { type TarEntry, writeTar } from "../../build/tar.ts";
import type { ApkPackage } from "./apk-database.ts";

/** What apk knows about an installation, cut down to some of its packages. */

export interface ApkState {
  /** `/etc/apk/arch` and `/etc/apk/repositories`. */
  readonly architecture: string;
  readonly repositories: string;
  /** `/etc/apk/world`: a package that somebody asked for on each line. */
  readonly world: string;
  /** `lib/apk/db/triggers`: a package's identity and the paths that wake its script up on each line. */
  readonly triggers: string;
  /** `lib/apk/db/scripts.tar.gz`: the packages' scripts, each named `PACKAGE-VERSION.IDENTITY.OCCASION`. */
  readonly scripts: Buffer;
}

/** apk's files, for exactly these packages. */
export async function stateFiles(state: ApkState, packages: readonly ApkPackage[]): Promise<TarEntry[]> {
  const names = new Set(packages.map(({ name }) => name));
  const identities = new Set(packages.map(({ identity }) => identity));
  const world = lines(state.world).filter((name) => names.has(name));
  const triggers = lines(state.triggers).filter((line) => identities.has(line.split(" ")[0] ?? ""));
  return [
    file("etc/apk/arch", state.architecture),
    file("etc/apk/repositories", state.repositories),
    file("etc/apk/world", joined(world)),
    file("lib/apk/db/installed", packages.map(({ stanza }) => `${stanza}\n\n`).join("")),
    file("lib/apk/db/lock", "", 0o600),
    file("lib/apk/db/scripts.tar.gz", await scriptsOf(state.scripts, packages)),
    file("lib/apk/db/triggers", joined(triggers)),
  ];
}

async function scriptsOf(archive: Buffer, packages: readonly ApkPackage[]): Promise<Buffer> {
  const prefixes = packages.map(({ name, version }) => `${name}-${version}.`);
  const entries: TarEntry[] = [];
  for (const [path, { type, mode, uid, gid, read }] of readTarGz(archive)) {
    if (type === "file" && prefixes.some((prefix) => path.startsWith(prefix)))
      entries.push({ path, mode, uid, gid, content: { file: read() } });
  }
  return gzipSync(await Array.fromAsync(writeTar(entries, EPOCH_SECONDS)).then(Buffer.concat), { level: 9 });
}

function file(path: string, content: string | Buffer, mode = 0o644): TarEntry {
  return { path, uid: 0, gid: 0, mode, content: { file: Buffer.from(content) } };
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

function joined(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
