import type { AssetName, Component, LicenceText } from "../../build/components.ts";
import { commonLicences } from "../../build/debian-licences.ts";
import type { ApkPackage } from "./apk-database.ts";

/** How Alpine's packages appear in the manifest and among the licence texts. */

export interface Origin {
  /** `3.23.6` */
  readonly release: string;
  /** Where the files were taken from. */
  readonly from: string;
  /** Checksum of that, in hex. */
  readonly sha256: string;
}

/** The source of each package is the commit of Alpine's recipes (aports) that it was built from. */
export function apkComponents(
  packages: readonly ApkPackage[],
  { release, from, sha256 }: Origin,
  part: AssetName,
): Component[] {
  return packages.map(({ name, version, licence, commit }) => {
    const source = `Alpine ${release}, aports commit ${commit}, from ${from}`;
    return { name, version, source, licence, sha256, part };
  });
}

/** Alpine keeps licence texts in packages of their own; those with a standard text are added from this machine. */
export function apkLicences(): LicenceText[] {
  return commonLicences(["Apache-2.0", "GPL-2", "GPL-3", "LGPL-2", "LGPL-2.1", "MPL-2.0"]);
}
