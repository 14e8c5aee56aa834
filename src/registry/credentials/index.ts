export { openCredentials } from "./source.ts";
export type { CredentialSource, Credentials } from "./types.ts";
