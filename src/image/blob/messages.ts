import type { SentError } from "../../sent-error.ts";
import type { BlobExpectations } from "./expected.ts";
import type { RingMemory } from "./ring.ts";

/** To a thread, each about one of the streams that it decodes: `begin`, `bytes`…, `finish`, and always `close`. */
export type ToThread = { readonly stream: number } & (
  | { readonly kind: "begin"; readonly expected: BlobExpectations; readonly ring: RingMemory }
  | { readonly kind: "bytes"; readonly buffer: SharedArrayBuffer; readonly length: number }
  | { readonly kind: "finish" }
  | { readonly kind: "close" }
);

/** From a thread. `ready` comes first: what is sent before that is lost. */
export type FromThread = { readonly kind: "ready" } | AboutStream;

/**
 * About one stream. `taken`: the buffer may be used again; `piece`: the next piece of the ring holds so many bytes of
 * the archive; `finished` comes behind the last piece.
 */
export type AboutStream = { readonly stream: number } & (
  | { readonly kind: "taken"; readonly buffer: SharedArrayBuffer }
  | { readonly kind: "piece"; readonly length: number }
  | { readonly kind: "finished"; readonly diffId: string }
  | { readonly kind: "failed"; readonly error: SentError }
);
