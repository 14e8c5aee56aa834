import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { gzipSync } from "node:zlib";
import { installerFor } from "../../src/cli/update/installer.ts";
import { packageVersion } from "../compile.ts";
import { architecture, EPOCH_SECONDS, root, run, say, sha256File } from "../host.ts";
import { npmPackages } from "../sdk/npm.ts";
import { writeTar } from "../tar.ts";
import { type ReleaseFile, releaseFiles, treeOf } from "./contents.ts";
import { debianPackage } from "./debian.ts";
import { formula } from "./homebrew.ts";
import { type ReleaseKey, releaseKey, sshSignature } from "./signature.ts";

/**
 * Makes a directory that any web server can serve, and that `install.sh` and `smolvm self-update` read:
 *
 *     install.sh                the installer, which knows its own address and the key of the release
 *     latest                    the newest version, one line; with a key also latest.sig and latest.sshsig
 *     VERSION/smolvm-VERSION-PLATFORM.tar.gz, .spdx.json, smolvm_VERSION_ARCH.deb, smolvm.rb
 *     VERSION/smolvm_machines-VERSION-py3-none-any.whl, .tar.gz    the Python package
 *     VERSION/smolvm-VERSION.tgz, smolvm-cli-PLATFORM-VERSION.tgz     the npm packages (../sdk/npm.ts)
 *     VERSION/SHA256SUMS        of all of them; with a key also SHA256SUMS.sig and SHA256SUMS.sshsig
 */

export interface ReleaseOptions {
  /** Where `build.ts full` left the program. */
  readonly dist: string;
  /** The directory to make; versions that it holds already stay. */
  readonly directory: string;
  /** The address that it will be served at. */
  readonly url: string;
  /** A private ed25519 key (PEM) to sign with. */
  readonly keyFile?: string | undefined;
  /** Archives that other machines made of the same version for their platforms. */
  readonly archives: readonly string[];
}

/** `smolvm-0.1.0-linux-amd64.tar.gz` */
const archivePattern = /^smolvm-(.+)-((?:linux|darwin)-(?:amd64|arm64))\.tar\.gz$/;

/** @throws Error when an archive is not one of this version, the key is none, or the program was not built. */
export async function makeRelease(options: ReleaseOptions): Promise<void> {
  const { dist, directory, keyFile } = options;
  const version = packageVersion();
  const key = keyFile === undefined ? undefined : releaseKey(readFileSync(keyFile, "utf8"));
  const url = options.url.replace(/\/+$/, "");
  // Files of a release appear together: nobody may see sums without what they are of.
  const unfinished = `${directory}/.${version}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  for (const path of options.archives) {
    const name = basename(path);
    if (archivePattern.exec(name)?.[1] !== version) throw new Error(`${path} is no archive of ${version}`);
    cpSync(path, `${unfinished}/${name}`);
  }
  await ownPlatform(await releaseFiles(dist), version, unfinished);
  // Of the same bytes on every platform.
  await run(["python3", "-B", `${root}/python/backend.py`, unfinished]);
  writeFileSync(
    `${unfinished}/smolvm.rb`,
    formula(version, `${url}/${version}`, await archivesIn(unfinished)),
  );
  await writeSums(unfinished, key);

  rmSync(`${directory}/${version}`, { recursive: true, force: true });
  renameSync(unfinished, `${directory}/${version}`);
  replace(`${directory}/install.sh`, installerFor({ url, key: key?.pem }), 0o755);
  writeLatest(directory, version, key);
}

async function ownPlatform(files: readonly ReleaseFile[], version: string, directory: string): Promise<void> {
  const cpu = architecture() === "x64" ? "amd64" : "arm64";
  const name = `smolvm-${version}-${process.platform}-${cpu}`;
  say(`release: ${name}.tar.gz`);
  const pieces = await Array.fromAsync(writeTar(treeOf(files, name), EPOCH_SECONDS));
  writeFileSync(`${directory}/${name}.tar.gz`, gzipSync(Buffer.concat(pieces), { level: 9 }));
  const bill = files.find(({ path }) => path.endsWith(".spdx.json"));
  if (bill) writeFileSync(`${directory}/${name}.spdx.json`, bill.content);
  await npmPackages(files, directory);
  if (process.platform !== "linux") return;
  const packageName = `smolvm_${version}_${cpu}.deb`;
  say(`release: ${packageName}`);
  const scratch = `${dirname(directory)}/.debian-${process.pid}`;
  await debianPackage(files, { version, architecture: cpu }, `${directory}/${packageName}`, scratch);
}

async function archivesIn(directory: string) {
  const found = readdirSync(directory).flatMap((name) => {
    const platform = archivePattern.exec(name)?.[2];
    return platform === undefined ? [] : [{ name, platform }];
  });
  return await Promise.all(
    found.map(async ({ name, platform }) => ({
      name,
      platform,
      sha256: await sha256File(`${directory}/${name}`),
    })),
  );
}

/** Names the newest version. For a moment between these files the signature is another's, and installers refuse it. */
export function writeLatest(directory: string, version: string, key: ReleaseKey | undefined): void {
  const line = Buffer.from(`${version}\n`);
  if (key !== undefined) {
    replace(`${directory}/latest.sig`, key.sign(line), 0o644);
    replace(`${directory}/latest.sshsig`, sshSignature(key, line), 0o644);
  }
  replace(`${directory}/latest`, line, 0o644);
}

/** `sha256sum -c` reads it. */
async function writeSums(directory: string, key: ReleaseKey | undefined): Promise<void> {
  const names = readdirSync(directory).sort();
  const lines = await Promise.all(
    names.map(async (name) => `${await sha256File(`${directory}/${name}`)}  ${name}\n`),
  );
  const sums = Buffer.from(lines.join(""));
  writeFileSync(`${directory}/SHA256SUMS`, sums);
  if (key === undefined) return;
  writeFileSync(`${directory}/SHA256SUMS.sig`, key.sign(sums));
  writeFileSync(`${directory}/SHA256SUMS.sshsig`, sshSignature(key, sums));
}

function replace(path: string, content: string | Uint8Array, mode: number): void {
  writeFileSync(`${path}.new`, content, { mode });
  renameSync(`${path}.new`, path);
}

/** Whether there is something to release. */
export function isBuiltFully(dist: string): boolean {
  return existsSync(`${dist}/built`) && readFileSync(`${dist}/built`, "utf8").trim() === "full";
}
