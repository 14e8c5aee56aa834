/** Volumes of smolvm's own, which machines get by their names, and which outlive them. */
import { array, description, number, picklist, pipe, strictObject, string } from "valibot";
import {
  createVolume,
  inspectVolume,
  listVolumes,
  type NamedVolume,
  pruneVolumes,
  removeVolume,
} from "../../machine/volumes/index.ts";
import { jsonRoute } from "../http/route.ts";
import { field, volumeName } from "../schema/fields.ts";

const tag = "volumes";
const VOLUMES = "/api/v1/volumes";
const VOLUME = `${VOLUMES}/{volume}`;

const volumeSchema = strictObject({
  name: string(),
  /** On the server's host. */
  path: string(),
  createdAt: number(),
  /** Those whose description names it. */
  machines: array(string()),
});

const volumeOf = ({ name, path, createdAt, machines }: NamedVolume) => ({
  ...{ name, path, machines: [...machines] },
  createdAt: Math.floor(createdAt / 1000),
});

const one = { schema: volumeSchema, about: "The volume." };

export const volumeRoutes = [
  jsonRoute({
    ...{ method: "post", path: VOLUMES, id: "createVolume", tag, limit: "server" },
    gives: { volume: "/name" },
    summary: "Make an empty volume; one that is there stays as it is",
    description: "A mount whose `source` is a name makes a missing one too. `id` is accepted for `name`.",
    body: {
      schema: strictObject({
        name: volumeName,
        backend: field(picklist(["local"]), "There is one: a directory of the host."),
      }),
      former: { id: "name" },
    },
    answer: one,
    handle: ({ body, serving }) => {
      createVolume(serving.context, body.name);
      return volumeOf(inspectVolume(serving.context, body.name));
    },
  }),
  jsonRoute({
    ...{ method: "get", path: VOLUMES, id: "listVolumes", tag, limit: "server" },
    summary: "List volumes by name",
    answer: { schema: strictObject({ volumes: array(volumeSchema) }), about: "All of them." },
    handle: ({ serving }) => ({ volumes: listVolumes(serving.context).map(volumeOf) }),
  }),
  jsonRoute({
    ...{ method: "get", path: VOLUME, id: "getVolume", tag, limit: "server", failures: [404] },
    summary: "Tell about a volume",
    answer: one,
    handle: ({ params, serving }) => volumeOf(inspectVolume(serving.context, params.volume)),
  }),
  jsonRoute({
    ...{ method: "delete", path: VOLUME, id: "deleteVolume", tag, limit: "server", failures: [404, 409] },
    summary: "Delete a volume with all that is in it; one that a machine names stays",
    answer: { schema: strictObject({ deleted: string() }), about: "It is gone." },
    handle: async ({ params, serving }) => {
      await removeVolume(serving.context, params.volume);
      return { deleted: params.volume };
    },
  }),
  jsonRoute({
    ...{ method: "delete", path: VOLUMES, id: "pruneVolumes", tag, limit: "server" },
    summary: "Delete the volumes that no machine names",
    query: strictObject({
      unused: pipe(picklist(["true"]), description("So that nobody means all of them.")),
    }),
    answer: { schema: strictObject({ deleted: array(string()) }), about: "Their names." },
    handle: async ({ serving }) => ({ deleted: await pruneVolumes(serving.context) }),
  }),
];
