/** Names: answers a guest's questions, under a policy, from the host's files and servers. */
export { type Lookup, NameService, type NameServiceOptions } from "./name-service.ts";
export type { Server } from "./server.ts";
