import { command } from "../../program/command.ts";
import { flag, list, type Values, value, valueOr } from "../../program/types.ts";
import { parseDuration } from "../../values/duration.ts";
import { parseText } from "../../values/text.ts";

const options = {
  listen: list({
    long: "listen",
    short: "l",
    placeholder: "PLACE",
    description: "ADDR:PORT, or the path of a Unix socket (default: see below)",
    parse: parseText,
  }),
  tokenFile: value({
    long: "token-file",
    placeholder: "FILE",
    description: "Requests have to bring the token that is in this file",
    parse: parseText,
  }),
  tlsCert: value({
    long: "tls-cert",
    placeholder: "FILE",
    description: "Certificate of the server (PEM); with the next two",
    parse: parseText,
  }),
  tlsKey: value({
    long: "tls-key",
    placeholder: "FILE",
    description: "Its private key (PEM)",
    parse: parseText,
  }),
  tlsClientCa: value({
    long: "tls-client-ca",
    placeholder: "FILE",
    description: "Clients need a certificate of this authority (PEM)",
    parse: parseText,
  }),
  mountRoots: list({
    long: "allow-mount",
    placeholder: "DIR",
    description: "Requests may name paths of this host below DIR",
    parse: parseText,
  }),
  origins: list({
    long: "cors-origin",
    placeholder: "ORIGIN",
    description: "Web pages of ORIGIN may ask (default: localhost:8080 and :3000)",
    parse: parseText,
  }),
  requestTimeout: valueOr({
    long: "request-timeout",
    placeholder: "DURATION",
    description: "Give up a request that takes longer",
    parse: parseDuration,
    fallback: 300_000,
    defaultText: "5m",
  }),
  jsonLogs: flag({ long: "json-logs", description: "Write a line of JSON on stderr for each request" }),
  verbose: flag({ long: "verbose", short: "v", description: "Write a line on stderr for each request" }),
};

export const serveStart = command({
  path: ["serve", "start"],
  summary: "Answer requests over HTTP until it is told to end",
  options,
  text: `Offers what the command line does to programs, over HTTP: docs/http-api.md, and /docs of the server.
Machines made here, by the command line and by other servers are one set. The server keeps nothing:
it can be ended or killed, and machines run on. smolvm serve means the same.

Without --listen it is the socket $XDG_RUNTIME_DIR/smolvm.sock, else /tmp/smolvm.sock, which only
you can open; or what systemd passes in (LISTEN_FDS). A TCP port is on the host's loopback: another
address needs --token-file or the three --tls options, which are also SMOLVM_SERVE_TLS_CERT, _KEY
and _CLIENT_CA; with SMOLVM_SERVE_REQUIRE_MTLS=1 there is no server without them.

A token has 16 characters or more, and its file is nobody else's to read. Requests cannot name paths
of the host but below --allow-mount, and never secrets. SIGTERM and SIGINT let requests end that are
being worked on (10 s at most); a second one does not.`,
  examples: [
    { command: "smolvm serve start" },
    { command: "smolvm serve start -l 127.0.0.1:8080 --allow-mount ~/src" },
    { command: "smolvm serve start -l 0.0.0.0:8080 --token-file ./token" },
  ],
  run: async ({ values }) => {
    const { serveUntilTold } = await import("../../work/serve.ts");
    return await serveUntilTold(values);
  },
});

export type ServeValues = Values<typeof options>;
