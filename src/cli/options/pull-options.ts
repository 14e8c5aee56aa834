import type { PullPolicy } from "../../image/index.ts";
import { flag, value, valueOr } from "../program/types.ts";
import { parseBytes } from "../values/bytes.ts";
import { parsePlatform } from "../values/platform.ts";
import { parseProxy } from "../values/proxy.ts";
import { oneOf, parseAnyText } from "../values/text.ts";

const PROGRESS = ["auto", "tty", "plain", "json", "none"] as const;

export type ProgressMode = (typeof PROGRESS)[number];

/** Which one of an image for several kinds of machines. */
export const platformOption = value({
  long: "oci-platform",
  aliases: ["platform"],
  placeholder: "OS/ARCH",
  description: "Which one of a multi-platform image to take, e.g. linux/arm/v7",
  hint: { kind: "choice", values: ["linux/amd64", "linux/arm64"] },
  parse: parsePlatform,
});

const PULL_POLICIES = ["missing", "always", "never"] as const satisfies readonly PullPolicy[];

/** When a registry is asked for an image. */
export const pullPolicy = valueOr({
  long: "pull",
  placeholder: "WHEN",
  description: "Ask the registry: missing, always or never",
  fallback: "missing" as PullPolicy,
  hint: { kind: "choice", values: PULL_POLICIES },
  parse: oneOf(PULL_POLICIES),
});

/** How an image is got from a registry: the same for every command that does so. */
export const pullOptions = {
  quiet: flag({
    long: "quiet",
    short: "q",
    description: "Show no progress, as --progress none",
  }),
  progress: valueOr({
    long: "progress",
    placeholder: "MODE",
    description: "Show a download as auto, tty, plain, json or none",
    fallback: "auto" as ProgressMode,
    hint: { kind: "choice", values: PROGRESS },
    parse: oneOf(PROGRESS),
  }),
  proxy: value({
    long: "proxy",
    placeholder: "URL",
    description: "Download through this proxy (default: $HTTPS_PROXY, $HTTP_PROXY)",
    parse: parseProxy,
  }),
  noProxy: value({
    long: "no-proxy",
    placeholder: "LIST",
    description: "Hosts to reach without a proxy (default: $NO_PROXY)",
    parse: parseAnyText,
  }),
  maxImageSize: value({
    long: "max-image-size",
    placeholder: "SIZE",
    description: "Give up on a larger image (default: 256G)",
    parse: parseBytes,
  }),
};
