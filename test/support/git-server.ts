import { execFileSync, spawn } from "node:child_process";
import { createServer } from "node:net";
import { distributionSources, resolvePackages } from "../../build/apt.ts";
import { part } from "../../build/parts.ts";
import { unpackRoot } from "../lab/packages.ts";

/** Repositories of a directory of the host's on its loopback, by git's own programs; whoever comes may push. */
export interface GitServer {
  /** Where `git http-backend` answers. */
  readonly http: number;
  /** Where `git daemon` answers. */
  readonly git: number;
  readonly close: () => void;
}

/** @param directory has bare repositories, which must be of the user's who runs this */
export async function serveRepositories(directory: string): Promise<GitServer> {
  const web = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: (request) => answer(directory, request),
  });
  const options = ["--inetd", "--export-all", "--enable=receive-pack", `--base-path=${directory}`];
  const daemon = createServer({ allowHalfOpen: true }, (socket) => {
    const child = spawn("git", ["daemon", ...options], { stdio: ["pipe", "pipe", "inherit"] });
    for (const stream of [socket, child.stdin]) stream.on("error", () => child.kill());
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
  });
  await new Promise<void>((resolve) => daemon.listen(0, "127.0.0.1", resolve));
  const { port } = daemon.address() as { port: number };
  const close = () => {
    void web.stop(true);
    daemon.close();
  };
  return { http: web.port ?? 0, git: port, close };
}

/** A request to the CGI program that git has for it (git-http-backend(1), RFC 3875). */
async function answer(directory: string, request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const child = Bun.spawn(["git", "http-backend"], {
    env: {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      GIT_PROJECT_ROOT: directory,
      GIT_HTTP_EXPORT_ALL: "1",
      REMOTE_USER: "guest",
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers.get("content-type") ?? "",
      HTTP_CONTENT_ENCODING: request.headers.get("content-encoding") ?? "",
      HTTP_GIT_PROTOCOL: request.headers.get("git-protocol") ?? "",
    },
    stdin: new Uint8Array(await request.arrayBuffer()),
    stdout: "pipe",
    stderr: "inherit",
  });
  const output = Buffer.from(await new Response(child.stdout).arrayBuffer());
  const end = output.indexOf("\r\n\r\n");
  const headers = new Headers(
    output
      .subarray(0, end)
      .toString()
      .split("\r\n")
      .map((line) => line.split(/: */, 2) as [string, string]),
  );
  const status = Number.parseInt(headers.get("status") ?? "200", 10);
  headers.delete("status");
  return new Response(new Uint8Array(output.subarray(end + 4)), { status, headers });
}

/** git on the host, without its user's settings: what it says. */
export function git(directory: string, ...words: string[]): string {
  const identity = ["-c", "user.name=Host", "-c", "user.email=host@example.test"];
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
  return execFileSync("git", ["-C", directory, ...identity, ...words], { env, encoding: "utf8" }).trim();
}

/**
 * A folder with Debian's git and all that it needs, for a guest of the same release (test/support/debian.ts). An emulated
 * processor would take minutes to unpack Perl, on which the package depends.
 */
export async function gitFolder(): Promise<string> {
  const sources = await distributionSources();
  const packages = (await resolvePackages(["git"], sources)).map(({ sha256 }) => sha256);
  const made = await part("test-git", { recipe: import.meta.path, pins: { sources, packages } }, (out) =>
    unpackRoot(["git"], sources, out),
  );
  return `${made}/root`;
}
