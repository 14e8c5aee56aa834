/** Registries for tests, all on loopback: real ones, and a proxy that lies. */
export * from "./cache.ts";
export { type Authority, type Certificate, createAuthority } from "./certificates.ts";
export { crane, craneProgram, startCraneRegistry } from "./crane.ts";
export { startDockerRegistry } from "./docker-registry.ts";
export { Exchange, type SeenRequest } from "./exchange.ts";
export * from "./fixtures.ts";
export { type ForwardProxy, startForwardProxy } from "./forward-proxy.ts";
export { type AnyDescriptor, digestWith, Handmade, types } from "./handmade.ts";
export * from "./lies.ts";
export { oddLayout } from "./odd-layout.ts";
export { type Lie, type LyingProxy, type Rule, startProxy } from "./proxy.ts";
export { type PullError, PullHome, QUICK } from "./pull-home.ts";
export { copyTo, pushArchives, pushIndex, pushLayout } from "./push.ts";
export { pushPacked } from "./push-packed.ts";
export { serve } from "./serve.ts";
export type { Server } from "./server.ts";
export { startTokenServer, type TokenServer } from "./token-server.ts";
