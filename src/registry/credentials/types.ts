/** What proves to a registry who asks. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** A refresh token for the registry's token server (OAuth 2, RFC 6749 section 6). */
  | { readonly identityToken: string; readonly username?: string }
  /** A bearer token that the registry takes as it is (RFC 6750). */
  | { readonly registryToken: string };

export interface CredentialSource {
  /** Why some credentials could not be looked at, which is no error while a registry wants none. */
  readonly unread?: string | undefined;
  /**
   * Credentials for a registry (`docker.io`, `localhost:5000`), or for a repository in it (`library/alpine`), where
   * podman's files tell repositories apart. undefined when nobody has any: the registry is asked anonymously.
   *
   * @throws SmolError `config.password_env`, `credentials.*`; no message has a secret in it
   */
  find(registry: string, repository?: string): Promise<Credentials | undefined>;
}
