/** Authentication at registries: challenges, tokens, and who may see which secret. */
export { Authorizer, type Wanted } from "./authorizer.ts";
