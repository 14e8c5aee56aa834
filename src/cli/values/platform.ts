import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** What people write for the names that image indexes use (GOARCH). */
const ARCHITECTURE_NAMES: ReadonlyMap<string, string> = new Map([
  ["x86_64", "amd64"],
  ["x86-64", "amd64"],
  ["aarch64", "arm64"],
  ["i386", "386"],
  ["i686", "386"],
  ["armhf", "arm/v7"],
  ["armv7l", "arm/v7"],
  ["armel", "arm/v6"],
]);

/** `os/architecture[/variant]`, e.g. `linux/arm64/v8`: which image of a multi-platform one to take. */
export function parsePlatform(text: string): Platform {
  const [os, given, variant, ...rest] = text.toLowerCase().split("/");
  const words = [os, given, ...(variant === undefined ? [] : [variant])];
  if (!os || !given || rest.length > 0 || !words.every((word) => word && /^[a-z0-9._-]{1,32}$/.test(word))) {
    throw badValue(`not a platform: ${quote(text)}`, "write for example linux/amd64 or linux/arm/v7");
  }
  if (os !== "linux") throw badValue(`a machine runs linux, not ${os}`);
  const [architecture = given, implied] = (ARCHITECTURE_NAMES.get(given) ?? given).split("/");
  return { os, architecture, variant: variant ?? implied };
}

const HOSTS = ["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"];

/** Platforms that a smolvm runs on, with commas between them: `linux/amd64,darwin/arm64`. */
export function parseHosts(text: string): readonly string[] {
  return text.split(",").map((part) => {
    const [os = "", given = "", ...rest] = part.trim().toLowerCase().split("/");
    const host = [os, ARCHITECTURE_NAMES.get(given) ?? given, ...rest].join("/");
    if (HOSTS.includes(host)) return host;
    throw badValue(`smolvm runs on no such host: ${quote(part)}`, `these are there: ${HOSTS.join(", ")}`);
  });
}
