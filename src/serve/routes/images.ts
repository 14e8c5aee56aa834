/** Images that are kept on the server's host. */
import {
  array,
  boolean,
  type InferOutput,
  minLength,
  number,
  optional,
  pipe,
  record,
  regex,
  strictObject,
  string,
} from "valibot";
import { Backlog } from "../../backlog.ts";
import { loadSettings } from "../../config/index.ts";
import {
  type ImageSummary,
  inspectImage,
  listImages,
  type PullProgress,
  pruneImages,
  pullEventJson,
  pullImage,
  removeImages,
} from "../../image/index.ts";
import { platformNamed } from "../../image/platform.ts";
import { isLocalImage } from "../../image/source-kind.ts";
import { hasProcess, inspectMachine } from "../../machine/index.ts";
import { Refused } from "../errors.ts";
import { jsonRoute, MACHINE, rawRoute } from "../http/route.ts";
import { eventStream, type ServerEvent } from "../live/sse.ts";
import { field, imageName, queryWord, word } from "../schema/fields.ts";
import { variableOf } from "../schema/machine-info.ts";
import { AUTH_ABOUT, credentialsOf, registryAuth } from "../schema/registry-auth.ts";
import type { Serving } from "../serving.ts";

const tag = "images";

const imageSchema = strictObject({
  id: string(),
  /** The first name that leads to it. */
  reference: optional(string()),
  references: array(string()),
  digest: optional(string()),
  /** Bytes on the disk. */
  size: number(),
  os: string(),
  architecture: string(),
  layerCount: number(),
  createdAt: number(),
  inUse: boolean(),
});

export function imageOf({
  id,
  references,
  digests,
  sizeBytes,
  platform,
  layers,
  createdAt,
  inUse,
}: ImageSummary) {
  const { os, architecture } = platformNamed(platform);
  const [reference] = references;
  const [digest] = digests;
  return {
    ...{
      id,
      reference,
      digest,
      size: sizeBytes,
      os,
      architecture,
      layerCount: layers.length,
      createdAt,
      inUse,
    },
    references: [...references],
  };
}

const detailedSchema = strictObject({
  ...imageSchema.entries,
  /** The lowest first; bytes. */
  layers: array(strictObject({ diffId: string(), size: number() })),
  config: strictObject({
    entrypoint: array(string()),
    cmd: array(string()),
    env: array(strictObject({ name: string(), value: string() })),
    workdir: string(),
    /** Empty: root. */
    user: string(),
    labels: record(string(), string()),
    volumes: array(string()),
    stopSignal: optional(string()),
  }),
});

function detailedOf(image: ImageSummary) {
  const { entrypoint, cmd, env, workdir, user, labels, volumes, stopSignal } = image.config;
  const variables = env.map(variableOf);
  return {
    ...imageOf(image),
    layers: image.layers.map(({ diffId, bytes: size }) => ({ diffId, size })),
    config: { entrypoint, cmd, env: variables, workdir, user, labels, volumes: [...volumes], stopSignal },
  };
}

const pullSchema = strictObject({
  image: imageName,
  ociPlatform: field(
    pipe(
      string(),
      regex(/^linux\/[a-z0-9._-]{1,32}(\/[a-z0-9._-]{1,32})?$/, "must be OS/ARCH, such as linux/arm64"),
    ),
    "Default: the host's.",
  ),
  proxy: field(word, "Default: as the server's environment says."),
  noProxy: field(word, "Default: as the server's environment says."),
  registryAuth: field(registryAuth, AUTH_ABOUT),
});
const former = { platform: "ociPlatform", reference: "image" };

type PullBody = InferOutput<typeof pullSchema>;

/** Gets an image, and what is known of it. */
export async function pull(
  { context, metrics }: Serving,
  { image, ociPlatform, registryAuth: auth, ...rest }: PullBody,
  signal: AbortSignal,
  onPull?: (event: PullProgress) => void,
): Promise<ImageSummary> {
  if (isLocalImage(image))
    throw new Refused("BAD_REQUEST", "image: must be the name of an image in a registry");
  const options = { ...rest, credentials: credentialsOf(auth), signal, onPull };
  const begun = performance.now();
  const settings = await loadSettings(context.paths);
  const cacheDir = context.paths.cache;
  const platform = ociPlatform === undefined ? undefined : platformNamed(ociPlatform);
  const { id } = await pullImage(image, { settings, cacheDir, platform, ...options });
  metrics.pull.observe((performance.now() - begun) / 1000);
  return await inspectImage(cacheDir, id);
}

/** A slow reader is told how it is, not how it was: so much is kept for it. */
const MAX_WAITING = 1000;

