/** What a pack says about itself: JSON, in the section `manifest`. docs/pack-format.md lists the keys. */
import {
  array,
  boolean,
  type InferOutput,
  integer,
  literal,
  maxLength,
  maxValue,
  minLength,
  minValue,
  nullable,
  number,
  object,
  optional,
  picklist,
  pipe,
  record,
  regex,
  safeParse,
  string,
} from "valibot";
import { SmolError } from "../errors.ts";
import { beyond, damaged } from "./failure.ts";
import { limits } from "./limits.ts";
import { refuseHost } from "./reach.ts";

/** Grows only when an older program would misread a manifest; keys are added without. */
export const MANIFEST_FORMAT = 1;

const count = (least: number, most: number = Number.MAX_SAFE_INTEGER) =>
  pipe(number(), integer(), minValue(least), maxValue(most));
const digest = pipe(string(), regex(/^sha256:[0-9a-f]{64}$/));
const anyDigest = pipe(string(), regex(/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/));
const text = pipe(string(), maxLength(1024 * 1024));
const texts = pipe(array(text), maxLength(10_000));

/** A layer of an image as the store keeps it (src/image/layer/). */
const layerSchema = object({
  /** SHA-256 of everything below but `diff_id`: what it is stored under, wherever it came from. */
  id: digest,
  /** What it was stored under where it was packed: for a layer of a registry, the digest of its archive. */
  diff_id: optional(anyDigest),
  /** Version of its two files; see src/image/layer/header.ts. */
  format: count(0),
  /** In the sense of limits.ts of src/image/. */
  entries: count(0),
  file_bytes: count(0),
  /** Frames of the entries. */
  frames: count(0),
  /** Digests of blobs: the contents of files; what the layer does to a tree, without the head. */
  data: digest,
  data_bytes: count(0),
  tree: digest,
  tree_bytes: count(0),
});

const networkSchema = object({
  egress: picklist(["none", "all", "list"]),
  allow_hosts: texts,
  allow_cidrs: texts,
  allow_presets: texts,
  check_server_name: boolean(),
  dns: texts,
  add_hosts: texts,
});

const restartSchema = object({
  policy: picklist(["never", "always", "on-failure", "unless-stopped"]),
  max_retries: count(0),
  max_backoff_ms: count(1000),
});

const healthSchema = object({
  command: texts,
  interval_ms: count(100),
  timeout_ms: count(100),
  retries: count(1),
  startup_grace_ms: count(0),
});

const manifestSchema = object({
  format: literal(MANIFEST_FORMAT),
  /** What was packed: `container`, an image, or a machine that was made of one; `vm`, a machine without an image. */
  mode: picklist(["container", "vm"]),
  /** As people know it; null for a machine without an image. */
  image: nullable(text),
  /** What the image's name led to in its registry. */
  digest: nullable(anyDigest),
  /** Of the guest: `linux/amd64`. */
  platform: pipe(text, regex(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9.]+)?$/)),
  /** Where it was packed; any host of the guest's architecture runs it. */
  host_platform: text,
  /** RFC 3339, in UTC. */
  created: text,
  smolvm_version: text,

  entrypoint: texts,
  cmd: texts,
  env: texts,
  workdir: text,
  user: text,
  stop_signal: nullable(text),
  labels: record(text, text),
  volumes: texts,
  /** `80/tcp`; absent when there are none. */
  exposed_ports: optional(texts),

  cpus: nullable(count(1, 255)),
  /** MiB. */
  mem: nullable(count(64)),
  /** GiB. */
  storage: nullable(count(1)),
  overlay: nullable(count(1)),
  /** Null: none. */
  network: nullable(networkSchema),
  init: texts,
  init_once: texts,
  reaper: nullable(boolean()),
  pids: nullable(count(1)),
  stop_timeout_ms: nullable(count(0)),
  restart: nullable(restartSchema),
  health: nullable(healthSchema),

  /** Lowest first. */
  layers: pipe(array(layerSchema), minLength(1), maxLength(limits.layers)),
});

export type Manifest = Readonly<InferOutput<typeof manifestSchema>>;
export type PackedLayer = Manifest["layers"][number];
export type PackedNetwork = NonNullable<Manifest["network"]>;

/** The same manifest gives the same bytes: keys are in the order of the schema. */
export function encodeManifest(manifest: Manifest): Buffer {
  const ordered = Object.fromEntries(
    Object.keys(manifestSchema.entries).map((key) => [key, manifest[key as keyof Manifest]]),
  );
  const bytes = Buffer.from(`${JSON.stringify(ordered, null, 2)}\n`);
  if (bytes.length > limits.manifestBytes)
    throw beyond(`a manifest of more than ${limits.manifestBytes} bytes`);
  return bytes;
}

/**
 * @param bytes which have the digest that the section table promises
 * @throws SmolError `pack.damaged`, `pack.secrets`, `pack.reaches_host`, `pack.unsupported`
 */
export function decodeManifest(bytes: Buffer): Manifest {
  const value = parse(bytes);
  refuseSecrets(value);
  const format = value.format;
  if (typeof format === "number" && format > MANIFEST_FORMAT) {
    throw new SmolError(
      "pack.unsupported",
      `the pack's manifest has format ${format}, and this smolvm reads 1`,
      {
        hint: "a newer smolvm reads it",
      },
    );
  }
  const parsed = safeParse(manifestSchema, value);
  if (parsed.success) {
    refuseHost(parsed.output.network);
    return parsed.output;
  }
  const [issue] = parsed.issues;
  const where = issue.path?.map(({ key }) => String(key)).join(".") ?? "";
  throw damaged(`${where || "the manifest"} (${issue.message})`);
}

function parse(bytes: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw damaged("the manifest", error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged("the manifest");
  return value as Record<string, unknown>;
}

/** Whoever is handed a program must not be made to look up secrets of their own for it. */
function refuseSecrets(manifest: Record<string, unknown>): void {
  for (const key of ["secrets", "secret_refs"]) {
    const value = manifest[key];
    const isEmpty = value === undefined || value === null || Object.keys(value).length === 0;
    if (!isEmpty) throw carriesSecrets();
  }
}

export const carriesSecrets = (): SmolError =>
  new SmolError("pack.secrets", "a pack carries no secrets, nor references to any", {
    hint: "leave them out, and give them where it runs: --secret-env, --secret-file, -e",
  });
