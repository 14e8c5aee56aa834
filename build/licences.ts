import { readdirSync, readFileSync } from "node:fs";
import { type Component, type LicenceText, readComponents } from "./components.ts";
import { commonLicences } from "./debian-licences.ts";
import { root } from "./host.ts";

/** What the program consists of, gathered from its parts, and the licence texts that go with it. */

export interface Inventory {
  readonly components: Component[];
  readonly licences: LicenceText[];
}

/** @param parts directories of the made parts; packages of `package.json` and Bun itself are added. */
export function inventory(parts: readonly string[], bun: { version: string; sha256: string }): Inventory {
  const gathered = parts.map((directory) => readComponents(directory));
  const own = [bunComponent(bun), ...npmComponents()];
  return {
    components: [...own, ...gathered.flatMap(({ components }) => components)],
    licences: [
      {
        title: "smolvm, and the Apache License 2.0",
        text: readFileSync(`${root}/LICENSE`, "utf8"),
      },
      ...npmComponents().flatMap(({ name, version }) => npmLicences(name, version)),
      {
        title: "parts without a licence file of their own",
        text: readFileSync(`${root}/THIRD_PARTY.md`, "utf8"),
      },
      ...gathered.flatMap(({ licences }) => licences),
      ...commonLicences(["GPL-2", "LGPL-2.1", "LGPL-2"]),
    ],
  };
}

/** One text: each licence once, below the titles of everything that it covers. */
export function licenceBundle(licences: readonly LicenceText[]): string {
  const titles = new Map<string, string[]>();
  for (const { title, text } of licences) {
    const known = titles.get(text.trim()) ?? [];
    if (!known.includes(title)) known.push(title);
    titles.set(text.trim(), known);
  }
  const line = "=".repeat(100);
  return [...titles].map(([text, names]) => `${line}\n${names.join("\n")}\n${line}\n\n${text}\n`).join("\n");
}

function bunComponent({ version, sha256 }: { version: string; sha256: string }): Component {
  const source = "npm @oven/bun-*";
  return { name: "bun", version, source, licence: "MIT AND LGPL-2.0-or-later", sha256, part: "program" };
}

/** The packages whose code is bundled into the program: `dependencies` of package.json, which have none themselves. */
function npmComponents(): Component[] {
  const { dependencies = {} } = readPackage(root);
  return Object.keys(dependencies).map((name) => {
    const { version, license } = readPackage(`${root}/node_modules/${name}`);
    return { name, version, source: "npm", licence: license ?? "see the package", part: "program" };
  });
}

function npmLicences(name: string, version: string): LicenceText[] {
  const folder = `${root}/node_modules/${name}`;
  const files = readdirSync(folder).filter((file) => /^licen[cs]e/i.test(file));
  return files.map((file) => ({
    title: `${name} ${version}`,
    text: readFileSync(`${folder}/${file}`, "utf8"),
  }));
}

interface Package {
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Record<string, string>;
}

function readPackage(folder: string): Package {
  return JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Package;
}
