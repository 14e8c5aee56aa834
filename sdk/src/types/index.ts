/** The shapes that callers and the SDK hand each other. */
export type * from "./calls.ts";
export type * from "./commands.ts";
export type * from "./known.ts";
export type * from "./machine.ts";
