/** The documents of a pack in a registry: an OCI artifact (OCI image specification 1.1, manifest.md, image-index.md). */
import {
  array,
  type InferOutput,
  literal,
  maxLength,
  nullish,
  number,
  object,
  optional,
  pipe,
  safeInteger,
  safeParse,
  string,
} from "valibot";
import { SmolError } from "../../errors.ts";
import { platformNamed } from "../../image/platform.ts";
import { limits } from "../limits.ts";
import type { Manifest } from "../manifest.ts";

export const mediaTypes = {
  /** The whole file. */
  pack: "application/vnd.smolmachines.smolmachine.v1",
  /** Its manifest alone, for those who want to know what it is before they download it. */
  config: "application/vnd.smolmachines.machine.config.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
} as const;

/** Documents of a pack have a kilobyte; an index of many platforms some more. */
export const MAX_DOCUMENT = 4 * 1024 * 1024;
/** More platforms than there are. */
const MAX_MEMBERS = 256;

const platformSchema = object({ os: string(), architecture: string(), variant: nullish(string()) });

export const descriptorSchema = object({
  mediaType: string(),
  digest: string(),
  size: pipe(number(), safeInteger()),
  artifactType: optional(string()),
  platform: nullish(platformSchema),
});
export type PackDescriptor = InferOutput<typeof descriptorSchema>;

const manifestSchema = object({
  schemaVersion: literal(2),
  artifactType: optional(string()),
  config: descriptorSchema,
  layers: pipe(array(descriptorSchema), maxLength(128)),
});

const indexSchema = object({
  schemaVersion: literal(2),
  manifests: pipe(array(descriptorSchema), maxLength(MAX_MEMBERS)),
});

/** A file of bytes that are known. */
export interface KnownBytes {
  readonly digest: string;
  readonly size: number;
}

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

/** The manifest of a pack: the same for the same file under the same name. */
export function packManifest(pack: KnownBytes, config: KnownBytes, about: Manifest, title: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: mediaTypes.pack,
      config: { mediaType: mediaTypes.config, ...config },
      layers: [
        {
          mediaType: mediaTypes.pack,
          ...pack,
          annotations: { "org.opencontainers.image.title": title },
        },
      ],
      annotations: {
        "com.smolmachines.pack.mode": about.mode,
        "org.opencontainers.image.created": about.created,
        "org.opencontainers.image.title": title,
      },
    }),
  );
}

/**
 * An index with one member for each platform: those that were there for other platforms stay.
 *
 * @param before the members of what the tag names now
 */
export function packIndex(before: readonly PackDescriptor[], manifest: KnownBytes, platform: string): Buffer {
  const own = {
    mediaType: mediaTypes.manifest,
    ...manifest,
    artifactType: mediaTypes.pack,
    platform: platformNamed(platform),
  };
  const others = before.filter((member) => nameOf(member.platform) !== platform);
  const manifests = [...others, own].sort((a, b) => (nameOf(a.platform) < nameOf(b.platform) ? -1 : 1));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }));
}

function nameOf(platform: PackDescriptor["platform"]): string {
  if (platform === undefined || platform === null) return "";
  return [platform.os, platform.architecture, platform.variant]
    .filter((part) => typeof part === "string" && part !== "")
    .join("/");
}

/** @param what for messages */
export function readMembers(bytes: Uint8Array, what: string): PackDescriptor[] {
  return parse(bytes, indexSchema, what).manifests;
}

/**
 * The member for a platform.
 *
 * @throws SmolError `pack.wrong_platform`
 */
export function memberFor(
  members: readonly PackDescriptor[],
  platform: string,
  what: string,
): PackDescriptor {
  const found = members.find((member) => nameOf(member.platform) === platform);
  if (found !== undefined) return found;
  const there = members.map((member) => nameOf(member.platform)).filter((name) => name !== "");
  throw new SmolError(
    "pack.wrong_platform",
    `${what} has no pack for ${platform}: there is ${there.length === 0 ? "none" : `only ${there.join(", ")}`}`,
  );
}

/**
 * Where a pack and its manifest are.
 *
 * @throws SmolError `pack.not_a_pack` for an image, and for other artifacts
 */
export function readPackManifest(
  bytes: Uint8Array,
  what: string,
): { readonly config: PackDescriptor; readonly pack: PackDescriptor } {
  const { config, layers } = parse(bytes, manifestSchema, what);
  const [pack, ...more] = layers;
  if (pack?.mediaType !== mediaTypes.pack || config.mediaType !== mediaTypes.config || more.length > 0) {
    throw new SmolError("pack.not_a_pack", `${what} is no pack`, {
      hint: "images are run by their name: smolvm machine run --image",
    });
  }
  if (config.size > limits.manifestBytes)
    throw new SmolError("pack.limit", `the manifest of ${what} has more than ${limits.manifestBytes} bytes`);
  return { config, pack };
}

function parse<Schema extends typeof manifestSchema | typeof indexSchema>(
  bytes: Uint8Array,
  schema: Schema,
  what: string,
): InferOutput<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    value = undefined;
  }
  const result = safeParse(schema, value);
  if (result.success) return result.output as InferOutput<Schema>;
  throw new SmolError("registry.bad_answer", `${what} is no document of a pack: ${result.issues[0].message}`);
}
