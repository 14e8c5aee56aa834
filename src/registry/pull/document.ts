import { SmolError } from "../../errors.ts";
import { printable } from "../printable.ts";

const ociIndex = "application/vnd.oci.image.index.v1+json";
const ociManifest = "application/vnd.oci.image.manifest.v1+json";
const dockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

/** What we can make use of; registries convert, or refuse, what is not in here. */
export const acceptedTypes = [ociIndex, ociManifest, dockerList, dockerManifest].join(", ");

const indexTypes = new Set([ociIndex, dockerList]);
const manifestTypes = new Set([ociManifest, dockerManifest]);
/** What servers say that do not know what they serve. */
const vagueTypes = new Set([
  "",
  "application/json",
  "application/octet-stream",
  "binary/octet-stream",
  "text/plain",
]);

/**
 * The media type of a manifest. The header, the document's own `mediaType` and its shape must agree: a document that
 * can be read as an index and as a manifest is one image to us and another one to a scanner (CVE-2021-41190).
 *
 * @param contentType the header's value.
 * @param where for messages: `manifest latest of docker.io`.
 * @throws SmolError `registry.bad_answer`
 */
export function mediaTypeOf(bytes: Uint8Array, contentType: string | null, where: string): string {
  const header = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const document = parse(bytes, header, where);
  if (document.schemaVersion === 1 || header.includes("docker.distribution.manifest.v1+")) {
    throw bad(where, "is in Docker's format of before 2016 (schema 1), which is not supported", {
      hint: "pull and push it again with a current docker to convert it",
    });
  }
  const own = document.mediaType;
  if (own !== undefined && typeof own !== "string") throw bad(where, "has a mediaType that is no text");
  const vague = vagueTypes.has(header);
  if (own !== undefined && !vague && own !== header) {
    throw bad(
      where,
      `says it is of type ${printable(own, 80)}, and the registry says ${printable(header, 80)}`,
    );
  }
  const type = vague ? (own ?? typeByShape(document, where)) : header;
  checkShape(document, type, where);
  return type;
}

interface Fields {
  readonly schemaVersion?: unknown;
  readonly mediaType?: unknown;
  readonly manifests?: unknown;
  readonly layers?: unknown;
  readonly config?: unknown;
}

function parse(bytes: Uint8Array, header: string, where: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  const page = header.includes("html");
  throw bad(where, page ? "is a web page" : "is not a JSON object", {
    hint: "is that a registry? A proxy or a login page may have answered in its place",
  });
}

/** OCI documents need not say what they are. */
function typeByShape(document: Fields, where: string): string {
  if (document.manifests !== undefined) return ociIndex;
  if (document.config !== undefined || document.layers !== undefined) return ociManifest;
  throw bad(where, "is neither an image nor an index");
}

function checkShape(document: Fields, type: string, where: string): void {
  const { manifests, layers, config } = document;
  const isIndex = manifests !== undefined;
  const isManifest = layers !== undefined || config !== undefined;
  if (isIndex && isManifest) throw bad(where, "is an index and a manifest at once");
  if (indexTypes.has(type) && isManifest) throw bad(where, "is called an index and is a manifest");
  if (manifestTypes.has(type) && isIndex) throw bad(where, "is called a manifest and is an index");
}

const bad = (where: string, what: string, options: { hint?: string } = {}) =>
  new SmolError("registry.bad_answer", `${where} ${what}`, options);
