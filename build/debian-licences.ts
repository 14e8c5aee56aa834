import { existsSync, readFileSync } from "node:fs";
import type { DebianPackage, Distribution } from "./apt.ts";
import type { AssetName, Component, LicenceText } from "./components.ts";

/** How a Debian package appears in the manifest; its licences are in its own copyright file. */
export function debianComponent(entry: DebianPackage, from: Distribution, part: AssetName): Component {
  return {
    name: entry.name,
    version: entry.version,
    source: `${from.origin} ${from.codename}`,
    licence: `see /usr/share/doc/${entry.name}/copyright`,
    sha256: entry.sha256,
    part,
  };
}

/** The copyright files of unpacked packages, and the full texts that they refer to. */
export function debianLicences(tree: string, packages: readonly DebianPackage[]): LicenceText[] {
  const copyright = packages.flatMap(({ name, version }) => {
    const path = `${tree}/usr/share/doc/${name}/copyright`;
    return existsSync(path) ? [{ title: `${name} ${version}`, text: readFileSync(path, "utf8") }] : [];
  });
  const named = new Set(
    copyright.flatMap(({ text }) => text.match(/(?<=common-licenses\/)[\w.-]*\w/g) ?? []),
  );
  return [...copyright, ...commonLicences([...named].sort())];
}

/** Full licence texts that Debian keeps in one place on every system. */
export function commonLicences(names: readonly string[]): LicenceText[] {
  return names.flatMap((name) => {
    const path = `/usr/share/common-licenses/${name}`;
    return existsSync(path)
      ? [{ title: `common licence text: ${name}`, text: readFileSync(path, "utf8") }]
      : [];
  });
}
