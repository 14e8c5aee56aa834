import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { AssetName, Component } from "../src/assets/types.ts";

export type { Component };

/** One licence text of the bundle, with the components it covers in its title. */
export interface LicenceText {
  readonly title: string;
  readonly text: string;
}

/** Keeps beside a part what it consists of, for the manifest and the licence bundle. */
export function writeComponents(
  directory: string,
  components: readonly Component[],
  licences: readonly LicenceText[] = [],
): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/components.json`, `${JSON.stringify({ components, licences }, null, 1)}\n`);
}

/** What `writeComponents` kept. */
export function readComponents(directory: string): { components: Component[]; licences: LicenceText[] } {
  return JSON.parse(readFileSync(`${directory}/components.json`, "utf8")) as {
    components: Component[];
    licences: LicenceText[];
  };
}

export type { AssetName };
