/**
 * An SSH agent that is lent to somebody who is not trusted (draft-ietf-sshm-ssh-agent): keys can be listed and used, as
 * far as that is allowed, and the agent cannot be changed. Knows nothing of machines.
 */
export { type KeyUse, type LendOptions, lendAgent, type Pipe } from "./broker.ts";
export { FINGERPRINT } from "./keys.ts";
