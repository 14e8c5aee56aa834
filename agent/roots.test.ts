import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { FieldWriter } from "../src/guest/fields.ts";
import { MountFlag, type Step, StepFlag } from "../src/guest/index.ts";
import { Channel, encodeFrame, FrameType } from "../src/protocol/index.ts";
import {
  bindMount,
  crowd,
  endOf,
  makeRoot,
  output,
  RawHost,
  readUntil,
  run,
  start,
  startAgent,
  startGuest,
  type TestGuest,
} from "./testing/index.ts";

let it: TestGuest;
beforeAll(async () => {
  it = await startGuest();
}, 120_000);
afterAll(() => it.stop());

const steps = (...list: Step[]) => it.guest.steps("main", list);
/** Code, errno's name in the text, and step of what a list of steps fails with. */
async function failure(...list: Step[]): Promise<unknown> {
  try {
    return await steps(...list);
  } catch (error) {
    const { code, step, errno } = error as { code: string; step?: number; errno?: number };
    return { code, step, errno };
  }
}
const ENOENT = 2;
const EEXIST = 17;
const ENOTDIR = 20;

describe("each kind of step", () => {
  test("mkdir makes parents, sets mode and owner of the last, and leaves one that exists as it is", async () => {
    await steps({ kind: "mkdir", path: "/made/a/b", mode: 0o1770, uid: 5, gid: 6 });
    await steps({ kind: "mkdir", path: "/made/a/b", mode: 0o700, uid: 0, gid: 0 });
    expect(await output(it.guest, "stat -c '%n %a %u:%g' /made /made/a /made/a/b")).toBe(
      "/made 755 0:0\n/made/a 755 0:0\n/made/a/b 1770 5:6\n",
    );
    expect(await failure({ kind: "mkdir", path: "/etc/passwd" })).toEqual({
      code: "step.failed",
      step: 0,
      errno: ENOTDIR,
    });
  });

  test("mount, with options; unmount", async () => {
    const mountFlags = MountFlag.noSuid | MountFlag.noExec | MountFlag.readOnly;
    const flags = StepFlag.makeDirectory;
    await steps({
      kind: "mount",
      source: "name",
      path: "/t/m",
      type: "tmpfs",
      data: "size=64k",
      mountFlags,
      flags,
    });
    expect(await output(it.guest, "grep ' /t/m ' /proc/self/mounts")).toMatch(
      /^name \/t\/m tmpfs ro,nosuid,noexec,relatime,size=64k/,
    );
    await steps({ kind: "unmount", path: "/t/m" });
    expect(await output(it.guest, "grep -c ' /t/m ' /proc/self/mounts || true")).toBe("0\n");
    expect(await failure({ kind: "mount", path: "/t/m", type: "zork" })).toMatchObject({
      code: "step.failed",
    });
    expect(await failure({ kind: "mount", path: "/t/none", type: "tmpfs" })).toMatchObject({ errno: ENOENT });
  });

  test("hold and attach: a tree in several places, read-only where asked", async () => {
    await output(it.guest, "mkdir -p /held/sub && echo content > /held/sub/file");
    await steps(
      { kind: "hold", path: "/held/sub", slot: 3 },
      { kind: "attach", path: "/again", slot: 3, flags: StepFlag.makeDirectory },
      {
        kind: "attach",
        path: "/fixed",
        slot: 3,
        flags: StepFlag.makeDirectory,
        mountFlags: MountFlag.readOnly,
      },
    );
    expect(await output(it.guest, "cat /again/file /fixed/file; echo more >> /again/file")).toBe(
      "content\ncontent\n",
    );
    expect((await run(it.guest, ["touch", "/fixed/new"])).stderr).toContain("Read-only");
    // Slots are of one list of steps.
    expect(await failure({ kind: "attach", path: "/again", slot: 3 })).toMatchObject({ code: "step.failed" });
  });

  test("write makes a file with its mode, replaces its content, and needs one that exists without a mode", async () => {
    await steps({ kind: "write", path: "/w", content: "long content\n", mode: 0o640 });
    await steps({ kind: "write", path: "/w", content: new Uint8Array([0x61, 0, 0xff]), mode: 0o600 });
    expect([...readFileSync(`${it.root}/w`)]).toEqual([0x61, 0, 0xff]);
    expect(statSync(`${it.root}/w`).mode & 0o7777).toBe(0o640);
    expect(await failure({ kind: "write", path: "/none", content: "x" })).toMatchObject({ errno: ENOENT });
  });

  test("symlink, and nothing where something is", async () => {
    await steps({ kind: "symlink", path: "/link", target: "/no/where" });
    expect(readlinkSync(`${it.root}/link`)).toBe("/no/where");
    expect(await failure({ kind: "symlink", path: "/link", target: "/x" })).toMatchObject({ errno: EEXIST });
    expect(await steps({ kind: "symlink", path: "/link", target: "/x", flags: StepFlag.ifAbsent })).toEqual(
      [],
    );
    expect(readlinkSync(`${it.root}/link`)).toBe("/no/where");
  });

  test("node: type, mode whatever the umask, owner, numbers", async () => {
    await steps({ kind: "node", path: "/n", mode: 0o020666, uid: 1, gid: 2, major: 1, minor: 3 });
    await steps({ kind: "node", path: "/b", mode: 0o060660, gid: 6, major: 259, minor: 1000 });
    expect(await output(it.guest, "stat -c '%F %a %u:%g %t:%T' /n /b")).toBe(
      "character special file 666 1:2 1:3\nblock special file 660 0:6 103:3e8\n",
    );
  });

  test("fill: only what is empty, or was left half way; a missing source is nothing", async () => {
    await output(it.guest, "mkdir -p /src/sub; echo new > /src/sub/file; mkdir /dst");
    const tmpfs: Step = { kind: "mount", path: "/dst", type: "tmpfs" };
    const fill = (path: string): Step[] => [
      { kind: "hold", path: "/dst", slot: 0 },
      { kind: "fill", path, slot: 0 },
    ];
    await steps(tmpfs, ...fill("/none"));
    expect(await output(it.guest, "ls /dst")).toBe("");
    await output(it.guest, "echo own > /dst/own");
    await steps(...fill("/src"));
    expect(await output(it.guest, "ls /dst")).toBe("own\n");

    const [pid] = it.agent.processes("main");
    const mark = ["-n", "trusted.smolvm.unfinished", `/proc/${pid}/root/dst`];
    expect(Bun.spawnSync(["setfattr", ...mark]).exitCode).toBe(0);
    await output(it.guest, "mkdir -p /dst/a/b; ln -s /etc /dst/a/b/link; touch /dst/a/b/half");
    await steps(...fill("/src"));
    expect(await output(it.guest, "find /dst | sort; cat /dst/sub/file; ls -d /etc/passwd")).toBe(
      "/dst\n/dst/sub\n/dst/sub/file\nnew\n/etc/passwd\n",
    );
    expect(Bun.spawnSync(["getfattr", ...mark]).exitCode).toBe(1);
    expect(await failure(...fill("/src/sub/file"))).toMatchObject({ code: "step.failed", step: 1 });
  });

  test("fill: hard links are those within one directory, also where several are filled", async () => {
    await output(
      it.guest,
      "mkdir -p /two/a /two/b /into/a /into/b; echo shared > /two/a/one; ln /two/a/one /two/a/same; ln /two/a/one /two/b/other",
    );
    const fill = (name: string, slot: number): Step[] => [
      { kind: "mount", path: `/into/${name}`, type: "tmpfs" },
      { kind: "hold", path: `/into/${name}`, slot },
      { kind: "fill", path: `/two/${name}`, slot },
    ];
    await steps(...fill("a", 0), ...fill("b", 1));
    expect(
      await output(it.guest, "cat /into/b/other; stat -c '%n %h' /into/a/one /into/a/same /into/b/other"),
    ).toBe("shared\n/into/a/one 2\n/into/a/same 2\n/into/b/other 1\n");
  });

  test("fill: an image cannot mark a directory as left half way, which would be emptied at each start", async () => {
    await output(it.guest, "mkdir -p /marked/sub /kept; touch /marked/sub/f");
    const [pid] = it.agent.processes("main");
    for (const path of ["/marked", "/marked/sub"]) {
      const mark = ["-n", "trusted.smolvm.unfinished", `/proc/${pid}/root${path}`];
      expect(Bun.spawnSync(["setfattr", ...mark]).exitCode).toBe(0);
    }
    await steps({ kind: "mount", path: "/kept", type: "tmpfs" });
    const fill: Step[] = [
      { kind: "hold", path: "/kept", slot: 0 },
      { kind: "fill", path: "/marked/sub", slot: 0 },
    ];
    await output(it.guest, "rm /marked/sub/f");
    await steps(...fill);
    await output(it.guest, "echo own > /kept/own");
    await steps(...fill);
    expect(await output(it.guest, "cat /kept/own")).toBe("own\n");
  });

  test("fill once: beside what is there, not again, and whole after it was cut off", async () => {
    const make = [
      "mkdir -p /img/data/deep /img/workspace /img/.smolvm/images /once",
      "echo one > /img/data/deep/file; ln /img/data/deep/file /img/same; chmod 750 /img",
      "echo theirs > /img/own; touch /img/workspace/hidden",
    ];
    await output(it.guest, make.join("; "));
    const fill: Step[] = [
      { kind: "hold", path: "/once", slot: 0 },
      { kind: "fill", path: "/img", slot: 0, flags: StepFlag.once },
    ];
    await steps({ kind: "mount", path: "/once", type: "tmpfs" });
    await steps(
      { kind: "hold", path: "/once", slot: 0 },
      { kind: "fill", path: "/none", slot: 0, flags: StepFlag.once },
    );
    const left =
      "mkdir -p /once/workspace /once/.smolvm-filling/half/a; echo mine > /once/own; touch /once/.smolvm-filling/data";
    await output(it.guest, left);
    await steps(...fill);
    const look = "cd /once; find . | sort; cat own data/deep/file; stat -c '%a %h' . same";
    const there = "./data ./data/deep ./data/deep/file ./own ./same ./workspace".split(" ");
    const expected = [".", ...there, "mine", "one", "750 4", "644 2", ""].join("\n");
    expect(await output(it.guest, look)).toBe(expected);
    await output(it.guest, "rm -r /once/data /once/same");
    await steps(...fill);
    expect(await output(it.guest, "find /once | sort")).toBe("/once\n/once/own\n/once/workspace\n");
  });

  test("grow fails where there is nothing to grow", async () => {
    expect(await failure({ kind: "grow", path: "/etc", source: "/dev/null" })).toMatchObject({
      code: "step.failed",
    });
  });
});

