import { readFileSync, realpathSync, statSync } from "node:fs";
import { messageOf, SmolError } from "../../errors.ts";
import type { LogEntry, Place, Tls } from "../../serve/index.ts";
import type { ServeValues } from "../commands/serve/start.ts";
import { makeContext } from "../context.ts";
import { engineFromEnvironment } from "../options/engine.ts";
import { complain, print } from "../output.ts";
import { usageError } from "../usage.ts";

const DEFAULT_ORIGINS = [8080, 3000].flatMap((port) => [
  `http://localhost:${port}`,
  `http://127.0.0.1:${port}`,
]);

/** What nobody guesses. */
const LEAST_TOKEN = 16;

/** The first descriptor that systemd passes in (sd_listen_fds(3)). */
const FIRST_DESCRIPTOR = 3;

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/** Serves until a signal ends it. Resolves to the exit code. @throws SmolError `serve.*`, `cli.bad_value` */
export async function serveUntilTold(values: ServeValues): Promise<number> {
  const token = values.tokenFile === undefined ? undefined : readToken(values.tokenFile);
  const tls = readTls(values);
  const places = values.listen.length > 0 ? values.listen.map(placeOf) : (inherited() ?? [defaultPlace()]);
  for (const place of places) checkReach(place, token !== undefined || tls !== undefined);
  const { startServer } = await import("../../serve/index.ts");
  const server = await startServer(makeContext(), {
    ...{ places, tls, token },
    mountRoots: values.mountRoots.map(rootOf),
    engine: engineFromEnvironment(),
    requestTimeoutMs: values.requestTimeout,
    origins: values.origins.length > 0 ? values.origins : DEFAULT_ORIGINS,
    log: values.jsonLogs ? logJson : values.verbose ? logText : undefined,
  });
  const told = Promise.withResolvers<void>();
  const again = Promise.withResolvers<void>();
  let isTold = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => {
      if (isTold) again.resolve();
      isTold = true;
      told.resolve();
    });
  // A terminal that is gone is no reason to end.
  process.on("SIGHUP", () => {});
  await print(server.addresses.map((address) => `smolvm API server listening on ${address}\n`).join(""));
  await told.promise;
  await Promise.race([server.stop(), again.promise]);
  return 0;
}

/** `ADDR:PORT`, `unix://PATH`, or a path. */
export function placeOf(text: string): Place {
  const path = text.startsWith("unix://") ? text.slice("unix://".length) : text;
  if (path.startsWith("/")) return { kind: "unix", path };
  const match = /^(?:\[([0-9a-f:]+)\]|([^:/]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw usageError(
      "cli.bad_value",
      `--listen takes no ${JSON.stringify(text)}`,
      "write ADDR:PORT, such as 127.0.0.1:8080, or the absolute path of a socket",
    );
  return { kind: "tcp", host: match[1] ?? (match[2] as string), port };
}

function defaultPlace(): Place {
  const directory = process.env.XDG_RUNTIME_DIR;
  return { kind: "unix", path: `${directory?.startsWith("/") ? directory : "/tmp"}/smolvm.sock` };
}

/** Sockets of systemd's, when they are meant for this process. */
function inherited(): Place[] | undefined {
  const { LISTEN_PID, LISTEN_FDS } = process.env;
  const count = Number(LISTEN_FDS);
  if (Number(LISTEN_PID) !== process.pid || !(count > 0 && count <= 16)) return undefined;
  return Array.from({ length: count }, (_, index) => ({ kind: "descriptor", fd: FIRST_DESCRIPTOR + index }));
}

export function checkReach(place: Place, isGuarded: boolean): void {
  if (place.kind !== "tcp" || LOOPBACK.test(place.host) || isGuarded) return;
  throw new SmolError(
    "serve.unguarded",
    `everybody who reaches ${place.host} could use this host's machines`,
    {
      hint: "add --token-file FILE or the --tls options, or listen on 127.0.0.1",
    },
  );
}

export function readToken(path: string): string {
  const token = readWhole(path).trim();
  if ((statSync(path).mode & 0o077) !== 0)
    throw new SmolError("serve.bad_token", `others can read the token in ${path}`, {
      hint: `chmod 600 ${path}`,
    });
  if (token.length < LEAST_TOKEN || /\s/.test(token))
    throw new SmolError(
      "serve.bad_token",
      `the token in ${path} has not ${LEAST_TOKEN} characters or more in one word`,
      {
        hint: `openssl rand -hex 32 > ${path}`,
      },
    );
  return token;
}

function readTls(values: ServeValues): Tls | undefined {
  const { env } = process;
  const cert = values.tlsCert ?? env.SMOLVM_SERVE_TLS_CERT;
  const key = values.tlsKey ?? env.SMOLVM_SERVE_TLS_KEY;
  const ca = values.tlsClientCa ?? env.SMOLVM_SERVE_TLS_CLIENT_CA;
  const given = [cert, key, ca].filter((path) => path !== undefined && path !== "");
  if (given.length === 0) {
    if (env.SMOLVM_SERVE_REQUIRE_MTLS !== "1") return undefined;
    throw new SmolError(
      "serve.tls",
      "SMOLVM_SERVE_REQUIRE_MTLS=1 asks for --tls-cert, --tls-key and --tls-client-ca",
    );
  }
  if (given.length < 3)
    throw new SmolError("serve.tls", "--tls-cert, --tls-key and --tls-client-ca go together", {
      hint: "clients are known by their certificates, which the third one judges",
    });
  const [certPath, keyPath, caPath] = given as [string, string, string];
  return { cert: readWhole(certPath), key: readWhole(keyPath), ca: readWhole(caPath) };
}

function readWhole(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new SmolError("serve.unreadable", `cannot read ${path}: ${messageOf(error)}`);
  }
}

export function rootOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new SmolError("serve.unreadable", `--allow-mount: ${messageOf(error)}`);
  }
}

const logJson = (entry: LogEntry) =>
  complain(JSON.stringify({ timestamp: new Date().toISOString(), ...entry }));

const logText = ({ method, path, status, milliseconds, traceId, failure }: LogEntry) =>
  complain(
    `${method} ${path} ${status} ${milliseconds} ms ${traceId}${failure === undefined ? "" : ` ${failure}`}`,
  );
