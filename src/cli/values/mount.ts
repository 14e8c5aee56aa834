import {
  parseMount,
  parseTmpfs,
  parseVolume,
  parseVolumeTarget,
  type Tmpfs,
  type Volume,
} from "../../values/mount.ts";
import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** `HOST:GUEST[:ro]`, `NAME:GUEST[:ro]`. */
export const parseVolumeText = (text: string): Volume => known(text, "a volume", parseVolume(text));

/** docker's `--mount`. */
export const parseMountText = (text: string): { volume: Volume } | { tmpfs: Tmpfs } =>
  known(text, "a mount", parseMount(text));

/** docker's `--tmpfs`. */
export const parseTmpfsText = (text: string): Tmpfs =>
  known(text, "a filesystem in memory", parseTmpfs(text));

/** What is to be taken away: `HOST:GUEST`, or `GUEST` alone. Returns the path in the guest. */
export const parseVolumeTargetText = (text: string): string =>
  known(text, "a volume", parseVolumeTarget(text));

function known<T extends object | string>(
  text: string,
  what: string,
  parsed: T | { readonly wrong: string },
): T {
  if (typeof parsed === "object" && "wrong" in parsed)
    throw badValue(`not ${what}: ${quote(text)}`, parsed.wrong);
  return parsed as T;
}