describe("a list of steps", () => {
  test("ends at the first failure, and says which step it was", async () => {
    const result = await failure(
      { kind: "mkdir", path: "/before" },
      { kind: "mount", path: "/before", type: "zork" },
      { kind: "mkdir", path: "/after" },
    );
    expect(result).toMatchObject({ code: "step.failed", step: 1 });
    expect([existsSync(`${it.root}/before`), existsSync(`${it.root}/after`)]).toEqual([true, false]);
  });

  test("goes on behind what may fail, with a note", async () => {
    const notes = await steps(
      { kind: "mkdir", path: "/etc/passwd/x", flags: StepFlag.optional },
      { kind: "mkdir", path: "/went-on" },
      { kind: "unmount", path: "/etc", flags: StepFlag.optional },
    );
    expect(notes).toEqual([
      { step: 0, text: expect.stringContaining("Not a directory") },
      { step: 2, text: expect.stringContaining("Invalid argument") },
    ]);
    expect(existsSync(`${it.root}/went-on`)).toBe(true);
  });

  test("with a step that the protocol does not have is refused where it comes to it", async () => {
    const odd = { kind: "hold", path: "/etc", slot: 0, major: 5000 } as unknown as Step;
    expect(await failure(odd)).toMatchObject({ code: "step.failed", step: 0 });
  });

  test("of thousands is done, and so many notes cost nothing else", async () => {
    const list = Array.from(
      { length: 5000 },
      (): Step => ({ kind: "mkdir", path: "/etc/passwd/x", flags: StepFlag.optional }),
    );
    const notes = await steps(...list, { kind: "mkdir", path: "/at-the-end" });
    expect(notes.length).toBeGreaterThan(100);
    expect(existsSync(`${it.root}/at-the-end`)).toBe(true);
  });

  test("without a root is the system's", async () => {
    await it.guest.steps(undefined, [{ kind: "mkdir", path: "/run/of-the-system" }]);
    const { stdout } = await run(it.guest, ["/bin/ls", "/run"], { systemProgram: true });
    expect(stdout).not.toContain("of-the-system");
    expect(
      await endOf(it.guest.exec({ argv: ["test", "-d", "/run/of-the-system"], env: [], stdin: false })),
    ).toEqual({
      end: "exit 0",
    });
  });

  test("for a root that does not exist is refused", async () => {
    expect(await it.guest.steps("none", []).catch(({ code }) => code)).toBe("agent.bad_request");
  });
});

