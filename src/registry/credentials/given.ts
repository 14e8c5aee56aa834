import type { CredentialSource, Credentials } from "./types.ts";

/**
 * Credentials that somebody gives for one registry. Every other one, a mirror too, is told what `others` has for it.
 *
 * @param registry as in `Reference`
 */
export function givenCredentials(
  registry: string,
  credentials: Credentials,
  others: CredentialSource,
): CredentialSource {
  return {
    get unread() {
      return others.unread;
    },
    find: async (asked, repository) =>
      asked === registry ? credentials : await others.find(asked, repository),
  };
}
