/**
 * A container of a machine: another root beside the machine's own, made of an image of its own. What is known about it
 * is on the host, one file for each, written by the machine's process alone; its files are on the machine's storage disk.
 */
import {
  array,
  boolean,
  type InferOutput,
  integer,
  literal,
  looseObject,
  minLength,
  minValue,
  nullable,
  number,
  object,
  optional,
  picklist,
  pipe,
  regex,
  safeParse,
  string,
} from "valibot";
import { endSchema, milliseconds, text, texts } from "./parts-schema.ts";

const imageId = pipe(string(), regex(/^sha256:[0-9a-f]{64}$/));

/** What the image says about its programs; kept, because the cache may lose the image. Hostile data. */
export const containerImageSchema = object({
  id: imageId,
  entrypoint: texts,
  cmd: texts,
  env: texts,
  workdir: text,
  user: text,
  volumes: texts,
  stopSignal: optional(text),
});

/** A directory of the machine that a container sees. */
export const bindSchema = object({
  /** Below the storage disk, without a leading slash; empty: all of it. */
  source: text,
  /** Absolute, in the container. */
  target: text,
  readOnly: boolean(),
});

const containerSchema = looseObject({
  version: literal(1),
  /** 12 hex digits. */
  id: pipe(string(), regex(/^[0-9a-f]{12}$/)),
  createdAt: milliseconds,
  /** As the user named it. */
  reference: text,
  image: containerImageSchema,
  /** Bytes of the image's copy in the machine. */
  imageBytes: pipe(number(), integer(), minValue(0)),
  /** Program and arguments. */
  argv: pipe(texts, minLength(1)),
  /** `NAME=value`, over the image's. */
  env: texts,
  /** Null: the image's. */
  workdir: nullable(text),
  binds: array(bindSchema),
  state: picklist(["created", "running", "exited"]),
  startedAt: nullable(milliseconds),
  /** Of its last run; null as long as it runs, and before the first one. */
  end: nullable(endSchema),
});

export type ContainerRecord = Readonly<InferOutput<typeof containerSchema>>;
export type ContainerImage = Readonly<InferOutput<typeof containerImageSchema>>;

/** Undefined when it is damaged, or of a later version. */
export function parseWholeContainer(value: unknown): ContainerRecord | undefined {
  const parsed = safeParse(containerSchema, value);
  return parsed.success ? parsed.output : undefined;
}