describe("conditions", () => {
  beforeAll(async () => {
    await output(
      it.guest,
      "mkdir -p /c/full /c/empty; touch /c/full/x /c/file; ln -s full /c/link; ln -s nowhere /c/dangling",
    );
  });
  const attach = async (path: string, flags: number) => {
    const notes = await steps(
      { kind: "hold", path: "/etc", slot: 0 },
      { kind: "attach", path, slot: 0, flags },
    );
    const mounted = (await output(it.guest, `grep -c ' ${path} ' /proc/self/mounts || true`)).trim();
    if (mounted !== "0") await steps({ kind: "unmount", path });
    return `${mounted} mounted, ${notes.length} notes`;
  };

  test("only over a directory, or where nothing is", async () => {
    const flags = StepFlag.makeDirectory | StepFlag.directoryOnly;
    expect(await attach("/c/full", flags)).toBe("1 mounted, 0 notes");
    expect(await attach("/c/new", flags)).toBe("1 mounted, 0 notes");
    for (const path of ["/c/file", "/c/link", "/c/dangling"])
      expect([path, await attach(path, flags)]).toEqual([path, "0 mounted, 1 notes"]);
  });

  test("only where nothing is, a dangling link included; without a note", async () => {
    const flags = StepFlag.makeDirectory | StepFlag.ifAbsent;
    expect(await attach("/c/new3", flags)).toBe("1 mounted, 0 notes");
    for (const path of ["/c/empty", "/c/file", "/c/link", "/c/dangling"])
      expect([path, await attach(path, flags)]).toEqual([path, "0 mounted, 0 notes"]);
  });
});

