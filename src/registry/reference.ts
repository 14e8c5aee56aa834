import { SmolError } from "../errors.ts";
import { isDigest } from "./digest.ts";
import { quoted } from "./printable.ts";
import type { Reference } from "./types.ts";

/** Where names without a registry are: images, and packs. */
export const DEFAULT_REGISTRY = { images: "docker.io", machines: "registry.smolmachines.com" } as const;
/** How the first is called in all references. */
const dockerHub = DEFAULT_REGISTRY.images;
/** Its name of old, which still stands in many configurations. */
const dockerIndex = "index.docker.io";
/** Images without an owner on Docker Hub are the official ones. */
const officialPrefix = "library/";

/** Longer than any reference can be: a name (255), a host (253 and a port), a tag (128) and a sha512 digest. */
const MAX_TEXT = 1024;
const MAX_REPOSITORY = 255;
const MAX_TAG = 128;
const MAX_HOST = 253;

/** Grammar of `docker pull` (distribution/reference). Every alternative starts differently: no backtracking. */
const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const hostPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
/** An id, or its first digits, as `images ls` and docker print them; Docker Hub has no `library/sha256`. */
const idPattern = /^(?:(?:index\.)?docker\.io\/)?(?:library\/)?sha(?:256|512):[0-9a-fA-F]+$/;

/**
 * Reads the name of an image as docker does: `alpine`, `ghcr.io/a/b:tag`, `localhost:5000/a@sha256:…`.
 *
 * @param defaults.registry where names without a registry are; default docker.io.
 * @throws SmolError `registry.bad_reference`, and nothing else.
 */
export function parseReference(text: string, defaults: { registry?: string | undefined } = {}): Reference {
  if (text === "") throw bad(text, "it is empty");
  if (text.length > MAX_TEXT) throw bad(text, `it is longer than ${MAX_TEXT} characters`);
  if (/[\s\p{Cc}]/u.test(text)) throw bad(text, "it has blanks or control characters");
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw bad(text, "it starts with a scheme", { hint: "names of images have none: leave out https://" });
  }
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw bad(text, "64 hexadecimal digits are the id of an image, not a name", {
      hint: "write name@sha256:… for an image by its digest",
    });
  }
  if (idPattern.test(text)) {
    throw bad(text, "it is the id of an image, not a name", {
      hint: "`smolvm images ls` shows the names; an image by its digest is name@sha256:…",
    });
  }
  const home = defaultRegistry(defaults.registry);
  const { registry, rest } = splitRegistry(text, home);
  checkHost(text, registry);
  const { repository, tag, digest } = splitRest(rest);
  checkRepository(text, repository);
  if (tag !== undefined) checkTag(text, tag);
  if (digest !== undefined) checkDigest(text, digest);
  return reference(registry, repository, tag ?? (digest === undefined ? "latest" : undefined), digest, home);
}

/** @param home the default registry: only where that is Docker Hub can its names be shortened. */
function reference(
  registry: string,
  repository: string,
  tag: string | undefined,
  digest: string | undefined,
  home: string,
): Reference {
  const suffix = (tag === undefined ? "" : `:${tag}`) + (digest === undefined ? "" : `@${digest}`);
  const canonical = `${registry}/${repository}${suffix}`;
  const short =
    registry === dockerHub && home === dockerHub ? `${familiarName(repository)}${suffix}` : canonical;
  return { registry, repository, tag, digest, canonical, familiar: short };
}

function familiarName(repository: string): string {
  const official = repository.startsWith(officialPrefix) ? repository.slice(officialPrefix.length) : "";
  return official === "" || official.includes("/") ? repository : official;
}

function defaultRegistry(given: string | undefined): string {
  if (given === undefined || given === "" || given === dockerIndex) return dockerHub;
  checkHost(given, given);
  return given;
}

/** The first part is a host when it could be no name of a repository, or is `localhost`. */
function splitRegistry(text: string, home: string): { registry: string; rest: string } {
  const slash = text.indexOf("/");
  const first = slash === -1 ? "" : text.slice(0, slash);
  const isHost = first === "localhost" || /[.:A-Z]/.test(first);
  const registry = !isHost ? home : first === dockerIndex ? dockerHub : first;
  const rest = isHost ? text.slice(slash + 1) : text;
  const official = registry === dockerHub && !rest.includes("/");
  return { registry, rest: official ? officialPrefix + rest : rest };
}

function splitRest(rest: string): { repository: string; tag?: string; digest?: string } {
  const at = rest.indexOf("@");
  const named = at === -1 ? rest : rest.slice(0, at);
  const digest = at === -1 ? {} : { digest: rest.slice(at + 1) };
  const colon = named.indexOf(":");
  if (colon === -1) return { repository: named, ...digest };
  return { repository: named.slice(0, colon), tag: named.slice(colon + 1), ...digest };
}

/** Also refuses what a URL would read as another host: `0x7f.1` is 127.0.0.1 there. */
function checkHost(text: string, host: string): void {
  const wrong = () => bad(text, `${quoted(host)} is not a host name with an optional port`);
  if (!hostPattern.test(host)) throw wrong();
  const url = URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`) : undefined;
  const name = host.replace(/:[0-9]+$/, "");
  if (url === undefined || name.length > MAX_HOST) throw wrong();
  if (!name.startsWith("[") && url.hostname !== name.toLowerCase()) throw wrong();
  if (/:0+$/.test(host) && !host.endsWith("]")) throw wrong();
}

function checkRepository(text: string, repository: string): void {
  const name = repository.replace(/^library\/(?=.)/, "");
  if (repository === "" || repository === officialPrefix)
    throw bad(text, "the name of the repository is missing");
  if (/[A-Z]/.test(repository)) {
    throw bad(text, `the repository's name, ${quoted(name)}, must be lower case`, {
      hint: `did you mean ${quoted(text.replace(repository, repository.toLowerCase()).replace(name, name.toLowerCase()))}?`,
    });
  }
  if (repository.length > MAX_REPOSITORY) {
    throw bad(text, `the repository's name is longer than ${MAX_REPOSITORY} characters`);
  }
  if (repositoryPattern.test(repository)) return;
  throw bad(text, `${quoted(name)} is not a name of a repository`, {
    hint: "names are letters a-z and digits, separated by . _ __ - or /",
  });
}

function checkTag(text: string, tag: string): void {
  if (tag === "") throw bad(text, "the tag after the colon is missing");
  if (tag.length > MAX_TAG) throw bad(text, `the tag is longer than ${MAX_TAG} characters`);
  if (!tagPattern.test(tag)) {
    throw bad(text, `${quoted(tag)} is not a tag`, { hint: "tags are letters, digits, _ . and -" });
  }
}

function checkDigest(text: string, digest: string): void {
  if (isDigest(digest)) return;
  const lower = digest.toLowerCase();
  throw bad(text, `${quoted(digest)} is not a digest`, {
    hint: isDigest(lower)
      ? "digests are lower case"
      : "a digest is sha256: and 64 hexadecimal digits, or sha512: and 128",
  });
}

const bad = (text: string, why: string, options: { hint?: string } = {}) =>
  new SmolError("registry.bad_reference", `${quoted(text)} is not a name of an image: ${why}`, options);
