import {
  array,
  type BaseIssue,
  type BaseSchema,
  check,
  literal,
  maxLength,
  minValue,
  nullish,
  number,
  object,
  optional,
  pipe,
  record,
  safeInteger,
  safeParse,
  string,
  union,
  unknown,
} from "valibot";
import { messageOf, SmolError } from "../../errors.ts";
import { isDigest } from "../../registry/index.ts";
import { limits } from "../limits.ts";

const digest = pipe(string(), check(isDigest, "not a sha256 or sha512 digest"));

const size = pipe(number(), safeInteger(), minValue(0));

const platform = object({
  os: string(),
  architecture: string(),
  variant: nullish(string()),
});

/** OCI image specification, descriptor.md. */
const descriptor = object({
  mediaType: string(),
  digest,
  size,
  platform: nullish(platform),
  annotations: nullish(record(string(), string())),
  artifactType: nullish(string()),
  urls: nullish(array(string())),
});

/** image-index.md; `layers` is asked for so that a document which is both can be refused (CVE-2021-41190). */
export const indexSchema = object({
  schemaVersion: literal(2),
  mediaType: optional(string()),
  manifests: pipe(array(descriptor), maxLength(limits.indexEntries)),
  layers: optional(array(object({}))),
  config: optional(object({})),
});

/** manifest.md */
export const manifestSchema = object({
  schemaVersion: literal(2),
  mediaType: optional(string()),
  artifactType: nullish(string()),
  config: descriptor,
  layers: pipe(array(descriptor), maxLength(limits.layers)),
  manifests: optional(array(object({}))),
});

const words = nullish(union([array(string()), string()]));

/** config.md, the parts that say how to run the image. */
export const configSchema = object({
  architecture: optional(string()),
  os: optional(string()),
  variant: nullish(string()),
  config: nullish(
    object({
      Entrypoint: words,
      Cmd: words,
      Env: nullish(array(string())),
      WorkingDir: nullish(string()),
      User: nullish(string()),
      Labels: nullish(record(string(), string())),
      // Go's map[string]struct{}: only the keys count.
      Volumes: nullish(record(string(), unknown())),
      StopSignal: nullish(string()),
      ExposedPorts: nullish(record(string(), unknown())),
    }),
  ),
  rootfs: object({
    type: literal("layers"),
    diff_ids: pipe(nullish(array(digest), []), maxLength(limits.layers)),
  }),
});

/** `manifest.json` of `docker save`. */
export const savedSchema = pipe(
  array(
    object({
      Config: string(),
      RepoTags: nullish(array(string())),
      Layers: nullish(pipe(array(string()), maxLength(limits.layers)), []),
    }),
  ),
  maxLength(limits.indexEntries),
);

/**
 * Parses a document of an image and checks its shape.
 *
 * @param what names the document in errors.
 */
export function parseDocument<Output>(
  text: string,
  schema: BaseSchema<unknown, Output, BaseIssue<unknown>>,
  what: string,
): Output {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SmolError("image.bad_manifest", `${what} is not JSON: ${messageOf(error)}`);
  }
  const result = safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = issue.path?.map((item) => String(item.key)).join(".");
  throw new SmolError(
    "image.bad_manifest",
    `${what} is not valid: ${path ? `${path}: ` : ""}${issue.message}`,
  );
}
