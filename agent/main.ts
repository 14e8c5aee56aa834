/** The guest's agent: serves the host's requests on the byte pipe that /init has opened to it. */
import { Connection, connectTransport } from "../src/protocol/index.ts";
import { version } from "../src/version.ts";
import { serveStream } from "./serve.ts";

/** The descriptor on which /init leaves the connection to the host (agent/init.c). */
const CHANNEL_FD = 3;

/** A time that /init left in the environment, in milliseconds. */
const timeFromInit = (name: string) => Number(process.env[name] ?? 0);

/** Serves the host until the connection ends; that is the end of the machine. */
export async function runAgent(): Promise<void> {
  const transport = await connectTransport({ fd: CHANNEL_FD });
  const connection = new Connection(transport, {
    hello: {
      version,
      bootMs: { init: timeFromInit("SMOLVM_INIT_MS"), agent: Date.now() - timeFromInit("SMOLVM_KERNEL_MS") },
    },
    onStream: serveStream,
  });
  const error = await connection.closed;
  if (error !== undefined) console.error(`smolvm: agent: ${error.message}`);
  process.exit(error === undefined ? 0 : 1);
}
