import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { run, startGuest, type TestGuest } from "./testing/index.ts";

let it: TestGuest;
beforeAll(async () => {
  it = await startGuest();
}, 120_000);
afterAll(() => it.stop());

/** What the program finds itself to be: uid, gid, groups, HOME; or the failure's code. */
async function identity(user: string): Promise<string> {
  const script = "grep -E '^(Uid|Gid|Groups)' /proc/self/status | tr -s '\\t ' ' '; echo $HOME";
  const { stdout, end } = await run(it.guest, ["sh", "-c", script], { user });
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
    // Cut, it would be user 4242 with the group 0.
    [`${"0".repeat(252)}4242:17`, "exec.bad_user"],
    [" root", "exec.bad_user"],
  ];
  for (const [user, expected] of cases) {
    test(JSON.stringify(user), async () => expect(await identity(user)).toBe(expected));
  }
});

describe("a hostile image's passwd", () => {
  const passwd = () => `${it.root}/etc/passwd`;
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
    writeFileSync(`${it.root}/etc/other`, "inside:x:77:78::/i:\n");
    expect(await identity("inside")).toBe("77:78 [] /i");
  });
});
