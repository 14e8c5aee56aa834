import { describe, expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { program } from "./support/program.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** `smolvm config`: what it shows, what it writes, and what it never does. */

const home = useHome();

/** A word that must not be in anything that is printed. */
const CANARY = "c4n4ry-s3cr3t";

const directory = () => `${home.path}/config/smolvm`;
const path = () => `${directory()}/config.toml`;
const env = () => ({ XDG_CONFIG_HOME: `${home.path}/config` });
const config = (words: string, more: Record<string, string> = {}) =>
  home.smolvm(["config", ...words.split(" ")], { env: { ...env(), ...more } });

function write(text: string, name = "config.toml"): void {
  mkdirSync(directory(), { recursive: true });
  writeFileSync(`${directory()}/${name}`, text, { mode: 0o600 });
}

const REGISTRIES = `
[cloud]
api_key = "${CANARY}"
[images.registries."https://index.docker.io/v1/"]
username = "ada"
password_env = "HUB_TOKEN"
mirrors = ["http://10.0.0.5:5000", "mirror.example.com"]
[images.registries."b.example.com"]
username = "bob"
password = "${CANARY}"
insecure = true
[images.registries."c.example.com"]
username = "eve"
[images.registries."d.example.com"]
ca_file = "ca.pem"
[machines.registries."e.example.com"]
identity_token = "${CANARY}"
[cache]
max_size = "1.5GiB"
`;

describe("without a settings file", () => {
  onBoth("the commands that look create nothing", async () => {
    for (const words of [
      "show",
      "show --json",
      "registries show",
      "registries show --json",
      "registries path",
    ]) {
      expect(await config(words)).toMatchObject({ exitCode: 0, stderr: "" });
    }
    expect(existsSync(directory())).toBe(false);
    expect((await config("registries path")).output).toBe(`${path()}\n`);
    expect((await config("registries show")).output).toBe(
      `No registries configured in ${path()} (not present)\nTo configure some: smolvm config registries init\n`,
    );
    expect((await config("show")).output).toContain(
      `  File:            ${path()} (not present, defaults apply)\n`,
    );
  });
});

describe("config show", () => {
  onQemu("shows everything but secrets, in stable keys", async () => {
    write(REGISTRIES);
    const { output, stderr, exitCode } = await config("show --json", { HUB_TOKEN: CANARY });
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(output).not.toContain(CANARY);
    const registry = (host: string, facts: object) => ({
      host,
      username: null,
      auth: "no auth",
      password_env: null,
      password_env_set: null,
      mirrors: [],
      insecure: false,
      ca_file: null,
      ...facts,
    });
    expect(JSON.parse(output)).toEqual({
      path: path(),
      present: true,
      legacy_path: null,
      defaults: { cpus: expect.any(Number), memory_mib: 8192, storage_gb: 20, overlay_gb: 10 },
      images: {
        default_registry: "docker.io",
        registries: [
          registry("docker.io", {
            username: "ada",
            auth: "auth (env var)",
            password_env: "HUB_TOKEN",
            password_env_set: true,
            mirrors: ["http://10.0.0.5:5000", "mirror.example.com"],
          }),
          registry("b.example.com", { username: "bob", auth: "auth (direct)", insecure: true }),
          registry("c.example.com", { username: "eve", auth: "no password" }),
          registry("d.example.com", { ca_file: `${directory()}/ca.pem` }),
        ],
      },
      machines: {
        default_registry: "registry.smolmachines.com",
        registries: [registry("e.example.com", { auth: "auth (token)" })],
      },
      cache: { max_bytes: 1.5 * 1024 ** 3 },
      pull: { stall_timeout_seconds: 30, attempts: 5, parallel_layers: 4 },
      confinement: { mode: "auto" },
      templates: { mode: "auto" },
      unused: ["cloud"],
    });
  });

  onQemu("shows the same to people", async () => {
    write(REGISTRIES);
    const { output, stderr } = await config("show", { SMOLVM_IMAGE_CACHE_MAX_BYTES: "0" });
    expect(stderr).toBe("");
    expect(output.slice(output.indexOf("Settings:")).replace(home.path, "HOME")).toBe(`Settings:
  File:            HOME/config/smolvm/config.toml
  Image cache:     unlimited
  Stall timeout:   30 s
  Attempts:        5
  Parallel layers: 4
  Confinement:     auto
  Saved guests:    auto

Registries of images:
  Default:         docker.io
  Configured:      4
    docker.io: auth (env var) -> http://10.0.0.5:5000, mirror.example.com
    b.example.com: auth (direct), insecure
    c.example.com: no password
    d.example.com: no auth

Registries of machines:
  Default:         registry.smolmachines.com
  Configured:      1
    e.example.com: auth (token)

Without effect in this release: cloud
`);
  });

  onQemu("says where a file is wrong, without showing it", async () => {
    write(`[images.registries."a.example.com"]\nusername = "a"\npasswort = "${CANARY}"\n`);
    const plain = await config("show");
    expect(plain).toMatchObject({ output: "", exitCode: 1 });
    expect(plain.stderr).toBe(
      `error: ${path()}:3:1: unknown key images.registries."a.example.com".passwort\nhint: did you mean password?\n`,
    );
    const json = await config("show --json");
    expect(JSON.parse(json.stderr).error.code).toBe("config.unknown_key");
    write(`a = "${CANARY}`);
    expect((await config("show")).stderr).toBe(`error: ${path()}:1:5: unfinished string\n`);
  });

  onQemu("notes a file with a password that others can read", async () => {
    write(REGISTRIES);
    chmodSync(path(), 0o644);
    const { stderr, exitCode } = await config("show");
    expect(exitCode).toBe(0);
    expect(stderr).toBe(
      `note: ${path()} holds a password and other users can read it: chmod 600 ${path()}\n`,
    );
  });

  onQemu("reads registries.toml of earlier releases, and leaves it where it is", async () => {
    write('[registries."old.example.com"]\nusername = "ada"\n', "registries.toml");
    const { output } = await config("show --json");
    expect(JSON.parse(output)).toMatchObject({
      present: false,
      legacy_path: `${directory()}/registries.toml`,
      images: { registries: [{ host: "old.example.com" }] },
    });
    expect((await config("show")).output).toContain(`  [images] is from ${directory()}/registries.toml\n`);
    expect(readdirSync(directory())).toEqual(["registries.toml"]);
  });

  onQemu("reads the file that SMOLVM_CONFIG names", async () => {
    writeFileSync(`${home.path}/tmp/mine.toml`, '[images]\ndefault_registry = "example.com"\n');
    const { output } = await config("show --json", { SMOLVM_CONFIG: "tmp/mine.toml" });
    expect(JSON.parse(output)).toMatchObject({
      path: `${home.path}/tmp/mine.toml`,
      images: { default_registry: "example.com" },
    });
    await home.shell("rm tmp/mine.toml");
  });
});

describe("config registries show", () => {
  onQemu("shows where passwords come from, and whether they are there", async () => {
    write(REGISTRIES);
    const { output } = await config("registries show");
    expect(output.replaceAll(home.path, "HOME")).toBe(`Registries of HOME/config/smolvm/config.toml:

images, default docker.io:

  [docker.io]
    username: ada
    password_env: HUB_TOKEN (NOT SET)
    mirrors: http://10.0.0.5:5000, mirror.example.com

  [b.example.com]
    username: bob
    password: set
    insecure: true

  [c.example.com]
    username: eve

  [d.example.com]
    ca_file: HOME/config/smolvm/ca.pem

machines, default registry.smolmachines.com:

  [e.example.com]
    identity_token: set

Without effect in this release: cloud
`);
    expect((await config("registries show", { HUB_TOKEN: CANARY })).output).toContain(
      "    password_env: HUB_TOKEN (set)\n",
    );
    const json = await config("registries show --json", { HUB_TOKEN: CANARY });
    expect(Object.keys(JSON.parse(json.output))).toEqual(["images", "machines"]);
    expect(json.output).not.toContain(CANARY);
  });
});

describe("config registries init", () => {
  onQemu("writes an example for the owner only, once", async () => {
    const first = await config("registries init");
    expect(first).toMatchObject({
      output: `Created example configuration at ${path()}\n`,
      stderr: "",
      exitCode: 0,
    });
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(statSync(directory()).mode & 0o777).toBe(0o700);
    expect(await config("show")).toMatchObject({ exitCode: 0, stderr: "" });
    const example = readFileSync(path(), "utf8");
    const second = await config("registries init");
    expect(second).toMatchObject({ output: "", exitCode: 0 });
    expect(second.stderr).toBe(
      `note: ${path()} exists already and was left as it is: \`smolvm config registries edit\` changes it\n`,
    );
    expect(readFileSync(path(), "utf8")).toBe(example);
  });

  onQemu("fails where no file can be", async () => {
    const { stderr, exitCode } = await config("registries init", {
      SMOLVM_CONFIG: "/proc/smolvm/config.toml",
    });
    expect(exitCode).toBe(1);
    expect(stderr).toBe("error: cannot create /proc/smolvm/config.toml: ENOENT\n");
  });
});

describe("config registries edit", () => {
  const edit = (script: string, more: Record<string, string> = {}) =>
    config("registries edit", { EDITOR: script, VISUAL: "", ...more });

  onQemu("creates the example, runs the editor as a shell command, and counts", async () => {
    const script = `sh -c 'printf "%s\\n" "[images.registries.\\"a.example.com\\"]" >> "$2"; echo "arguments: $#"' sh two`;
    const { output, stderr, exitCode } = await edit(script);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(output).toBe(
      `Created example configuration at ${path()}\narguments: 2\n` +
        "Configuration valid: 1 registry configured (images 1, machines 0)\n",
    );
  });

  onQemu("prefers VISUAL", async () => {
    const { output } = await edit("echo wrong", { VISUAL: "echo right" });
    expect(output).toContain(`right ${path()}\n`);
    expect(output).not.toContain("wrong");
  });

  onQemu("opens a file whose name a shell would take apart", async () => {
    const name = `${home.path}/config/a b;$(touch x)'".toml`;
    const { output, exitCode } = await edit("echo editing", { SMOLVM_CONFIG: name });
    expect(output).toContain(`editing ${name}\n`);
    expect(exitCode).toBe(0);
    expect(readdirSync(`${home.path}/config`)).toEqual([`a b;$(touch x)'".toml`]);
  });

  onQemu("says where the file is wrong afterwards, and keeps it", async () => {
    write("[images]\n");
    const { output, stderr, exitCode } = await edit(`sh -c 'echo "imgaes = ${CANARY}" >> "$1"' sh`);
    expect({ output, exitCode }).toEqual({ output: "", exitCode: 1 });
    expect(stderr).toMatch(/^error: .*\/config.toml:2:10: [a-z ]+\n$/);
    expect(stderr).not.toContain(CANARY);
    expect(readFileSync(path(), "utf8")).toContain(CANARY);
  });

  onQemu("an editor that fails, or is none, is an error", async () => {
    write("nonsense");
    const failed = await edit("sh -c 'exit 3' sh");
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain("ended with exit code 3");
    expect(failed.stderr).toContain(`${path()} was not checked\n`);
    const missing = await edit("no-such-editor");
    expect(missing.stderr).toContain('error: the editor "no-such-editor" was not found; ');
  });

  onQemu("gives the editor the terminal, and Ctrl-C to the editor alone", async () => {
    write("[images]\n");
    const script = `${home.path}/config/editor`;
    writeFileSync(
      script,
      `#!/bin/sh
test -t 0 && test -t 1 && test -t 2 && echo terminal
trap 'echo interrupted; exit 0' INT
echo ready
while :; do sleep 0.1; done
`,
      { mode: 0o755 },
    );
    let screen = "";
    const child = Bun.spawn([program, "config", "registries", "edit"], {
      cwd: home.path,
      env: { ...home.env, ...env(), EDITOR: script, VISUAL: "" },
      terminal: {
        cols: 200,
        rows: 20,
        data(terminal, bytes) {
          screen += new TextDecoder().decode(bytes);
          if (screen.endsWith("ready\r\n")) terminal.write("\x03");
        },
      },
    });
    const exitCode = await child.exited;
    expect({ exitCode, lines: screen.replaceAll("^C", "").split("\r\n") }).toEqual({
      exitCode: 0,
      lines: [
        "terminal",
        "ready",
        "interrupted",
        "Configuration valid: 0 registries configured (images 0, machines 0)",
        "",
      ],
    });
  });
});
