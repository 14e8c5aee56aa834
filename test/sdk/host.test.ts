import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import {
  ImageBuilder,
  InvalidConfigError,
  type Machine,
  Smolvm,
  type SshAccess,
} from "../../sdk/src/index.ts";
import { debianImage } from "../support/debian.ts";
import { useMachines } from "../support/machines.ts";
import { collect, until } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";

setDefaultTimeout(300_000 * slowness);

/** What the TypeScript package does with files and programs of this host: Smolfiles, packs, SSH. */

const SMALL = { cpus: 1, memoryMiB: 512, startTimeoutMs: 300_000 } as const;

// Before the machines' own, which looks for what is left.
afterAll(async () => {
  await client.close();
  for (const name of Object.keys(machines.env)) delete process.env[name];
  Object.assign(process.env, before);
});

const machines = useMachines();
const before = { ...process.env };
let client: Smolvm;
beforeAll(() => {
  // The client's child has the environment of this process.
  Object.assign(process.env, machines.env);
  client = new Smolvm({ bin: program });
});
test("a Smolfile describes a machine, and options win over it", async () => {
  const smolfile = `${machines.path}/box.toml`;
  writeFileSync(smolfile, 'cpus = 2\nmemory = 300\nenv = ["A=file", "B=file"]\n');
  const machine = await client.create({ smolfile, cpus: 1, env: { A: "option" }, start: false });
  expect(machine.info).toMatchObject({ cpus: 1, memoryMiB: 300, env: { A: "option", B: "file" } });
  await machine.delete();
  writeFileSync(smolfile, "cpus = 0\n");
  await expect(client.create({ smolfile, start: false })).rejects.toMatchObject({
    code: expect.stringMatching(/^smolfile\./),
  });
  const both = client.create({ smolfile, from: "/x.smolmachine", start: false });
  await expect(both).rejects.toBeInstanceOf(InvalidConfigError);
});

test("a stopped machine becomes a pack, and the pack a machine", async () => {
  const machine = await client.create(SMALL);
  await machine.fs.writeFile("/root/made", "in the machine");
  await machine.stop();
  const output = `${machines.path}/made`;
  const pack = await client.packs.create({ machine: machine.name, output });
  await machine.delete();
  await using made = await client.create({ ...SMALL, from: pack.path });
  expect(await made.fs.readFile("/root/made", "utf8")).toBe("in the machine");
  await expect(client.packs.create({ output })).rejects.toBeInstanceOf(InvalidConfigError);
});

/** Runs a command by SSH, and gives what it printed. */
async function bySsh(
  machine: Machine,
  words: readonly string[],
  env: Record<string, string>,
): Promise<string> {
  const { host } = await machine.expose(22);
  // Port 22 in state LISTEN (proc_net_tcp(5)): the guest is emulated, and may take long to refuse.
  await until("sshd", async () =>
    / [0-9A-F]+:0016 \S+ 0A /.test(await machine.fs.readFile("/proc/net/tcp", "utf8")),
  );
  const options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
  const command = ["ssh", "-F", "/dev/null", ...options.flatMap((option) => ["-o", option]), ...words];
  const started = Bun.spawn([...command, "-p", String(host), "root@127.0.0.1", "id -un; uname -s"], {
    env: { ...machines.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { output, stderr } = await collect(started, "ssh", 120_000);
  return output + stderr;
}

test("machines of an image with SSH let root in, by password or by key", async () => {
  const path = await debianImage(["openssh-server"]);
  const build = async (
    base: ConstructorParameters<typeof ImageBuilder>[0],
    access: SshAccess,
    name: string,
  ) => await new ImageBuilder(base, { client }).ssh(access).build({ ...SMALL, name });
  // A network that reaches nothing is enough to be reached.
  const reachable = { ...SMALL, network: { allowCidrs: [] } };
  const password = "pass 'word' $1";
  const first = await build({ path }, { password }, "ssh:1");
  const askpass = `${machines.path}/askpass`;
  writeFileSync(askpass, `#!/bin/sh\nprintf '%s\\n' "$TEST_PASSWORD"\n`);
  chmodSync(askpass, 0o700);
  const env = { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: "force", TEST_PASSWORD: password };
  {
    await using machine = await client.create({ ...reachable, image: first });
    expect(await bySsh(machine, ["-o", "PubkeyAuthentication=no"], env)).toBe("root\nLinux\n");
  }
  const key = `${machines.path}/key`;
  expect(Bun.spawnSync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]).exitCode).toBe(0);
  const authorizedKeys = [readFileSync(`${key}.pub`, "utf8").trim()];
  const second = await build(first, { authorizedKeys }, "ssh:2");
  await using machine = await client.create({ ...reachable, image: second });
  expect(await bySsh(machine, ["-i", key], {})).toBe("root\nLinux\n");
  expect(await bySsh(machine, ["-o", "PubkeyAuthentication=no"], env)).toContain("Permission denied");
  for (const wrong of [{ password: "" }, { password: "a\nb" }, { authorizedKeys: [] }])
    expect(() => new ImageBuilder().ssh(wrong)).toThrow(InvalidConfigError);
  expect(() => new ImageBuilder().packages("a b")).toThrow(InvalidConfigError);
});
