import { writeFileSync } from "node:fs";
import type { Certificate } from "./certificates.ts";
import { type Server, serverDirectory, startServer } from "./server.ts";
import type { TokenServer } from "./token-server.ts";

export interface DockerRegistryOptions {
  /** Basic authentication: names and passwords. */
  readonly users?: Record<string, string> | undefined;
  /** Bearer tokens of this server. */
  readonly tokens?: TokenServer | undefined;
  readonly tls?: Certificate | undefined;
}

const PACKAGE = "docker-registry";

/** Starts Debian's docker-registry (distribution 2.8) with a new, empty store. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<Server> {
  const { users, tokens, tls } = options;
  for (const [program, from] of [
    [PACKAGE, PACKAGE],
    ["htpasswd", "apache2-utils"],
  ] as const)
    if (Bun.which(program) === null) throw new Error(`this test needs ${program}: apt install ${from}`);
  const directory = serverDirectory();
  const config = {
    version: 0.1,
    log: { level: "info", formatter: "text", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: `${directory}/store` },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: {
      addr: "127.0.0.1:0",
      // Of several instances behind one name; without it the registry warns.
      secret: "one instance only",
      tls: tls && { certificate: tls.certificate, key: tls.key },
    },
    validation: { manifests: { urls: { allow: ["^https?://"] } } },
    ...(users && { auth: { htpasswd: { realm: "test", path: writePasswords(directory, users) } } }),
    ...(tokens && { auth: { token: tokens.trust(directory) } }),
  };
  // JSON is YAML.
  writeFileSync(`${directory}/config.yml`, JSON.stringify(config));
  return await startServer({
    command: [PACKAGE, "serve", `${directory}/config.yml`],
    env: { OTEL_TRACES_EXPORTER: "none" },
    listening: /listening on 127\.0\.0\.1:(\d+)/,
    scheme: tls === undefined ? "http" : "https",
    directory,
  });
}

function writePasswords(directory: string, users: Record<string, string>): string {
  const path = `${directory}/htpasswd`;
  writeFileSync(path, "");
  for (const [name, password] of Object.entries(users)) {
    // -B: bcrypt, the only kind that the registry knows; 5 rounds of it.
    const { exitCode, stderr } = Bun.spawnSync(["htpasswd", "-B", "-C", "5", "-i", path, name], {
      stdin: Buffer.from(password),
    });
    if (exitCode !== 0) throw new Error(`htpasswd: ${stderr}`);
  }
  return path;
}
