import { Authorizer, type Wanted } from "../auth/index.ts";
import {
  type Answer,
  type Connections,
  exchange,
  follow,
  loadTrust,
  notNow,
  proxySecrets,
  type Request,
  Secrets,
  type TlsOptions,
} from "../http/index.ts";
import type { RegistryOptions } from "../types.ts";
import type { Endpoint } from "./endpoint.ts";
import { findBase } from "./scheme.ts";

/** Without a token or with one that has ended, and with a new one. */
const MAX_ROUNDS = 2;

export interface SessionRequest {
  /** Below the repository: `manifests/latest`. Or a whole address that the server gave, as that of an upload. */
  readonly path: string | URL;
  readonly method: Request["method"];
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What is done with a repository: decides which rights a token is asked for. */
export type Purpose = "pull" | "push";

/** The conversation with one server about one repository: its scheme, its certificates and its tokens. */
export class Session {
  readonly endpoint: Endpoint;
  readonly repository: string;
  readonly secrets = new Secrets();
  /** Whether the server has ever answered. */
  answered = false;
  readonly #connections: Connections;
  readonly #authorizer: Authorizer;
  readonly #signal: AbortSignal | undefined;
  #base: Promise<URL> | undefined;
  #trust: ReturnType<typeof loadTrust> | undefined;
  /** The challenge of `/v2/`; null when it has none. */
  #general: Promise<string | null> | undefined;

  constructor(
    endpoint: Endpoint,
    repository: string,
    options: RegistryOptions,
    readonly purpose: Purpose = "pull",
  ) {
    this.endpoint = endpoint;
    this.repository = repository;
    this.#signal = options.signal;
    const env = options.env ?? process.env;
    this.secrets.add(...proxySecrets(env, options.proxy));
    this.#connections = {
      env,
      proxy: options.proxy,
      stallMs: options.stallMs ?? 30_000,
      connectMs: options.connectMs ?? 10_000,
      tls: (url) => this.#tls(url, env),
    };
    this.#authorizer = new Authorizer({
      registry: endpoint.registry,
      repository,
      credentials: options.credentials,
      connections: this.#connections,
      secrets: this.secrets,
      insecure: endpoint.insecure,
      actions: purpose === "push" ? "pull,push" : "pull",
      signal: options.signal,
    });
  }

  /**
   * Sends one request, authenticated when the registry wants that. Redirects are followed by requests that only read;
   * what changes something goes where it was sent, or nowhere. An address elsewhere gets no authorization: storages
   * that take uploads themselves have it in the address.
   *
   * @returns an answer with any status that is final, 401 and 404 included; its body must be read or cancelled.
   * @throws Transient, SmolError
   */
  async send({ path, method, headers, body, signal }: SessionRequest): Promise<Answer> {
    const base = await this.#findBase();
    const url = typeof path === "string" ? new URL(`/v2/${this.repository}/${path}`, base) : path;
    const ask = method === "GET" || method === "HEAD" ? follow : exchange;
    for (let round = 1; ; round += 1) {
      const authorization = url.origin === base.origin ? await this.#authorizer.header() : undefined;
      const withAuthorization =
        authorization === undefined ? headers : { ...headers, Authorization: authorization };
      const answer = await ask({ url, method, headers: withAuthorization, body, signal }, this.#connections);
      this.answered = true;
      const later = await notNow(answer, this.secrets);
      if (later !== undefined) throw later;
      // The refusal of a storage that we were redirected to is not for us.
      if (answer.url.origin !== base.origin || round === MAX_ROUNDS) return answer;
      const wants = await this.#challengeOf(answer, base, authorization);
      if (wants === undefined || !(await this.#retryWith(base, wants, authorization, answer))) return answer;
    }
  }

  /** Whether the registry wants everybody to say who they are, and may hide what it has from others. */
  get wantsAuthorization(): boolean {
    return this.#authorizer.wasAsked;
  }

  /**
   * What the server wants to see before it gives what was asked for. Some do not say so where they refuse, and answer
   * "not found", or "denied", to everybody without a token: then the challenge of `/v2/` counts, as in docker, which
   * always begins there.
   *
   * @returns undefined when trying again makes no sense.
   */
  async #challengeOf(
    answer: Answer,
    base: URL,
    authorization: string | undefined,
  ): Promise<Wanted | undefined> {
    const header = answer.headers.get("www-authenticate");
    const own = answer.status === 401 ? { header: header ?? "", isForAll: false } : undefined;
    if (authorization !== undefined || (own !== undefined && header !== null)) return own;
    if (![401, 403, 404].includes(answer.status)) return undefined;
    try {
      this.#general ??= askGeneral(base, this.#connections, this.#signal);
      const general = await this.#general;
      return general === null ? own : { header: general, isForAll: true };
    } catch (error) {
      this.#general = undefined;
      await answer.body.cancel();
      throw error;
    }
  }

  /** Whether we know who we are at this registry: decides how a refusal is explained. */
  async hasCredentials(): Promise<boolean> {
    return (await this.#authorizer.credentials()) !== undefined;
  }

  /** Why we may have credentials and yet not know them: explains a refusal better than anything else. */
  get unreadCredentials(): string | undefined {
    return this.#authorizer.unread;
  }

  async #retryWith(base: URL, wants: Wanted, sent: string | undefined, answer: Answer): Promise<boolean> {
    try {
      const again = await this.#authorizer.accept(base, wants, sent);
      if (again) await answer.body.discard();
      return again;
    } catch (error) {
      await answer.body.cancel();
      throw error;
    }
  }

  #findBase(): Promise<URL> {
    this.#base ??= findBase(this.endpoint, this.#connections, this.#signal).catch((error) => {
      this.#base = undefined;
      throw error;
    });
    return this.#base;
  }

  async #tls(url: URL, env: Connections["env"]): Promise<TlsOptions> {
    const { registry, caFile, insecure, host } = this.endpoint;
    this.#trust ??= loadTrust({ registry, caFile, insecure, env });
    const trust = await this.#trust;
    return trust(url.origin === new URL(`https://${host}/`).origin);
  }
}

/** Asks what the registry as a whole wants (OCI distribution specification, "Determining Support"). */
async function askGeneral(
  base: URL,
  connections: Connections,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const answer = await exchange(
    { url: new URL("/v2/", base), method: "GET", headers: {}, signal },
    connections,
  );
  await answer.body.discard();
  return answer.status === 401 ? answer.headers.get("www-authenticate") : null;
}
