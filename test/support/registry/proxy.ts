import { readFileSync } from "node:fs";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Certificate } from "./certificates.ts";
import { Exchange, type SeenRequest } from "./exchange.ts";
import { forward } from "./forward.ts";

/** What a proxy does with some requests instead of passing them on. */
export interface Rule {
  readonly when: (request: SeenRequest) => boolean;
  /** After so many times the rule is over; default never. */
  readonly times?: number | undefined;
  readonly act: Lie;
}

/** Answers a request, in whatever way. Whoever returns without an answer leaves it to the next rule. */
export type Lie = (exchange: Exchange) => Promise<void> | void;

export interface ProxyOptions {
  /** URL of the registry behind it; without one, requests that no rule answers get 404. */
  readonly upstream?: string | undefined;
  readonly rules?: readonly Rule[] | undefined;
  readonly tls?: Certificate | undefined;
  /** Default 127.0.0.1; every address in 127.0.0.0/8 is another host on the same machine. */
  readonly address?: string | undefined;
}

export interface LyingProxy {
  readonly host: string;
  readonly url: string;
  /** All requests so far, in the order in which they came. */
  readonly requests: readonly SeenRequest[];
  /** In force from now on, before those that were there already. */
  readonly add: (...rules: readonly Rule[]) => void;
  /** Forgets all rules and requests. */
  readonly reset: () => void;
  readonly stop: () => Promise<void>;
}

/**
 * Something between a client and a registry that tells the truth until a rule makes it lie. It speaks HTTP/1.1 by
 * hand: a lie is in the very bytes that the client gets, and no library repairs it on the way.
 */
export async function startProxy(options: ProxyOptions = {}): Promise<LyingProxy> {
  const { address = "127.0.0.1", tls, upstream } = options;
  const requests: SeenRequest[] = [];
  const rules = new Map<Rule, number>();
  const add = (...more: readonly Rule[]) => {
    const before = [...rules];
    rules.clear();
    for (const rule of more) rules.set(rule, 0);
    for (const [rule, used] of before) rules.set(rule, used);
  };
  add(...(options.rules ?? []));

  const answer = async (exchange: Exchange) => {
    for (const [rule, used] of rules) {
      if (used >= (rule.times ?? Number.POSITIVE_INFINITY) || !rule.when(exchange.request)) continue;
      rules.set(rule, used + 1);
      await rule.act(exchange);
      if (exchange.answered) return;
    }
    if (upstream === undefined) await exchange.respond(404, {}, "nothing here");
    else await forward(exchange, upstream);
  };

  const sockets = new Set<Socket>();
  const serve = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy()); // the client went away, or we made it go
    socket.on("close", () => sockets.delete(socket));
    void converse(socket, requests, answer).finally(() => socket.destroy());
  };
  const server: NetServer = tls
    ? createTlsServer({ cert: readFileSync(tls.certificate), key: readFileSync(tls.key) }, serve)
    : createServer(serve);
  server.on("tlsClientError", () => {}); // a client that does not believe the certificate
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the proxy has no port");
  const host = `${address}:${bound.port}`;
  return {
    host,
    url: `${tls ? "https" : "http"}://${host}`,
    requests,
    add,
    reset() {
      rules.clear();
      requests.length = 0;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Reads the requests of one connection and has each answered; pipelining is nothing that registry clients do. */
async function converse(
  socket: Socket,
  requests: SeenRequest[],
  answer: (exchange: Exchange) => Promise<void>,
): Promise<void> {
  let unread = Buffer.alloc(0);
  try {
    for await (const chunk of socket) {
      unread = Buffer.concat([unread, chunk]);
      const end = unread.indexOf("\r\n\r\n");
      if (end < 0) continue;
      const exchange = new Exchange(unread.toString("latin1", 0, end), socket);
      unread = unread.subarray(end + 4);
      requests.push(exchange.request);
      await answer(exchange);
      if (exchange.closed) return;
    }
  } catch {
    // The connection broke: that is for the client to complain about.
  }
}
