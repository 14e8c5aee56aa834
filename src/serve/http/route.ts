/**
 * What the API consists of: each route is one value, from which the router, the checks of requests, and the OpenAPI
 * document are made.
 */
import type { GenericSchema, InferInput, InferOutput } from "valibot";
import type { Problem } from "../errors.ts";
import type { Former, TableSchema } from "../schema/read.ts";
import type { Serving } from "../serving.ts";

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** One machine. */
export const MACHINE = "/api/v1/machines/{name}";

/** The parts that paths may have; `path`, which is last, takes the rest. */
export type Param = "name" | "volume" | "id" | "path";

/** What a client has sent, checked. */
export interface Asked<Q = unknown, B = unknown> {
  /** The parts of the path, decoded; empty are those that it does not have. */
  readonly params: Readonly<Record<Param, string>>;
  readonly query: Q;
  readonly body: B;
  readonly request: Request;
  /** Aborted when the client has gone, the time is over, or the server ends. */
  readonly signal: AbortSignal;
  readonly serving: Serving;
  /** What the client is told of an error that ends a stream; the log gets what the client does not. */
  readonly explain: (error: unknown) => Problem;
  /** Of an answer that is a stream: nothing of it is left. Again has no effect. */
  readonly ended: () => void;
}

interface Facts {
  readonly method: Method;
  /** With a `{Param}` for each part that is free. */
  readonly path: string;
  /** Of the operation, as clients that are made from the document call it. */
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string | undefined;
  /** Statuses of failures that are this route's own. */
  readonly failures?: readonly number[] | undefined;
  /**
   * How long an answer may take. `server`: what the server was told. `own`: the route sees to it. `none`: as long as
   * client and machine are there; an answer that is no JSON then is a stream, and has to tell when it has `ended`.
   */
  readonly limit: "server" | "own" | "none";
  /** What the answer names that is a part of other routes' paths: where it stands, as a JSON pointer (RFC 6901). */
  readonly gives?: Partial<Readonly<Record<Param, string>>> | undefined;
  /** Answers also whoever has no token. */
  readonly open?: boolean | undefined;
}

/** A document in JSON. */
export interface JsonBody<S extends GenericSchema = GenericSchema> {
  readonly schema: S;
  /** A request without a body is one with `{}`. */
  readonly optional?: boolean | undefined;
  readonly former?: Former | undefined;
}

/** How an answer is described that is not JSON. */
export interface RawAnswer {
  readonly type: string;
  readonly about: string;
  readonly status?: number | undefined;
}

export interface Route extends Facts {
  readonly query: TableSchema | undefined;
  readonly body: JsonBody | "bytes" | undefined;
  readonly answer: { readonly schema: GenericSchema; readonly about: string } | RawAnswer;
  readonly handle: (asked: Asked) => Promise<Response>;
}

type OutputOf<S> = S extends GenericSchema ? InferOutput<S> : Record<string, never>;
type BodyOf<B> = B extends JsonBody<infer S> ? InferOutput<S> : undefined;

/** A route whose answer is JSON. */
export function jsonRoute<
  S extends GenericSchema,
  Q extends TableSchema | undefined = undefined,
  B extends JsonBody | "bytes" | undefined = undefined,
>(
  facts: Facts & {
    readonly query?: Q;
    readonly body?: B;
    readonly answer: { readonly schema: S; readonly about: string };
    readonly handle: (asked: Asked<OutputOf<Q>, BodyOf<B>>) => Promise<InferInput<S>> | InferInput<S>;
  },
): Route {
  const handle = async (asked: Asked) => Response.json(await facts.handle(asked as never));
  return { ...facts, query: facts.query, body: facts.body, handle };
}

/** A route whose answer is something else. */
export function rawRoute<
  Q extends TableSchema | undefined = undefined,
  B extends JsonBody | "bytes" | undefined = undefined,
>(
  facts: Facts & {
    readonly query?: Q;
    readonly body?: B;
    readonly answer: RawAnswer;
    readonly handle: (asked: Asked<OutputOf<Q>, BodyOf<B>>) => Promise<Response> | Response;
  },
): Route {
  const handle = async (asked: Asked) => await facts.handle(asked as never);
  return { ...facts, query: facts.query, body: facts.body, handle };
}
