import { beforeAll, expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { fileServers } from "../support/file-servers.ts";
import { useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { inLab } from "../support/program.ts";
import { onBoth, onQemu } from "../support/register.ts";

/** Folders and files of the host in a machine. */

const home = useMachines();

const host = (name: string): string => `${home.path}/host/${name}`;

function make(name: string, files: Record<string, string> = {}): string {
  mkdirSync(host(name), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(`${host(name)}/${file}`, text);
  return host(name);
}

const read = (name: string): string => readFileSync(host(name), "utf8");

onBoth(
  "a folder is written by both sides, a read-only one by the host alone, whose changes watchers hear, and a file is a volume too",
  async () => {
    const rw = make("rw", { a: "host\n" });
    const ro = make("ro", { a: "host\n", config: "one\n" });
    const running = home.machine(
      [
        "run",
        ...["--cpus", "1", "--mem", "256", "-v", `${rw}:/opt/workspace/x`, "-v", `${ro}:/ro:ro`],
        ...["-v", `${ro}/config:/etc/app/config`, "-v", "data:/var/lib/db", "--tmpfs", "/scratch:size=1m"],
        ...["--", "sh", "-c"],
        "cat /opt/workspace/x/a /ro/a /etc/app/config; echo guest > /opt/workspace/x/b; echo two >> /etc/app/config; " +
          "echo kept > /var/lib/db/row; mount -o remount,rw /ro; echo x > /ro/a; rm /ro/a; mkdir /ro/d; " +
          "head -c 2000000 /dev/zero > /scratch/big; mkfifo /tmp/events; inotifyd - /ro:n > /tmp/events & " +
          "read -r event < /tmp/events; echo $event; exit 3",
      ],
      {},
    );
    let over = false;
    void running.finally(() => {
      over = true;
    });
    let count = 0;
    // A new file now and then: the first ones come before anybody watches.
    const isOver = (): boolean => {
      if (count++ % 10 === 0) writeFileSync(`${ro}/probe${count}`, "");
      return over;
    };
    await until("the guest's watcher to hear of a new file", isOver, 60);
    const { exitCode, output, stderr } = await running;
    expect(output).toMatch(/^host\nhost\none\nn \/ro probe\d+\n$/);
    expect(stderr.match(/Read-only file system/g)?.length).toBe(3);
    expect(stderr).toContain("head: standard output: I/O error");
    expect(exitCode).toBe(3);
    expect(read("rw/b")).toBe("guest\n");
    expect(read("ro/config")).toBe("one\ntwo\n");
    const kept = readdirSync(ro).filter((name) => !name.startsWith("probe"));
    expect(kept.sort()).toEqual(["a", "config"]);
    // A volume by its name outlives the machine that made it.
    const again = await home.ok("run", "-v", "data:/db:ro", "--", "cat", "/db/row");
    expect(again).toBe("kept\n");
    expect((await home.smolvm(["volume", "ls", "-q"])).output).toContain("data\n");
    expect(await home.smolvm(["volume", "rm", "data"])).toMatchObject({ output: "data\n" });
  },
  120,
);

beforeAll(
  async () => {
    if (inLab) return;
    const many = Array.from({ length: 20 }, (_, i) => [
      "-v",
      `${make(`many/${i}`, { n: `${i}\n` })}:/many/${i}`,
    ]);
    const work = make("work", { from: "host\n" });
    await home.create("box", "-v", `${work}:/workspace`, "-v", "kept:/kept", ...many.flat());
    await home.ok("start", "box");
  },
  { timeout: 120_000 },
);

onQemu("twenty folders are there; /workspace is one and no link", async () => {
  const numbers = Array.from({ length: 20 }, (_, i) => `${i}\n`).join("");
  expect(await home.sh("box", "for i in $(seq 0 19); do cat /many/$i/n; done")).toBe(numbers);
  expect(
    await home.sh(
      "box",
      "readlink /workspace; cat /workspace/from; mount | grep -c 'on /workspace type fuse'",
    ),
  ).toBe("host\n1\n");
  const { mounts, volumes } = await home.state("box");
  expect([mounts, volumes[1]]).toEqual([
    22,
    { kind: "volume", source: "kept", target: "/kept", read_only: false },
  ]);
});

onQemu(
  "modes are what the guest made, and a file that nobody may write is written by its creator",
  async () => {
    const script =
      "cd /workspace && umask 222 && echo object > object && umask 022 && mkdir -m 1777 sticky && " +
      "touch owned && chown 1234:4321 owned && stat -c '%a %u:%g' object sticky owned";
    expect(await home.sh("box", script)).toBe("444 0:0\n1777 0:0\n644 1234:4321\n");
    expect(statSync(host("work/object")).mode & 0o7777).toBe(0o444);
    expect(statSync(host("work/sticky")).mode & 0o7777).toBe(0o1777);
  },
);

onQemu("what the host changes is seen in the guest a moment later", async () => {
  await home.sh("box", "cat /workspace/from; ls /workspace");
  writeFileSync(host("work/from"), "edited on the host, and longer\n");
  writeFileSync(host("work/new"), "new\n");
  // Longer than the guest believes what it was told.
  await Bun.sleep(400);
  expect(await home.sh("box", "cat /workspace/from /workspace/new")).toBe(
    "edited on the host, and longer\nnew\n",
  );
});

onQemu("nothing leads out of a folder", async () => {
  make("secret", { key: "secret\n" });
  const outside = host("secret/key");
  const script = [
    "cd /workspace",
    `ln -s ${outside} out`,
    "ln -s ../secret up",
    "cat out up/key ../secret/key 2>&1",
    "mknod disk b 254 0 2>&1",
    "true",
  ].join("; ");
  const output = await home.sh("box", script);
  expect(output).not.toContain("secret\n");
  expect(output).toContain("mknod: disk: Operation not permitted");
  // A link that the guest made leads nowhere on the host but where the host's user follows it.
  expect(existsSync(host("work/disk"))).toBe(false);
});

onQemu(
  "names of 255 bytes and any bytes, renames while others look, and trees that are removed",
  async () => {
    const script =
      "cd /workspace && mkdir t && cd t && n=$(head -c 255 /dev/zero | tr '\\0' x) && echo 1 > $n && cat $n && rm $n && " +
      "echo 2 > $(printf '\\377\\n x') && ls | od -An -c | head -1 && rm -f ./* && " +
      "{ (for i in $(seq 40); do mv a b 2>/dev/null || mv b a 2>/dev/null || touch a; done) & } && " +
      "for i in $(seq 40); do ls > /dev/null; cat a b > /dev/null 2>&1; done; wait; " +
      "mkdir -p deep/a/b/c && for i in $(seq 100); do echo $i > deep/a/b/c/$i; done && cd .. && rm -r t && ls -d t 2>&1";
    const output = await home.sh("box", `${script}; true`);
    expect(output).toStartWith("1\n");
    expect(output).toContain("\\n");
    expect(output).toContain("No such file or directory");
    expect(existsSync(host("work/t"))).toBe(false);
  },
  120,
);

onQemu("a volume that a machine has is not removed; update takes it away", async () => {
  expect(await home.smolvm(["volume", "rm", "kept"])).toMatchObject({ exitCode: 1 });
  await home.create("other", "-v", "kept:/kept");
  expect(await home.ok("update", "other", "--remove-volume", "/kept")).toContain("volumes");
  expect((await home.state("other")).mounts).toBe(0);
});

onQemu("what cannot be shared is refused in words that scripts know", async () => {
  expect(await home.refusal("create", "x", "-v", "./nowhere:/x")).toMatchObject({
    code: "volume.no_source",
    message: "mount source not found: ./nowhere",
  });
  expect(await home.refusal("create", "x", "-v", "/etc:/x")).toMatchObject({ code: "volume.protected" });
  expect(await home.refusal("create", "x", "-v", "/:/x")).toMatchObject({ code: "volume.protected" });
  expect(await home.refusal("create", "x", "-v", "a:/x", "-v", "b:/x/")).toMatchObject({
    code: "machine.bad_setting",
    message: 'two volumes cannot be at the same path in the guest: "/x"',
  });
  const many = Array.from({ length: 65 }, (_, i) => ["-v", `v:/m${i}`]).flat();
  expect((await home.refusal("create", "x", ...many)).message).toContain("64");
});

onQemu(
  "without its file server the guest gets errors and goes on; a killed machine leaves nothing and loses nothing",
  async () => {
    const { pid } = await home.state("box");
    const [server = 0] = fileServers(pid ?? 0);
    // A list of system calls holds for it (2 is a filter), where the host has such lists.
    expect(readFileSync(`/proc/${server}/status`, "utf8")).toMatch(/^Seccomp:\s+2$/m);
    await home.sh("box", "echo written > /workspace/written");
    process.kill(server, "SIGKILL");
    await until("the end of the server", () => fileServers(pid ?? 0).length === 0);
    const { exitCode, stderr } = await home.machine(["exec", "-n", "box", "--", "cat", "/workspace/written"]);
    // A request that was under way is aborted; one behind it finds nobody.
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^cat: can't open '\/workspace\/written': (Socket not connected|Connection aborted)\n$/,
    );
    expect(await home.sh("box", "echo the machine lives")).toBe("the machine lives\n");
    await home.ok("stop", "box");
    await home.ok("start", "box");
    expect(await home.sh("box", "cat /workspace/written")).toBe("written\n");
    const machine = (await home.state("box")).pid ?? 0;
    const [next = 0] = fileServers(machine);
    await home.sh("box", "seq 1000 > /workspace/numbers");
    process.kill(machine, "SIGKILL");
    await until("the end of the server", () => !existsSync(`/proc/${next}`));
    expect(read("work/numbers")).toBe(Array.from({ length: 1000 }, (_, i) => `${i + 1}\n`).join(""));
  },
  180,
);

onQemu("a path that was replaced by a link is not followed at the next start", async () => {
  const place = make("swap", { a: "mine\n" });
  await home.create("swapped", "-v", `${place}:/x`);
  const { renameSync, symlinkSync } = await import("node:fs");
  renameSync(place, `${place}.away`);
  symlinkSync("/etc", place);
  expect(await home.refusal("start", "swapped")).toMatchObject({ code: "volume.changed" });
  chmodSync(`${place}.away`, 0o755);
});

onQemu("volumes that no machine names go, with what is in them", async () => {
  await home.deleteAll();
  expect(await home.smolvm(["volume", "prune"])).toMatchObject({ output: "kept\n" });
  expect(await home.smolvm(["volume", "ls"])).toMatchObject({ output: "No volumes found\n" });
});
