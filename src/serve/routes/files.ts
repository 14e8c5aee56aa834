/** Files of machines, streamed in both directions without a limit of size. */
import { boolean, number, strictObject, string } from "valibot";
import {
  copyFromMachine,
  copyToMachine,
  type DownloadRequest,
  type FileTarget,
  type UploadRequest,
} from "../../machine/index.ts";
import { Refused } from "../errors.ts";
import { type Asked, jsonRoute, MACHINE, rawRoute } from "../http/route.ts";
import { withMachine } from "../machine/reach.ts";
import { count, field } from "../schema/fields.ts";

const tag = "files";

/** @throws Refused `BAD_REQUEST` for a path that is none, or that means another one than it seems to */
function guestPathOf({ params }: Pick<Asked, "params">): string {
  const path = `/${params.path}`;
  if (path.includes("\0") || path.split("/").some((part) => part === "." || part === ".."))
    throw new Refused("BAD_REQUEST", "the path must not contain NUL, `.` or `..`");
  return path;
}

function contentOf(request: Request): AsyncIterable<Uint8Array> {
  return (request.body ?? new Blob([]).stream()) as unknown as AsyncIterable<Uint8Array>;
}

/** Of every copy: links are followed, and nobody can be told what is not copied. */
const COMMON = { follow: true, onNote: () => {} } as const;

/** Sends what a request brings into its machine. @returns where it is, and how much it was */
async function upload(
  asked: Asked,
  what: Pick<UploadRequest, "source" | "archive"> & {
    readonly mode?: number | undefined;
    readonly parents?: boolean;
  },
) {
  const { params, serving, signal } = asked;
  const { mode, ...rest } = what;
  const path = guestPathOf(asked);
  const progress = { files: 0, bytes: 0 };
  const request = { ...COMMON, ...rest, path, overrides: { mode }, progress, signal };
  await withMachine(serving, params.name, signal, (machine) => copyToMachine(machine, request), {
    autoStart: true,
  });
  return { path, ...progress };
}

/**
 * Answers with what a copy out of a machine gives. The status is told once the first bytes are there, and a failure
 * after that breaks the answer off, which a client can see.
 *
 * @param targetOf what the copy writes to, made of what takes pieces of the answer
 */
async function download(
  asked: Asked,
  type: string,
  targetOf: (answer: FileTarget) => DownloadRequest["target"],
): Promise<Response> {
  const { params, serving } = asked;
  const path = guestPathOf(asked);
  const gone = new AbortController();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const begun = Promise.withResolvers<void>();
  const write = async (bytes: Uint8Array) => {
    begun.resolve();
    // What is passed in may be used again.
    await writer.write(bytes.slice());
  };
  writer.closed.catch(() => gone.abort(new Error("the client has gone")));
  const signal = AbortSignal.any([asked.signal, gone.signal]);
  const target = targetOf({ begin: begun.resolve, write });
  const progress = { files: 0, bytes: 0 };
  const request = { ...COMMON, archive: true, path, target, progress, signal };
  const copying = withMachine(serving, params.name, signal, (machine) => copyFromMachine(machine, request), {
    autoStart: true,
  }).then(
    async () => {
      begun.resolve();
      await writer.close();
    },
    async (error) => {
      begun.reject(error);
      await writer.abort(error);
    },
  );
  copying.catch(() => {}).finally(asked.ended);
  await begun.promise;
  return new Response(readable, { headers: { "content-type": type, "x-content-type-options": "nosniff" } });
}

export const fileRoutes = [
  jsonRoute({
    ...{ method: "put", path: `${MACHINE}/files/{path}`, id: "writeFile", tag, limit: "none" },
    summary: "Write a file",
    description:
      "Directories above it are made. The file appears when it is complete, in the place of one of that name.",
    failures: [404, 409, 507],
    query: strictObject({
      mode: field(count(0, 0o7777), "Permission bits, as a decimal number. Default: 420 (0644)."),
    }),
    body: "bytes",
    answer: { schema: strictObject({ path: string(), size: number() }), about: "It is written." },
    handle: async (asked) => {
      const source = { content: contentOf(asked.request) };
      const { mode } = asked.query;
      const { path, bytes } = await upload(asked, { source, archive: false, parents: true, mode });
      return { path, size: bytes };
    },
  }),
  rawRoute({
    ...{ method: "get", path: `${MACHINE}/files/{path}`, id: "readFile", tag, limit: "none" },
    summary: "Read a file",
    failures: [404, 409],
    answer: { type: "application/octet-stream", about: "Its content." },
    handle: (asked) => download(asked, "application/octet-stream", (answer) => answer),
  }),
  jsonRoute({
    ...{ method: "put", path: `${MACHINE}/archive/{path}`, id: "writeArchive", tag, limit: "none" },
    summary: "Unpack a tar archive below a directory",
    failures: [404, 409, 507],
    query: strictObject({
      owners: field(boolean(), "Keep the owners that the archive names. Default: false."),
    }),
    body: "bytes",
    answer: {
      schema: strictObject({ path: string(), files: number(), size: number() }),
      about: "It is unpacked.",
    },
    handle: async (asked) => {
      const source = contentOf(asked.request);
      const { path, files, bytes } = await upload(asked, { source, archive: asked.query.owners ?? false });
      return { path, files, size: bytes };
    },
  }),
  rawRoute({
    ...{ method: "get", path: `${MACHINE}/archive/{path}`, id: "readArchive", tag, limit: "none" },
    summary: "Read a file or a directory as a tar archive",
    failures: [404, 409],
    answer: { type: "application/x-tar", about: "A POSIX tar archive." },
    handle: (asked) => download(asked, "application/x-tar", ({ write }) => write),
  }),
];