describe("a root", () => {
  test("has its own mounts, host name, IPC and cgroup, beside others", async () => {
    const made = it.guest.root({ name: "second", hostname: "other", steps: otherRoot() });
    // Asked for at once: it waits until the root is there.
    const first = start(it.guest, ["sh", "-c", "hostname; ls /; readlink /proc/self/ns/ipc"], {
      root: "second",
      first: "itself",
    });
    expect(await endOf(first)).toEqual({ end: "exit 0" });
    expect(await made).toEqual([]);
    expect(await it.guest.root({ name: "second", hostname: "x", steps: [] }).catch(({ code }) => code)).toBe(
      "root.exists",
    );
    await it.guest.drop("second");
    expect((await run(it.guest, ["true"], { root: "second" })).end).toBe("exec.no_root");
    expect(await output(it.guest, "hostname")).toBe("smolvm\n");
    // The name is free again.
    expect(await it.guest.root({ name: "second", hostname: "x", steps: otherRoot() })).toEqual([]);
    await it.guest.drop("second");
  });

  test("has its first process and daemons at home, which leaves its own cgroup empty", async () => {
    const mount = (type: string, path: string): Step => {
      return { kind: "mount", source: type, path, type, flags: StepFlag.makeDirectory };
    };
    // A shell's background processes read /dev/null.
    const nothing: Step = { kind: "write", path: "/dev/null", content: "", mode: 0o666 };
    const steps = [...otherRoot(), mount("cgroup2", "/sys/fs/cgroup"), mount("tmpfs", "/dev"), nothing];
    await it.guest.root({ name: "housed", hostname: "x", steps, home: "here" });
    const first = start(it.guest, ["sh", "-c", "echo ready; exec sleep 1000"], {
      root: "housed",
      first: "itself",
    });
    await readUntil(first.read(Channel.stdout), "ready\n");
    const inside = async (script: string) =>
      (await run(it.guest, ["sh", "-c", script], { root: "housed" })).stdout;
    expect(await inside("cat /proc/1/cgroup")).toMatch(/^0::\/here$/m);
    await inside("(setsid sleep 1000 & echo $! > /daemon)");
    expect(await inside("cat /proc/$(cat /daemon)/cgroup")).toMatch(/^0::\/here$/m);
    expect(await inside("wc -l < /sys/fs/cgroup/cgroup.procs")).toBe("0\n");
    await it.guest.drop("housed");
    // Nothing is in the way of the next of that name.
    expect(await it.guest.root({ name: "housed", hostname: "x", steps: otherRoot(), home: "here" })).toEqual(
      [],
    );
    await it.guest.drop("housed");
    for (const home of ["", "..", "a/b"])
      expect(
        await it.guest
          .root({ name: "housed", hostname: "x", steps: otherRoot(), home })
          .catch(({ code }) => code),
      ).toBe("agent.bad_request");
  });

  test("is dropped with its processes", async () => {
    await it.guest.root({ name: "third", hostname: "x", steps: otherRoot() });
    const first = start(it.guest, ["sleep", "1000"], { root: "third", first: "itself" });
    await first.accepted;
    const other = start(it.guest, ["sh", "-c", "trap '' TERM; sleep 1000"], { root: "third" });
    await other.accepted;
    await it.guest.drop("third");
    expect([await endOf(first), await endOf(other)]).toEqual([{ end: "signal 9" }, { end: "signal 9" }]);
    expect(await it.guest.drop("third").catch(({ code }) => code)).toBe("exec.no_root");
  });

  test("may be dropped at any moment of its making: everything that was asked of it ends", async () => {
    for (let round = 0; round < 40; round++) {
      const made = it.guest.root({ name: "fifth", hostname: "x", steps: otherRoot() });
      const waiting = start(it.guest, ["sleep", "1000"], { root: "fifth", first: "itself" });
      // Each round lets the maker come a little further.
      for (let i = 0; i < round; i++) await it.guest.clock(0n).catch(() => {});
      const dropped = it.guest.drop("fifth");
      expect(["none", "internal", "step.failed"]).toContain(await code(made));
      expect(["exec.no_root", "exec.failed", "signal 9"]).toContain((await endOf(waiting)).end);
      await dropped;
    }
    expect((await run(it.guest, ["echo", "still there"])).stdout).toBe("still there\n");
  }, 60_000);

  test("is gone with its mounts only when the work of others in it has ended", async () => {
    await it.guest.root({ name: "sixth", hostname: "x", steps: otherRoot() });
    const socket = { root: "sixth", path: "/tmp-full" };
    const listener = it.guest.listen(socket, () => {});
    await listener.listening;
    const sockets = await crowd(it.guest, socket);
    const ends: string[] = [];
    for (const { connected } of sockets) void connected.catch(({ code }) => ends.push(code));
    await it.guest.drop("sixth");
    expect(ends).toEqual(Array(20).fill("internal"));
    listener.cancel();
    for (const one of sockets) one.cancel();
    await listener.ended;
  }, 60_000);

  test("that is dropped tells the ends of its processes first", async () => {
    await it.guest.root({ name: "seventh", hostname: "x", steps: otherRoot() });
    const first = start(it.guest, ["sleep", "1000"], { root: "seventh", first: "itself" });
    await first.accepted;
    const order: string[] = [];
    const noted = first.result.then(() => order.push("process"));
    await it.guest.drop("seventh").then(() => order.push("root"));
    await noted;
    expect(order).toEqual(["process", "root"]);
  });

  test("that cannot be made fails its request and all that wait for it, and may be made again", async () => {
    const bad: Step[] = [{ kind: "mount", path: "/nowhere", type: "zork" }];
    const made = it.guest.root({ name: "fourth", hostname: "x", steps: bad });
    const waiting = start(it.guest, ["true"], { root: "fourth", first: "itself" });
    expect(await made.catch(({ code, step }) => ({ code, step }))).toEqual({ code: "step.failed", step: 0 });
    const { end, message } = await endOf(waiting);
    expect([end, message]).toEqual(["exec.no_root", expect.stringContaining("/nowhere")]);
    expect(await it.guest.root({ name: "fourth", hostname: "x", steps: otherRoot() })).toEqual([]);
    await it.guest.drop("fourth");
  });

  test("is not dropped by a request with a field that this verb does not have, nor is anything else done", async () => {
    const agent = await startAgent();
    const host = new RawHost(agent.transport);
    host.send(encodeFrame(FrameType.hello, 0, new FieldWriter().int(1, 3).finish()));
    const verbs = [4, 7, 9, 10];
    verbs.forEach((verb, i) => {
      host.frame(FrameType.open, i + 1, new FieldWriter([verb]).text(1, "1").int(99, 1).finish());
    });
    expect(await host.until(() => host.ended === verbs.length)).toBe("true");
    const answers = host.frames.slice(1).map(({ type, payload }) => [type, Buffer.from(payload).toString()]);
    for (const answer of answers)
      expect(answer).toEqual([FrameType.fail, expect.stringContaining("agent.bad_request")]);
    await agent.stop();
  }, 60_000);

  test("has a plain name", async () => {
    for (const name of ["", "a/b", "..", "x".repeat(65), "a b"])
      expect([
        name,
        await it.guest.root({ name, hostname: "x", steps: [] }).catch(({ code }) => code),
      ]).toEqual([name, "agent.bad_request"]);
  });

  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => "none",
      ({ code }) => code,
    );

  const otherRoot = (): Step[] => [bindMount(it.root, "/run/other"), { kind: "enter", path: "/run/other" }];
});

