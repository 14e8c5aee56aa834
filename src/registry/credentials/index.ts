export { givenCredentials } from "./given.ts";
export { openCredentials } from "./source.ts";
export type { CredentialSource, Credentials } from "./types.ts";
