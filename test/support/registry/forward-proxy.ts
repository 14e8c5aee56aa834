import { connect, createServer, type Socket } from "node:net";

/** A request that came to a forward proxy. */
export interface Passed {
  readonly method: string;
  /** `name:port` of CONNECT, or a whole URL. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ForwardProxy {
  readonly url: string;
  readonly passed: readonly Passed[];
  readonly stop: () => Promise<void>;
}

export interface ForwardProxyOptions {
  /** Where names lead that exist nowhere else: `name:port` to `address:port`. */
  readonly hosts: Readonly<Record<string, string>>;
  /** `user:password` that it wants. */
  readonly credentials?: string | undefined;
}

/** An HTTP proxy of the kind that HTTPS_PROXY and HTTP_PROXY name (RFC 9110 9.3.6, RFC 9112 3.2.2). */
export async function startForwardProxy(options: ForwardProxyOptions): Promise<ForwardProxy> {
  const passed: Passed[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    sockets.add(client);
    client.on("error", () => client.destroy());
    let unread = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      const end = unread.indexOf("\r\n\r\n");
      if (end < 0) return;
      client.off("data", onData);
      client.pause();
      const rest = unread.subarray(end + 4);
      const request = parse(unread.toString("latin1", 0, end));
      passed.push(request);
      const wanted = options.credentials && `Basic ${Buffer.from(options.credentials).toString("base64")}`;
      if (wanted !== undefined && request.headers["proxy-authorization"] !== wanted) {
        const challenge = 'proxy-authenticate: Basic realm="proxy"';
        client.end(`HTTP/1.1 407 Who\r\n${challenge}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
        return;
      }
      const to = options.hosts[hostOf(request)];
      if (to === undefined) {
        client.end("HTTP/1.1 502 Nowhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
      }
      const [address = "", port] = to.split(":");
      const upstream = connect(Number(port), address, () => {
        if (request.method === "CONNECT") client.write("HTTP/1.1 200 Connected\r\n\r\n");
        else upstream.write(originForm(request));
        upstream.write(rest);
        client.pipe(upstream).pipe(client);
      });
      sockets.add(upstream);
      upstream.on("error", () => client.destroy());
      client.on("close", () => upstream.destroy());
      upstream.on("close", () => client.destroy());
    };
    client.on("data", onData);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the proxy has no port");
  return {
    url: `http://127.0.0.1:${bound.port}`,
    passed,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function parse(head: string): Passed {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", target = ""] = first.split(" ");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { method, target, headers };
}

function hostOf({ method, target }: Passed): string {
  if (method === "CONNECT") return target;
  const { hostname, port } = new URL(target);
  return `${hostname}:${port || 80}`;
}

/** The request as the server behind wants it. One request a connection is enough here. */
function originForm({ method, target, headers }: Passed): string {
  const { pathname, search } = new URL(target);
  const kept = Object.entries(headers).filter(([name]) => !/^(proxy-|connection$)/.test(name));
  const lines = kept.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `${method} ${pathname}${search} HTTP/1.1\r\n${lines}connection: close\r\n\r\n`;
}
