import { existsSync, readFileSync } from "node:fs";
import type { DebianPackage } from "./apt.ts";
import type { LicenceText } from "./components.ts";

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
