import { SmolError } from "../errors.ts";
import type { Platform } from "./types.ts";

const architectures: Record<string, string> = { x64: "amd64", arm64: "arm64" };

/** Linux on the architecture of this host. */
export function hostPlatform(): Platform {
  return { os: "linux", architecture: architectures[process.arch] ?? process.arch };
}

interface Declared {
  readonly os?: string | undefined;
  readonly architecture?: string | undefined;
  readonly variant?: string | null | undefined;
}

/** Other names of the same, as containerd knows them (containerd/platforms, database.go). */
const synonyms: Readonly<Record<string, { readonly architecture: string; readonly variant?: string }>> = {
  i386: { architecture: "386" },
  x86_64: { architecture: "amd64" },
  "x86-64": { architecture: "amd64" },
  aarch64: { architecture: "arm64" },
  armhf: { architecture: "arm", variant: "v7" },
  armel: { architecture: "arm", variant: "v6" },
};

/** A platform in the words of the specification, whatever words the image uses: `Linux`, `x86_64`, variant `8`. */
export function normalizePlatform(declared: Declared): Declared {
  const name = declared.architecture?.toLowerCase();
  const known = name !== undefined && Object.hasOwn(synonyms, name) ? synonyms[name] : undefined;
  const architecture = known?.architecture ?? name;
  const variant = known?.variant ?? declared.variant?.toLowerCase().replace(/^(?=\d)/, "v");
  return { os: declared.os?.toLowerCase(), architecture, variant: variant === "" ? undefined : variant };
}

/**
 * How well an image for one platform runs on another: 0 not at all, more is better.
 * Without a wish, the plain variant is preferred, because every machine of the architecture runs it.
 */
export function platformScore(image: Declared, wanted: Platform): number {
  const declared = normalizePlatform(image);
  if (declared.os !== wanted.os || declared.architecture !== wanted.architecture) return 0;
  const variant = declared.variant ?? "";
  if (variant === (wanted.variant ?? baseline(wanted.architecture))) return 4;
  if (variant === "") return 3;
  if (variant === baseline(wanted.architecture)) return 2;
  return wanted.variant === undefined ? 1 : 0;
}

/** The variant that an architecture means when none is named. */
const baseline = (architecture: string) =>
  architecture === "arm64" ? "v8" : architecture === "amd64" ? "v1" : "";

export const platformName = (platform: Declared) =>
  [platform.os ?? "?", platform.architecture ?? "?", ...(platform.variant ? [platform.variant] : [])].join(
    "/",
  );

/** The platform that `platformName` gives such a name: `linux/arm64/v8`, whose form has been checked. */
export function platformNamed(name: string): Platform {
  const [os = "", architecture = "", variant] = name.split("/");
  return { os, architecture, variant };
}

/**
 * Compares what an image's configuration says with the platform that is needed.
 *
 * @param hint what to do when they differ.
 * @throws SmolError `image.wrong_platform`
 */
export function checkPlatform(declared: Declared, wanted: Platform, hint: string): void {
  if (!declared.os && !declared.architecture) return;
  const complete = {
    ...declared,
    os: declared.os || wanted.os,
    architecture: declared.architecture || wanted.architecture,
  };
  if (platformScore({ ...complete, variant: undefined }, wanted) > 0) return;
  throw new SmolError(
    "image.wrong_platform",
    `the image is for ${platformName(complete)}, and ${platformName(wanted)} is needed`,
    { hint },
  );
}
