/** The sockets at which a server listens. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server as Relay } from "node:net";
import { tmpdir } from "node:os";
import type { Server, WebSocketHandler } from "bun";
import { errnoOf, messageOf, SmolError } from "../../errors.ts";
import { MAX_MESSAGE_BYTES } from "../live/interactive.ts";
import type { Talk } from "../live/talk.ts";
import { removeSocket, removeStale, whilePlaceIsOurs } from "./socket-place.ts";

/** Where to listen. */
export type Place =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** Inherited: systemd listens there already (sd_listen_fds(3)). */
  | { readonly kind: "descriptor"; readonly fd: number };

export interface Tls {
  readonly cert: string;
  readonly key: string;
  /** Who clients' certificates have to come from. */
  readonly ca: string;
}

/**
 * Seconds in which a client of a TCP port has to send its request, and between two requests. What is being worked on has
 * the limit of its route. Bun 1.4.5 ends requests on Unix sockets by this time too, so these have none: whoever can
 * connect there is the user.
 */
const IDLE_SECONDS = 30;

export interface Listener {
  /** As people write it: `http://127.0.0.1:8080`, `unix:///run/…`. */
  readonly address: string;
  /** Takes no more connections; resolves when those that there are have no request any more. */
  close(): Promise<void>;
  /** Ends those that there are. */
  end(): Promise<void>;
}

export type BunServer = Server<Talk>;

type Serve = (request: Request, server: BunServer, isPrivate: boolean) => Promise<Response>;

const websocket: WebSocketHandler<Talk> = {
  open: (socket) => void socket.data.open(socket),
  message: (socket, message) => socket.data.message(socket, message),
  drain: (socket) => socket.data.drain(),
  close: (socket) => socket.data.end(),
  maxPayloadLength: MAX_MESSAGE_BYTES,
  // Bun's own pings find clients that are gone; a terminal may be silent for long.
  idleTimeout: 120,
  sendPings: true,
  perMessageDeflate: false,
};

/** @throws SmolError `serve.in_use`, `serve.cannot_listen`, `serve.tls` for a descriptor, which it would leave unguarded */
export async function listen(place: Place, serve: Serve, tls: Tls | undefined): Promise<Listener> {
  if (place.kind === "tcp") return listenTcp(place, serve, tls);
  if (place.kind === "unix") return await listenUnix(place.path, serve, true);
  if (tls !== undefined)
    throw new SmolError("serve.tls", "what systemd passes in cannot have certificates", {
      hint: "let the server open the port itself: --listen ADDR:PORT",
    });
  // Bun.serve takes no descriptor: what comes in there is passed on to a socket of our own.
  const directory = mkdtempSync(`${tmpdir()}/smolvm-serve-`);
  const path = `${directory}/socket`;
  // That may be a TCP port: who comes in is not known.
  const inner = await listenUnix(path, serve, false);
  const relay = await relayFrom(place.fd, path);
  return {
    address: `descriptor ${place.fd}`,
    close: async () => {
      relay.close();
      await inner.close();
    },
    end: async () => {
      await inner.end();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A request's body may be as long as a file. */
const common = { maxRequestBodySize: Number.MAX_SAFE_INTEGER, websocket, development: false } as const;

function listenTcp({ host, port }: Place & { kind: "tcp" }, serve: Serve, tls: Tls | undefined): Listener {
  try {
    const server: BunServer = Bun.serve<Talk>({
      ...common,
      hostname: host,
      port,
      idleTimeout: IDLE_SECONDS,
      fetch: (request, server) => {
        server.timeout(request, 0);
        return serve(request, server, tls !== undefined);
      },
      ...(tls === undefined ? {} : { tls: { ...tls, requestCert: true, rejectUnauthorized: true } }),
    });
    const scheme = tls === undefined ? "http" : "https";
    const shown = host.includes(":") ? `[${host}]` : host;
    return listenerOf(server, `${scheme}://${shown}:${server.port}`);
  } catch (error) {
    throw cannotListen(`${host}:${port}`, error);
  }
}

async function listenUnix(path: string, serve: Serve, isPrivate: boolean): Promise<Listener> {
  if (Buffer.byteLength(path) > 107)
    throw new SmolError(
      "serve.cannot_listen",
      `cannot listen at ${path}: a socket's path has at most 107 bytes`,
    );
  return await whilePlaceIsOurs(path, async () => {
    await removeStale(path);
    return listenAt(path, serve, isPrivate);
  });
}

function listenAt(path: string, serve: Serve, isPrivate: boolean): Listener {
  // From its first moment nobody else can open it.
  const before = process.umask(0o177);
  try {
    const options = {
      ...common,
      unix: path,
      fetch: (request: Request, server: BunServer) => serve(request, server, isPrivate),
    };
    // Bun's types say that a Unix socket has no such limit; its program has one of 10 s unless it is told.
    const server = Bun.serve<Talk>({ ...options, idleTimeout: 0 } as typeof options);
    return listenerOf(server, `unix://${path}`, path);
  } catch (error) {
    throw cannotListen(path, error);
  } finally {
    process.umask(before);
  }
}

function listenerOf(server: BunServer, address: string, path?: string): Listener {
  return {
    address,
    close: async () => {
      if (path === undefined) return await server.stop(false);
      // So that the next server finds nothing at its place, and this one takes away nobody's but its own.
      const { closed } = await whilePlaceIsOurs(path, async () => {
        const closed = server.stop(false);
        removeSocket(path);
        return { closed };
      });
      await closed;
    },
    end: async () => await server.stop(true),
  };
}

function cannotListen(where: string, error: unknown): SmolError {
  const inUse = errnoOf(error) === "EADDRINUSE";
  return new SmolError(
    inUse ? "serve.in_use" : "serve.cannot_listen",
    `cannot listen at ${where}: ${messageOf(error)}`,
    {
      cause: error,
    },
  );
}

/** Passes connections of a descriptor on to a socket of ours. */
async function relayFrom(fd: number, path: string): Promise<Relay> {
  const relay = createServer({ allowHalfOpen: true }, (outer) => {
    const inner = connect({ path, allowHalfOpen: true });
    outer.on("error", () => inner.destroy());
    inner.on("error", () => outer.destroy());
    outer.on("close", () => inner.destroy());
    inner.on("close", () => outer.destroySoon());
    outer.pipe(inner);
    inner.pipe(outer);
  });
  await new Promise<void>((resolve, reject) => {
    relay.once("error", reject);
    relay.listen({ fd }, resolve);
  });
  return relay;
}
