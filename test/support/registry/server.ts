import { mkdtempSync, rmSync } from "node:fs";

/** A server of somebody else's, started for a test, on a loopback port that the system chose. */
export interface Server {
  /** `127.0.0.1:PORT`: what comes before the repository in a reference. */
  readonly host: string;
  /** `http://127.0.0.1:PORT`, or https. */
  readonly url: string;
  /** Everything that it has logged. */
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

export interface ServerCommand {
  readonly command: readonly string[];
  readonly env?: Record<string, string> | undefined;
  /** Matches the log when the server listens; its first group is the port. */
  readonly listening: RegExp;
  readonly scheme: "http" | "https";
  /** Removed when the server was stopped. */
  readonly directory: string;
}

const START_MS = 20_000;

/** Starts a server and waits until it listens. @throws Error with its log when it ends, or never listens. */
export async function startServer(options: ServerCommand): Promise<Server> {
  // Ends with us, also when we are killed.
  const child = Bun.spawn(["setpriv", "--pdeathsig", "KILL", "--", ...options.command], {
    cwd: options.directory,
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: options.directory, ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let log = "";
  const stop = async () => {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(options.directory, { recursive: true, force: true });
  };
  try {
    const port = await new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not ready: ${log}`)), START_MS);
      const listen = async (stream: ReadableStream<Uint8Array>) => {
        for await (const chunk of stream) {
          log += Buffer.from(chunk).toString();
          const found = options.listening.exec(log)?.[1];
          if (found !== undefined) {
            clearTimeout(late);
            resolve(found);
          }
        }
      };
      void listen(child.stdout);
      void listen(child.stderr);
      void child.exited.then((code) => {
        clearTimeout(late);
        reject(new Error(`${options.command.join(" ")} ended with ${code}: ${log}`));
      });
    });
    const host = `127.0.0.1:${port}`;
    return { host, url: `${options.scheme}://${host}`, log: () => log, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A new directory for a server's files. */
export const serverDirectory = () => mkdtempSync("/tmp/smolvm-registry-");
