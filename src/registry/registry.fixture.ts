import { afterAll } from "bun:test";
import type { Exchange, SeenRequest } from "../../test/support/registry/exchange.ts";
import {
  type Lie,
  type LyingProxy,
  type ProxyOptions,
  startProxy,
} from "../../test/support/registry/proxy.ts";
import type { RegistryEntry, RegistrySettings } from "../config/index.ts";
import { SmolError } from "../errors.ts";
import type { Credentials } from "./credentials/index.ts";
import {
  openRepository,
  parseReference,
  type RegistryOptions,
  type Repository,
  type RetryEvent,
} from "./index.ts";

/** For tests: servers that answer by hand, and repositories at them that lose no time. */

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
export const indexType = "application/vnd.oci.image.index.v1+json";

/** Random bytes, so that a byte from a wrong place is noticed. */
export const content = crypto.getRandomValues(new Uint8Array(60_000));
export const digestOf = (bytes: Uint8Array | string, algorithm: "sha256" | "sha512" = "sha256") =>
  `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;
export const blob = { digest: digestOf(content), size: content.length };

export const manifestText = JSON.stringify({
  schemaVersion: 2,
  mediaType: manifestType,
  config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: blob.digest, size: blob.size },
  layers: [],
});

export interface TestOptions extends Partial<RegistryOptions> {
  readonly entries?: Readonly<Record<string, Partial<RegistryEntry>>> | undefined;
  readonly login?: Readonly<Record<string, Credentials>> | undefined;
}

/** The repository `a/b` at a server. */
export function repositoryAt(host: string, options: TestOptions = {}): Repository {
  const { entries = {}, login = {}, ...rest } = options;
  const registries = Object.entries(entries).map(([name, entry]) => {
    return [name, { mirrors: [], insecure: false, ...entry }] as const;
  });
  const settings: RegistrySettings = { defaultRegistry: undefined, registries: new Map(registries) };
  const credentials = { find: async (registry: string) => login[registry] };
  const quick = { stallMs: 1000, connectMs: 2000, backoffMs: 2, attempts: 3 };
  return openRepository(parseReference(`${host}/a/b`), {
    settings,
    credentials,
    env: { HOME: "/nonexistent" },
    ...quick,
    ...rest,
  });
}

/** A server that answers by hand, and the repository `a/b` at it. */
export interface Served {
  readonly server: LyingProxy;
  readonly repository: Repository;
  /** What was tried again so far. */
  readonly events: readonly RetryEvent[];
  /** The requests so far, without the question whether this is http. */
  readonly asked: () => readonly SeenRequest[];
}

export interface RegistryFixture {
  readonly start: (act: Lie, options?: ProxyOptions) => Promise<LyingProxy>;
  readonly serve: (act: Lie, options?: TestOptions) => Promise<Served>;
}

/** Sets up a test file: servers that end with it. To be called once, at its top. */
export function useRegistry(): RegistryFixture {
  const running: LyingProxy[] = [];
  afterAll(async () => {
    await Promise.all(running.splice(0).map((server) => server.stop()));
  });
  const start: RegistryFixture["start"] = async (act, options = {}) => {
    const server = await startProxy({ ...options, rules: [{ when: () => true, act: afterPing(act) }] });
    running.push(server);
    return server;
  };
  return {
    start,
    async serve(act, options = {}) {
      const server = await start(act);
      const events: RetryEvent[] = [];
      const repository = repositoryAt(server.host, { onRetry: (event) => events.push(event), ...options });
      return { server, repository, events, asked: () => withoutPings(server.requests) };
    },
  };
}

/** Without the question whether this is http. */
export const withoutPings = (requests: readonly SeenRequest[]) =>
  requests.filter(({ path }) => path !== "/v2/");

/** The question whether this is http is not what tests are about. */
const afterPing =
  (act: Lie): Lie =>
  async (exchange) => {
    if (exchange.request.path === "/v2/") await exchange.respond(200, {}, "{}");
    else await act(exchange);
  };

/** An honest registry, with ranges, that serves `content` and `manifestText` under every name. */
export async function honest(exchange: Exchange): Promise<void> {
  const { path, headers } = exchange.request;
  if (path.includes("/manifests/")) {
    const named = { "content-type": manifestType, "docker-content-digest": digestOf(manifestText) };
    return await exchange.respond(200, named, manifestText);
  }
  const first = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
  if (headers.range === undefined) return await exchange.respond(200, {}, content);
  const range = `bytes ${first}-${content.length - 1}/${content.length}`;
  await exchange.respond(206, { "content-range": range }, content.subarray(first));
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of chunks) parts.push(part.slice());
  return Buffer.concat(parts);
}

/** What a promise fails with: always a SmolError, or the test fails. */
export async function failure(promise: Promise<unknown>): Promise<SmolError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SmolError) return error;
    throw error;
  }
  throw new Error("it succeeded");
}
