/** Images of registries: downloaded, verified and made part of the cache in one pass. */
export { type Pulled, type PullRequest, pull } from "./pull.ts";