async function* pullEvents(
  serving: Serving,
  body: PullBody,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent, void, void> {
  const leaving = new AbortController();
  const backlog = new Backlog<PullProgress>(MAX_WAITING);
  const either = AbortSignal.any([signal, leaving.signal, serving.ending]);
  const pulling = pull(serving, body, either, (event) => backlog.push(event)).finally(() => backlog.end());
  pulling.catch(() => {});
  try {
    for await (const progress of backlog.read()) {
      const { event: name, ...data } = pullEventJson(progress);
      yield { event: String(name), data: JSON.stringify(data) };
    }
    yield { event: "image", data: JSON.stringify(imageOf(await pulling)) };
  } finally {
    leaving.abort();
  }
}

const removedSchema = strictObject({
  images: array(string()),
  untagged: array(string()),
  freedBytes: number(),
  /** Ids of those that a machine needs, which stay. */
  inUse: array(string()),
});

export const imageRoutes = [
  jsonRoute({
    ...{ method: "get", path: "/api/v1/images", id: "listImages", tag, limit: "server" },
    summary: "List the images on the host, the last used one first",
    answer: { schema: strictObject({ images: array(imageSchema) }), about: "All of them." },
    handle: async ({ serving }) => ({ images: (await listImages(serving.context.paths.cache)).map(imageOf) }),
  }),
  jsonRoute({
    ...{ method: "get", path: "/api/v1/images/inspect", id: "inspectImage", tag, limit: "server" },
    summary: "Tell about an image on the host, also of its layers and how it is run; asks no registry",
    failures: [404],
    query: strictObject({ image: pipe(queryWord, minLength(1, "must be the name of an image")) }),
    answer: { schema: strictObject({ image: detailedSchema }), about: "All that is known of it." },
    handle: async ({ query, serving }) => {
      const { paths } = serving.context;
      const registry = (await loadSettings(paths)).images.defaultRegistry;
      return { image: detailedOf(await inspectImage(paths.cache, query.image, { registry })) };
    },
  }),
  jsonRoute({
    ...{ method: "post", path: "/api/v1/images/pull", id: "pullImage", tag, limit: "server" },
    summary: "Get an image of a registry, or look for a newer one",
    failures: [403, 404, 502],
    body: { schema: pullSchema, former },
    answer: { schema: strictObject({ image: imageSchema }), about: "It is there." },
    handle: async ({ body, serving, signal }) => ({ image: imageOf(await pull(serving, body, signal)) }),
  }),
  rawRoute({
    ...{ method: "post", path: "/api/v1/images/pull/stream", id: "pullImageStream", tag, limit: "none" },
    summary: "The same, with its progress",
    description: "Events as docs/progress.md names them; the last is `image` with the image, or `error`.",
    body: { schema: pullSchema, former },
    answer: { type: "text/event-stream", about: "Progress." },
    handle: (asked) => eventStream(pullEvents(asked.serving, asked.body, asked.signal), asked),
  }),
  jsonRoute({
    ...{ method: "post", path: "/api/v1/images/prune", id: "pruneImages", tag, limit: "server" },
    summary: "Remove images and layers that nobody needs",
    body: {
      optional: true,
      schema: strictObject({
        all: field(boolean(), "Also those that have a name. Default: false."),
        dryRun: field(boolean(), "Only tell. Default: false."),
      }),
    },
    answer: { schema: removedSchema, about: "What went." },
    handle: async ({ body, serving }) => {
      const { all = false, dryRun = false } = body;
      return removedOf(await pruneImages(serving.context.paths.cache, { all, dryRun }));
    },
  }),
  jsonRoute({
    ...{
      method: "post",
      path: "/api/v1/images/remove",
      id: "removeImage",
      tag,
      limit: "server",
      failures: [404, 409],
    },
    summary: "Take a name off an image, and remove it with its last one",
    body: {
      schema: strictObject({ image: imageName, force: field(boolean(), "Also one that has several names.") }),
    },
    answer: { schema: removedSchema, about: "What went." },
    handle: async ({ body, serving }) => {
      const { paths } = serving.context;
      const registry = (await loadSettings(paths)).images.defaultRegistry;
      const removed = await removeImages(paths.cache, [body.image], { force: body.force ?? false, registry });
      if (removed.inUse.length > 0) throw new Refused("CONFLICT", "a machine is made of that image");
      return removedOf(removed);
    },
  }),
  jsonRoute({
    ...{
      method: "get",
      path: `${MACHINE}/images`,
      id: "machineImages",
      tag,
      limit: "server",
      failures: [404],
    },
    summary: "The image of a machine that runs; none for the built-in one",
    answer: { schema: strictObject({ images: array(imageSchema) }), about: "One, or none." },
    handle: async ({ params, serving }) => {
      const { record, status } = inspectMachine(serving.context, params.name);
      if (!hasProcess(status)) return { images: [] };
      const images = await listImages(serving.context.paths.cache);
      return { images: images.filter(({ id }) => id === record?.imageId).map(imageOf) };
    },
  }),
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/images/pull`, id: "pullMachineImage", tag, limit: "server" },
    summary: "As images/pull: all machines share the images of their host",
    failures: [403, 404, 502],
    body: { schema: pullSchema, former },
    answer: { schema: strictObject({ image: imageSchema }), about: "It is there." },
    handle: async ({ params, body, serving, signal }) => {
      inspectMachine(serving.context, params.name);
      return { image: imageOf(await pull(serving, body, signal)) };
    },
  }),
];

function removedOf({ images, untagged, freedBytes, inUse }: Awaited<ReturnType<typeof pruneImages>>) {
  return { images: images.map(({ id }) => id), untagged: [...untagged], freedBytes, inUse: [...inUse] };
}
