import { createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** What real clients send first. */
export async function firstBytes(client: (port: number) => void): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const server = createServer((socket: Socket) => {
    const chunks: Buffer[] = [];
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks);
      if (all[0] === 22 ? all.length >= 5 + all.readUInt16BE(3) : all.includes("\r\n\r\n")) {
        socket.destroy();
        resolve(all);
      }
    });
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  client((server.address() as { port: number }).port);
  const bytes = await promise;
  server.close();
  return bytes;
}

/** The first bytes of a TLS client that asks for a server by name. */
export const helloOf = (servername: string) =>
  firstBytes((port) => {
    connectTls({ port, host: "127.0.0.1", servername, rejectUnauthorized: false }).on("error", () => {});
  });