describe("hostile images", () => {
  const hostile: [name: string, links: Record<string, string>, also?: (root: string) => void][] = [
    [
      "links that try to leave the root",
      { dev: "/../../../inner", workspace: "/../../../run" },
      (root) => mkdirSync(`${root}/inner`),
    ],
    ["files to be written lead elsewhere", { "etc/hosts": "/etc/group", "etc/resolv.conf": "/proc/1/mem" }],
    ["files to be written lead nowhere", { "etc/hosts": "../no/such/place", "etc/hostname": "/a/b/c" }],
    ["links in a circle", { "etc/hosts": "hosts", workspace: "workspace", storage: "storage" }],
  ];
  for (const [name, links, also] of hostile) {
    test(name, async () => {
      const other = await startGuest({
        prepare: (root) => {
          makeRoot(root);
          also?.(root);
          for (const [path, target] of Object.entries(links)) symlinkSync(target, `${root}/${path}`);
        },
      });
      try {
        expect((await run(other.guest, ["echo", "fine"])).stdout).toBe("fine\n");
        expect(await output(other.guest, "ls /run 2>&1 || true")).not.toContain("main");
      } finally {
        await other.stop();
      }
    }, 60_000);
  }

  test("a dangling /etc/resolv.conf has its target made, as in root filesystems of distributions", async () => {
    const other = await startGuest({
      prepare: (root) => {
        makeRoot(root);
        symlinkSync("../run/systemd/resolve/stub-resolv.conf", `${root}/etc/resolv.conf`);
        symlinkSync("/over/there", `${root}/etc/hosts`);
      },
    });
    try {
      expect(await output(other.guest, "cat /etc/resolv.conf; grep -c smolvm /etc/hosts")).toBe("1\n");
      expect(lstatSync(`${other.root}/run/systemd/resolve/stub-resolv.conf`).isFile()).toBe(true);
      expect(existsSync(`${other.root}/over/there`)).toBe(true);
    } finally {
      await other.stop();
    }
  }, 60_000);

  test("a root that cannot be prepared is reported, and why", async () => {
    const failed = await startGuest({
      prepare: (root) => {
        makeRoot(root);
        writeFileSync(`${root}/sys`, "a file");
      },
    }).catch((error) => error);
    expect([failed.code, failed.message]).toEqual(["exec.no_root", expect.stringContaining("/sys")]);
  }, 60_000);
});

describe("/etc/mtab", () => {
  test("is a link where the image has nothing, and stays what it is where it has", async () => {
    expect(await output(it.guest, "readlink /etc/mtab")).toBe("/proc/mounts\n");
    const other = await startGuest({ prepare: (root) => makeRoot(root, { "etc/mtab": "own\n" }) });
    try {
      expect(await output(other.guest, "cat /etc/mtab")).toBe("own\n");
    } finally {
      await other.stop();
    }
  }, 60_000);
});
