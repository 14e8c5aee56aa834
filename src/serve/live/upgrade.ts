/** From a request to a conversation over a WebSocket (RFC 6455). */
import type { GenericSchema, InferOutput } from "valibot";
import { Refused } from "../errors.ts";
import type { Asked } from "../http/route.ts";
import { read } from "../schema/read.ts";
import type { Talk } from "./talk.ts";

/** What a request of such a route is answered with. */
export const WEBSOCKET = { type: "", status: 101, about: "The connection is a WebSocket now." } as const;

/** Makes a WebSocket of a request. @throws Refused `BAD_REQUEST` when it asks for none */
export function upgrade({ request, serving }: Pick<Asked, "request" | "serving">, talk: Talk): Response {
  const isAsked = request.method === "GET" && request.headers.get("upgrade")?.toLowerCase() === "websocket";
  if (!isAsked || !serving.upgrade(request, talk)) {
    talk.end();
    throw new Refused("BAD_REQUEST", "this takes a WebSocket");
  }
  return new Response(null);
}

/** Ends a conversation with the server. @returns what has to be called when it has ended by itself */
export function endingWith(serving: Asked["serving"], talk: () => { leave(): void }): () => void {
  const end = () => talk().leave();
  serving.ending.addEventListener("abort", end, { once: true });
  return () => serving.ending.removeEventListener("abort", end);
}

/** A client's first message. @throws Refused `BAD_REQUEST` */
export function readFirst<S extends GenericSchema>(schema: S, message: string): InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    throw new Refused("BAD_REQUEST", "the first message is not JSON");
  }
  return read(schema, value, "message");
}
