/** Files of machines, streamed in both directions without a limit of size. */
import { boolean, number, strictObject, string } from "valibot";
import { copyFromMachine, copyToMachine, type Machine } from "../../machine/index.ts";
import { Refused } from "../errors.ts";
import { type Asked, jsonRoute, MACHINE, rawRoute } from "../http/route.ts";
import { withMachine } from "../machine/reach.ts";
import { count, field } from "../schema/fields.ts";

const tag = "files";

const IN = { archive: false, follow: true } as const;

/** Of what is written: as the request or the archive has it. */
const AS_SENT = { uid: undefined, gid: undefined, mode: undefined };

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

/**
 * Answers with what a copy out of a machine gives. The status is told once the first bytes are there, and a failure
 * after that breaks the answer off, which a client can see.
 *
 * @param copy passes pieces to `write`, which resolves when there is room for more
 */
async function streamed(
  type: string,
  signal: AbortSignal,
  copy: (
    begin: () => void,
    write: (bytes: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ) => Promise<void>,
): Promise<Response> {
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
  const copying = copy(begun.resolve, write, AbortSignal.any([signal, gone.signal])).then(
    async () => {
      begun.resolve();
      await writer.close();
    },
    async (error) => {
      begun.reject(error);
      await writer.abort(error);
    },
  );
  copying.catch(() => {});
  await begun.promise;
  return new Response(readable, { headers: { "content-type": type, "x-content-type-options": "nosniff" } });
}

const quiet = { onNote: () => {} };

async function download(
  asked: Asked,
  copy: (
    machine: Machine,
    begin: () => void,
    write: (bytes: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ) => Promise<void>,
  type: string,
): Promise<Response> {
  const { params, serving, signal } = asked;
  return await streamed(type, signal, (begin, write, either) =>
    withMachine(serving, params.name, either, (machine) => copy(machine, begin, write, either), {
      autoStart: true,
    }),
  );
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
      const { params, query, request, serving, signal } = asked;
      const path = guestPathOf(asked);
      const progress = { files: 0, bytes: 0 };
      const source = { content: contentOf(request) };
      const upload = {
        ...IN,
        ...quiet,
        source,
        path,
        parents: true,
        progress,
        signal,
        overrides: { ...AS_SENT, mode: query.mode },
      };
      await withMachine(serving, params.name, signal, (machine) => copyToMachine(machine, upload), {
        autoStart: true,
      });
      return { path, size: progress.bytes };
    },
  }),
  rawRoute({
    ...{ method: "get", path: `${MACHINE}/files/{path}`, id: "readFile", tag, limit: "none" },
    summary: "Read a file",
    failures: [404, 409],
    answer: { type: "application/octet-stream", about: "Its content." },
    handle: async (asked) => {
      const path = guestPathOf(asked);
      return await download(
        asked,
        (machine, begin, write, signal) =>
          copyFromMachine(machine, {
            ...IN,
            ...quiet,
            path,
            target: { begin, write },
            progress: { files: 0, bytes: 0 },
            signal,
          }),
        "application/octet-stream",
      );
    },
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
      const { params, query, request, serving, signal } = asked;
      const path = guestPathOf(asked);
      const progress = { files: 0, bytes: 0 };
      const upload = {
        ...quiet,
        follow: true,
        archive: query.owners ?? false,
        source: contentOf(request),
        path,
        progress,
        signal,
        overrides: AS_SENT,
      };
      await withMachine(serving, params.name, signal, (machine) => copyToMachine(machine, upload), {
        autoStart: true,
      });
      return { path, files: progress.files, size: progress.bytes };
    },
  }),
  rawRoute({
    ...{ method: "get", path: `${MACHINE}/archive/{path}`, id: "readArchive", tag, limit: "none" },
    summary: "Read a file or a directory as a tar archive",
    failures: [404, 409],
    answer: { type: "application/x-tar", about: "A POSIX tar archive." },
    handle: async (asked) => {
      const path = guestPathOf(asked);
      return await download(
        asked,
        (machine, _, target, signal) =>
          copyFromMachine(machine, {
            ...quiet,
            archive: true,
            follow: true,
            path,
            target,
            progress: { files: 0, bytes: 0 },
            signal,
          }),
        "application/x-tar",
      );
    },
  }),
];
