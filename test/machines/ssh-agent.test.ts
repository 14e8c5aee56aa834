import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { RealAgent } from "../../src/ssh-agent/ssh-agent.fixture.ts";
import { SMALL, useMachines } from "../support/machines.ts";
import { slowness } from "../support/program.ts";

const home = useMachines();
/** Files of these tests: not part of what has to be gone with the machines. */
const own = mkdtempSync("/tmp/sv-own-");
afterAll(() => rmSync(own, { recursive: true, force: true }));

const LIMIT = 240_000 * slowness;

const agent = new RealAgent();
beforeAll(() => agent.start());
afterAll(() => agent.stop());

const env = () => ({ SSH_AUTH_SOCK: agent.socket });
const shell = (script: string) => ["--", "sh", "-c", script];

/** A root filesystem with OpenSSH's own programs, and what they load: this host's. */
function opensshImage(): string {
  const root = `${own}/openssh`;
  for (const directory of ["bin", "tmp", "etc", "root"])
    mkdirSync(`${root}/${directory}`, { recursive: true });
  chmodSync(`${root}/tmp`, 0o1777);
  const programs = ["/usr/bin/ssh-add", "/usr/bin/ssh-keygen"];
  const libraries = programs.flatMap((program) => {
    const { stdout } = Bun.spawnSync(["ldd", program]);
    return [...`${stdout}`.matchAll(/(\/[^ ]+) \(0x/g)].map((match) => match[1] as string);
  });
  for (const path of new Set([...programs, ...libraries])) {
    mkdirSync(`${root}${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    copyFileSync(path, `${root}${path}`);
  }
  copyFileSync("/bin/busybox", `${root}/bin/busybox`);
  for (const name of ["sh", "cat", "ls", "id", "sleep"]) copyFileSync("/bin/busybox", `${root}/bin/${name}`);
  writeFileSync(`${root}/etc/passwd`, "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/tmp:/bin/sh\n");
  return root;
}

/** Signs a letter in a machine with the key whose public half is in $1, and prints the signature. */
const SIGN = [
  'cd /tmp; echo "$1" >key.pub; echo letter >letter',
  "ssh-keygen -q -Y sign -n file -f key.pub letter >&2 && cat letter.sig",
].join("; ");

function isGood(signature: string): boolean {
  writeFileSync(agent.file("letter"), "letter\n");
  writeFileSync(agent.file("guest.sig"), signature);
  const check = `ssh-keygen -Y check-novalidate -n file -s '${agent.file("guest.sig")}' <'${agent.file("letter")}'`;
  return agent.tryRun(["sh", "-c", check]).exitCode === 0;
}

const publicKey = (name: string) => readFileSync(`${agent.file(name)}.pub`, "utf8").trim();

test(
  "ssh-add -l and a signature work in an image machine, as its user; keys stay, and the agent cannot be changed",
  async () => {
    const options = ["--image", opensshImage(), "--ssh-agent", "--user", "me"];
    await home.machine(["create", "dev", ...SMALL, ...options, "--", "sleep", "3600"]);
    expect(await home.refusal("start", "dev")).toMatchObject({
      code: "ssh_agent.none",
      message: expect.stringContaining("SSH_AUTH_SOCK"),
      hint: expect.stringContaining("ssh-add"),
    });
    const gone = await home.machine(["start", "dev"], { env: { SSH_AUTH_SOCK: `${home.path}/nothing` } });
    expect(gone.stderr).toContain("does not answer");
    const started = await home.machine(["start", "dev"], { env: env() });
    expect([started.exitCode, started.stderr]).toEqual([0, ""]);

    expect(await home.sh("dev", "id -u; echo $SSH_AUTH_SOCK")).toBe("1000\n/tmp/ssh-agent.sock\n");
    const listed = agent.run(["ssh-add", "-l"]);
    expect(await home.sh("dev", "ssh-add -l")).toBe(listed);
    for (const name of ["one", "two"]) {
      const signed = await home.ok("exec", "--name", "dev", "--", "sh", "-c", SIGN, "sh", publicKey(name));
      expect([name, isGood(signed)]).toEqual([name, true]);
    }
    const changes = "ssh-add -D; ssh-keygen -q -t ed25519 -N '' -f /tmp/new; ssh-add /tmp/new; ssh-add -l";
    const { output } = await home.machine(["exec", "--name", "dev", ...shell(changes)]);
    expect(output.endsWith(listed)).toBe(true);
    expect(agent.run(["ssh-add", "-l"])).toBe(listed);

    const log = readFileSync(`${home.directoryOf("dev")}/data/logs/ssh-agent.log`, "utf8");
    expect(log).toContain(
      `signed with ${agent.fingerprint("one")} (comment of one): a message of the namespace`,
    );
    expect(log).toContain("refused: remove all keys");

    // Only one key; it is there again after a restart, over the socket that was left on the disk.
    await home.ok("stop", "dev");
    await home.ok("update", "dev", "--ssh-agent-key", agent.fingerprint("two"));
    expect((await home.machine(["start", "dev"], { env: env() })).exitCode).toBe(0);
    const some = await home.sh("dev", "ssh-add -l");
    expect(some).toContain(agent.fingerprint("two"));
    expect(some).not.toContain(agent.fingerprint("one"));
    const refused = await home.machine(["exec", "--name", "dev", ...shell(SIGN), "sh", publicKey("one")]);
    expect(refused.exitCode).not.toBe(0);
    await home.ok("stop", "dev");
    await home.ok("update", "dev", "--ssh-agent=off");
    await home.ok("start", "dev");
    expect(await home.sh("dev", "echo $SSH_AUTH_SOCK")).toBe("\n");
    await home.ok("delete", "-f", "dev");
  },
  LIMIT,
);

test(
  "a bare machine has it only when it is lent",
  async () => {
    const look = shell('ls -l "$SSH_AUTH_SOCK" /tmp/ssh-agent.sock');
    const lent = await home.machine(["run", ...SMALL, "-q", "--ssh-agent", ...look], { env: env() });
    expect(lent.output).toMatch(/^srw-rw-rw- .*\/tmp\/ssh-agent\.sock\n/);
    // Nobody can look at its log later.
    const lock = "(printf '\\000\\000\\000\\001\\026'; sleep 1) | nc local:/tmp/ssh-agent.sock >/dev/null";
    const tells = await home.machine(["run", ...SMALL, "-q", "--ssh-agent", ...shell(lock)], { env: env() });
    expect(tells.stderr).toBe("note: the machine asked your SSH agent: refused: lock the agent\n");
    const not = await home.machine(["run", ...SMALL, "-q", ...look], { env: env() });
    expect(not.output).toBe("");
    expect(await home.refusal("run", "--ssh-agent", "--", "true")).toMatchObject({ code: "ssh_agent.none" });
    await home.expectNothingLeft();
  },
  LIMIT,
);
