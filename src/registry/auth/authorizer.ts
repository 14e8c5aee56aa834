import { SmolError } from "../../errors.ts";
import type { CredentialSource, Credentials } from "../credentials/index.ts";
import { type Connections, isLoopback, type Secrets } from "../http/index.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { basicAuthorization, fetchToken, type Token } from "./token.ts";

/** A token is renewed so long before its end: a request takes time, and clocks differ. */
const MARGIN_MS = 10_000;
const MAX_SCOPE = 4096;

export interface AuthorizerOptions {
  /** As references spell it: whose credentials these are. */
  readonly registry: string;
  readonly repository: string;
  /** What is done with the repository, as scopes spell it: `pull`, `pull,push`. */
  readonly actions: string;
  readonly credentials: CredentialSource;
  readonly connections: Connections;
  readonly secrets: Secrets;
  /** Whether the user declared the registry insecure. */
  readonly insecure: boolean;
  /** Ends what all requests wait for together; a single request's own signal must not. */
  readonly signal: AbortSignal | undefined;
}

/** What a server wants to see. */
export interface Wanted {
  /** The value of WWW-Authenticate. */
  readonly header: string;
  /** Whether it is that of the whole registry, whose scope is about something else, if it names one at all. */
  readonly isForAll: boolean;
}

/** Where and for what the server wants us to have a token. */
interface TokenOffer {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scope: string;
}

/** Proves to one registry who we are, when it asks. Credentials are looked up only then. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  #credentials: Promise<Credentials | undefined> | undefined;
  /** An Authorization that needs no token server. */
  #direct: string | undefined;
  #wasAsked = false;
  #offer: TokenOffer | undefined;
  #token: Token | undefined;
  /** Several requests at once want the same token. */
  #fetching: Promise<void> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Whether the registry has ever asked who we are. */
  get wasAsked(): boolean {
    return this.#wasAsked;
  }

  /** The value of Authorization for the next request; undefined before the registry has asked for one. */
  async header(): Promise<string | undefined> {
    if (this.#direct !== undefined) return this.#direct;
    if (this.#offer === undefined) return undefined;
    const lifetime = (this.#token?.expiresAt ?? 0) - Date.now();
    if (this.#token !== undefined && lifetime <= MARGIN_MS) this.#token = undefined;
    if (this.#token === undefined) await this.#fetchToken();
    return this.#token === undefined ? undefined : `Bearer ${(this.#token as Token).value}`;
  }

  /**
   * Takes up a challenge.
   *
   * @param sent the Authorization of the request that was refused.
   * @returns whether trying again makes sense.
   */
  async accept(base: URL, wanted: Wanted, sent: string | undefined): Promise<boolean> {
    this.#wasAsked = true;
    // Another request got a new token in the meantime.
    if (sent !== (await this.header())) return true;
    const challenges = parseChallenges(wanted.header);
    const credentials = await this.credentials();
    if (credentials !== undefined && "registryToken" in credentials) return this.#present(credentials, sent);
    const bearer = challenges.find(
      ({ scheme, parameters }) => scheme === "bearer" && parameters.has("realm"),
    );
    if (bearer !== undefined) {
      this.#offer = this.#readOffer(base, bearer, wanted.isForAll);
      this.#token = undefined;
      await this.#fetchToken();
      return this.#token !== undefined;
    }
    if (sent?.startsWith("Basic ") || !challenges.some(({ scheme }) => scheme === "basic")) return false;
    if (credentials === undefined || !("password" in credentials)) return false;
    this.#direct = basicAuthorization(credentials, this.#options.secrets);
    return true;
  }

  /** A token that the user has from elsewhere is used as it is, once. */
  #present({ registryToken }: { readonly registryToken: string }, sent: string | undefined): boolean {
    this.#options.secrets.add(registryToken);
    if (sent !== undefined) return false;
    if (!/^[\x21-\x7e]+$/.test(registryToken)) {
      const what = `the token for ${this.#options.registry} has characters that no token has`;
      throw new SmolError("registry.unauthorized", what, { hint: "log in again" });
    }
    this.#direct = `Bearer ${registryToken}`;
    return true;
  }

  credentials(): Promise<Credentials | undefined> {
    const { registry, repository, credentials } = this.#options;
    const found = this.#credentials ?? credentials.find(registry, repository);
    this.#credentials = found;
    return found;
  }

  /** Why credentials that the user may have were not found; undefined until they are looked up. */
  get unread(): string | undefined {
    return this.#options.credentials.unread;
  }

  #fetchToken(): Promise<void> {
    this.#fetching ??= this.#fetchTokenOnce().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetchTokenOnce(): Promise<void> {
    const offer = this.#offer;
    if (offer === undefined) return;
    const { registry, connections, secrets, signal } = this.#options;
    const found = await this.credentials();
    const credentials = found !== undefined && "registryToken" in found ? undefined : found;
    this.#token = await fetchToken({ ...offer, credentials, registry, signal }, connections, secrets);
  }

  #readOffer(base: URL, { parameters }: Challenge, isForAll: boolean): TokenOffer {
    const { repository, actions } = this.#options;
    const reading = `repository:${repository}:pull`;
    const own = `repository:${repository}:${actions}`;
    const named = (isForAll ? undefined : parameters.get("scope")) ?? "";
    // Who is to write later needs one token for both: else each question would cost the token of the answer before.
    const scope = named === reading ? own : named;
    const usable = /^[\x20-\x7e]+$/.test(scope) && scope.length <= MAX_SCOPE;
    return {
      realm: this.#checkRealm(base, parameters.get("realm") ?? ""),
      service: parameters.get("service"),
      scope: usable ? scope : own,
    };
  }

  /** Tokens and passwords travel encrypted, unless the user, or this machine's own network, makes that pointless. */
  #checkRealm(base: URL, text: string): URL {
    const { registry, insecure } = this.#options;
    const refused = (why: string) =>
      new SmolError("registry.bad_answer", `${registry} sends us for a token to an address that ${why}`);
    if (!URL.canParse(text)) throw refused("cannot be understood");
    const realm = new URL(text);
    if (realm.username !== "" || realm.password !== "") throw refused("has a user name in it");
    if (realm.protocol === "https:") return realm;
    if (realm.protocol !== "http:") throw refused("is neither http nor https");
    if (insecure || (base.protocol === "http:" && isLoopback(realm.hostname))) return realm;
    throw refused("is plain http");
  }
}
