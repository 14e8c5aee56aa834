/** What guests have changed in folders of the host that they were given as workspaces. */
import { array, boolean, maxLength, number, optional, picklist, pipe, strictObject, string } from "valibot";
import { machineWorkspaces, selectWorkspaces } from "../../machine/index.ts";
import { type Asked, jsonRoute, MACHINE, rawRoute } from "../http/route.ts";
import { allowedPath } from "../machine/host-paths.ts";
import { field, queryWord, words } from "../schema/fields.ts";
import { onThread, type ToldChange } from "../workspaces/index.ts";

const tag = "workspaces";

const pathsField = field(words, "In the guest, or in the machine's only workspace. Default: everything.");
/** All of them are in the head of a request, which has at most 16 KiB. */
const pathQuery = strictObject({
  path: field(
    pipe(array(pipe(queryWord, maxLength(1024))), maxLength(8)),
    "In the guest, or in the machine's only workspace; may be repeated. Default: everything.",
  ),
});

const changeEntries = {
  /** Where the guest has the workspace. */
  workspace: string(),
  path: string(),
  status: picklist(["added", "modified", "deleted", "type-changed", "renamed"]),
  renamedFrom: optional(string()),
  kind: optional(string()),
  oldMode: optional(string()),
  newMode: optional(string()),
  size: optional(number()),
  /** What stands in the way of an apply: what the host has changed itself. */
  conflict: optional(string()),
};

const changes = array(strictObject(changeEntries));
const keptChanges = array(strictObject({ ...changeEntries, reason: string() }));
const truncated = optional(boolean());

const plain = (all: readonly ToldChange[]) => all.map((change) => ({ ...change }));

async function selectionsOf(
  { params, serving }: Pick<Asked, "params" | "serving">,
  paths: readonly string[] = [],
) {
  const all = await machineWorkspaces(serving.context, params.name);
  return await selectWorkspaces(params.name, all, paths);
}

export const workspaceRoutes = [
  jsonRoute({
    ...{ method: "get", path: `${MACHINE}/changes`, id: "listChanges", tag, limit: "server" },
    summary: "What the guest has changed in its workspaces",
    failures: [404, 409],
    query: pathQuery,
    answer: {
      schema: strictObject({ changes, truncated }),
      about: "In the order in which they are applied; 10,000 at most.",
    },
    handle: async (asked) => {
      const selections = await selectionsOf(asked, asked.query.path);
      const found = await onThread({ what: "changes", selections, atomic: false });
      return { changes: plain(found.changes), truncated: found.truncated || undefined };
    },
  }),
  rawRoute({
    ...{
      method: "get",
      path: `${MACHINE}/patch`,
      id: "readPatch",
      tag,
      limit: "server",
      failures: [404, 409, 413],
    },
    summary: "The same as a patch that git apply takes",
    query: pathQuery,
    answer: { type: "text/x-diff", about: "A patch of git's, of 16 MiB at most." },
    handle: async (asked) => {
      const selections = await selectionsOf(asked, asked.query.path);
      const { patch } = await onThread({ what: "patch", selections, atomic: false });
      return new Response(Buffer.from(patch ?? []), { headers: { "content-type": "text/x-diff" } });
    },
  }),
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/apply`, id: "applyChanges", tag, limit: "none" },
    summary: "Bring what the guest has changed to the host's folder",
    description:
      "The folder has to lie in an --allow-mount. What the host has changed itself meanwhile is left as it is. What " +
      "was begun is ended, also when the client goes.",
    failures: [403, 404, 409],
    body: {
      optional: true,
      schema: strictObject({
        paths: pathsField,
        atomic: field(boolean(), "Nothing at all when there is a conflict. Default: false."),
      }),
    },
    answer: {
      schema: strictObject({ applied: changes, kept: keptChanges, truncated }),
      about: "What is on the host now, and what stays with the guest, with the reason.",
    },
    handle: async (asked) => {
      const { body, serving } = asked;
      const selections = await selectionsOf(asked, body.paths);
      // The command line may have given a machine any folder; a client changes only those that it may name.
      for (const { workspace } of selections) allowedPath(workspace.folder, serving.options.mountRoots);
      const done = await onThread({ what: "apply", selections, atomic: body.atomic ?? false });
      const kept = done.kept.map((change) => ({ ...change }));
      return { applied: plain(done.changes), kept, truncated: done.truncated || undefined };
    },
  }),
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/discard`, id: "discardChanges", tag, limit: "none" },
    summary: "Throw away what the guest has changed: it sees the host's files again",
    failures: [404, 409],
    body: { optional: true, schema: strictObject({ paths: pathsField }) },
    answer: { schema: strictObject({ discarded: changes, truncated }), about: "What is gone." },
    handle: async (asked) => {
      const selections = await selectionsOf(asked, asked.body.paths);
      const done = await onThread({ what: "discard", selections, atomic: false });
      return { discarded: plain(done.changes), truncated: done.truncated || undefined };
    },
  }),
];
