import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { makeRoot, run, startGuest, type TestGuest } from "./testing.ts";

let guest: TestGuest;
beforeAll(async () => {
  guest = await startGuest();
}, 60_000);
afterAll(() => guest.stop());

/** What the program finds itself to be: uid, gid, groups, HOME; or the failure's code. */
async function identity(user: string): Promise<string> {
  const script = "grep -E '^(Uid|Gid|Groups)' /proc/self/status | tr -s '\\t ' ' '; echo $HOME";
  const { stdout, end } = await run(guest.host, ["sh", "-c", script], { user });
  if (end !== "exit 0") return end;
  const [, uid, gid, groups, home] =
    /^Uid: (\d+) .*\nGid: (\d+) .*\nGroups: ?(.*)\n(.*)\n$/.exec(stdout) ?? [];
  return `${uid}:${gid} [${groups?.trim()}] ${home}`;
}

describe("USER is resolved by docker's rules", () => {
  const cases: [user: string, identity: string][] = [
    ["", "0:0 [50] /root"],
    ["root", "0:0 [50] /root"],
    ["0", "0:0 [50] /root"],
    ["app", "1000:1001 [50 60] /home/app"],
    ["1000", "1000:1001 [50 60] /home/app"],
    ["app:extra", "1000:60 [] /home/app"],
    ["app:4242", "1000:4242 [] /home/app"],
    ["4242", "4242:0 [] /"],
    ["4242:17", "4242:17 [] /"],
    [":50", "0:50 [] /root"],
    ["nohome", "7:7 [] /"],
    ["nope", "exec.bad_user"],
    ["app:nope", "exec.bad_user"],
    ["-1", "exec.bad_user"],
    ["4294967295", "exec.bad_user"],
    ["99999999999999999999", "exec.bad_user"],
    ["bad", "exec.bad_user"],
    ["0x0", "exec.bad_user"],
    [" root", "exec.bad_user"],
  ];
  for (const [user, expected] of cases) {
    test(JSON.stringify(user), async () => expect(await identity(user)).toBe(expected));
  }
});

describe("a hostile image's passwd", () => {
  const passwd = () => `${guest.root}/etc/passwd`;
  const replace = (text: string) => writeFileSync(passwd(), text);

  test("long lines and odd bytes are skipped", async () => {
    replace(
      `${"x".repeat(200_000)}:x:0:0::/:\nevil\0:x:0:0::/:\n\n:::::::::\nlate:x:5:6::/late:/bin/sh:more:fields`,
    );
    expect(await identity("late")).toBe("5:6 [] /late");
    expect(await identity("evil")).toBe("exec.bad_user");
  });

  test("the first entry counts, and one cut off at the limit of a line does not become another", async () => {
    replace(`twice:x:1:1::/a:\ntwice:x:0:0::/b:\n${"a".repeat(65_535)}hidden:x:0:0::/:\n`);
    expect(await identity("twice")).toBe("1:1 [] /a");
    expect(await identity("hidden")).toBe("exec.bad_user");
  });

  test("a gigabyte of it is given up, not read", async () => {
    replace("");
    Bun.spawnSync(["truncate", "-s", "1G", passwd()]);
    const start = performance.now();
    expect(await identity("nope")).toBe("exec.bad_user");
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test("what is no regular file is not read: a device, a pipe, a directory, a link that leads nowhere", async () => {
    for (const target of ["/dev/zero", "/dev/tty", "/proc", "/nowhere", "passwd"]) {
      rmSync(passwd(), { force: true });
      symlinkSync(target, passwd());
      expect([target, await identity("root"), await identity("12")]).toEqual([
        target,
        "exec.bad_user",
        "12:0 [] /",
      ]);
    }
    rmSync(passwd());
    Bun.spawnSync(["mkfifo", passwd()]);
    expect(await identity("root")).toBe("exec.bad_user");
  });

  test("links stay inside the image", async () => {
    rmSync(passwd());
    symlinkSync("/../../../../../../../../../../../etc/other", passwd());
    writeFileSync(`${guest.root}/etc/other`, "inside:x:77:78::/i:\n");
    expect(await identity("inside")).toBe("77:78 [] /i");
  });
});

describe("a hostile image's directories", () => {
  const hostile: [name: string, extra: Record<string, string>, links: Record<string, string>][] = [
    ["links that try to leave the root", { "inner/x": "" }, { dev: "/../../../inner", run: "/../../../run" }],
    [
      "files to be written lead elsewhere",
      {},
      { "etc/hosts": "/etc/group", "etc/resolv.conf": "/proc/1/mem" },
    ],
    ["files to be written lead nowhere", {}, { "etc/hosts": "../no/such/place" }],
  ];
  for (const [name, extra, links] of hostile) {
    test(name, async () => {
      const other = await startGuest((root) => {
        makeRoot(root, extra);
        for (const [path, target] of Object.entries(links)) symlinkSync(target, `${root}/${path}`);
      });
      try {
        expect((await run(other.host, ["echo", "fine"])).stdout).toBe("fine\n");
      } finally {
        await other.stop();
      }
    }, 60_000);
  }

  test("a root that cannot be prepared is reported with each exec, and why", async () => {
    const other = await startGuest((root) => {
      makeRoot(root);
      writeFileSync(`${root}/proc`, "a file");
    });
    try {
      for (let i = 0; i < 2; i++) {
        const { end, message } = await run(other.host, ["echo", "x"]);
        expect(end).toBe("exec.no_root");
        expect(message).toContain("/proc");
      }
    } finally {
      await other.stop();
    }
  }, 60_000);
});
