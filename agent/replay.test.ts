import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { TestVolume } from "../src/files/files.fixture.ts";
import { RequestReader } from "../src/files/index.ts";
import { Watches } from "../src/files/replay/watches.ts";
import { type GuestFuse, MountFlag, StepFlag } from "../src/guest/index.ts";
import { output, startGuest, type TestGuest, which } from "./testing/index.ts";

setDefaultTimeout(60_000);

/**
 * What the host changes is told to who watches in the guest: the host's inotify, the real file server, the real agent
 * and kernel, and somebody else's watcher. Needs /dev/fuse.
 */

const place = "/run/volumes/0";
const OPTIONS = "rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other,max_read=122880";

let it: TestGuest;
let volume: TestVolume;
let fuse: GuestFuse;
const watches = new Watches(100);
/** Names that the agent was told. */
const told: string[] = [];

beforeAll(async () => {
  void watches.follow();
  it = await startGuest();
}, 120_000);

beforeEach(async () => {
  volume = new TestVolume({ watches });
  fuse = it.guest.fuse({ path: place, isFile: false, options: OPTIONS, mountFlags: MountFlag.noDevices });
  void serve(volume);
  await fuse.mounted;
  await it.guest.steps("main", [
    { kind: "hold", path: place, slot: 90 },
    { kind: "enter", path: "/" },
    { kind: "attach", slot: 90, path: "/v", flags: StepFlag.makeDirectory },
  ]);
  void pass(volume);
  told.splice(0);
});

afterAll(async () => {
  await it.stop();
});

async function serve({ session }: TestVolume): Promise<void> {
  const reader = new RequestReader();
  for await (const chunk of fuse.read())
    for (const request of reader.read(chunk)) {
      const reply = session.answer(request);
      if (reply !== undefined) await fuse.write(reply);
    }
}

async function pass({ folder }: TestVolume): Promise<void> {
  for (;;) {
    const changes = (await folder.changes?.next()) ?? [];
    if (changes.length === 0) return;
    told.push(...changes.map(({ path }) => path));
    await it.guest.replay(place, changes);
  }
}

async function end(): Promise<void> {
  volume.stop();
  fuse.cancel();
  await fuse.ended;
}

/** inotifywait, beside the agent: it sees the filesystem where that is mounted first. */
class Watcher {
  readonly #process;
  readonly #text: AsyncIterator<Uint8Array>;
  #seen = "";

  /** @param paths below the volume's root; resolves when they are watched */
  static async start(...paths: string[]): Promise<Watcher> {
    const watcher = new Watcher(paths);
    await watcher.#ready();
    return watcher;
  }

  private constructor(paths: readonly string[]) {
    const events = "create,delete,modify,close_write,moved_from,moved_to,delete_self";
    const command = [which("inotifywait", "inotify-tools"), "-m", "-e", events, "--format", "%e %w%f"];
    this.#process = Bun.spawn(
      ["nsenter", "-t", String(it.agent.pid), "-m", ...command, ...paths.map((path) => `${place}/${path}`)],
      { stdout: "pipe", stderr: "pipe" },
    );
    this.#text = this.#process.stdout[Symbol.asyncIterator]();
  }

  /** What it tells of a change, an event a line, without the root's path. Lists keep the order of names. */
  async events(change: () => unknown): Promise<string> {
    await change();
    writeFileSync(`${volume.path}/end`, "");
    const events = await this.#until("CLOSE_WRITE,CLOSE end\n");
    rmSync(`${volume.path}/end`);
    await this.#until("DELETE end\n");
    return events.slice(0, events.indexOf("CREATE end"));
  }

  stop(): void {
    this.#process.kill();
  }

  async #ready(): Promise<void> {
    let text = "";
    for await (const chunk of this.#process.stderr) {
      text += Buffer.from(chunk).toString();
      if (text.includes("Watches established")) return;
    }
    throw new Error(`inotifywait: ${text}`);
  }

  async #until(text: string): Promise<string> {
    while (!this.#seen.includes(text)) {
      const { value, done } = await this.#text.next();
      if (done) throw new Error(`inotifywait has ended: ${this.#seen}`);
      this.#seen += Buffer.from(value).toString().replaceAll(`${place}/`, "");
    }
    const end = this.#seen.indexOf(text) + text.length;
    const before = this.#seen.slice(0, end);
    this.#seen = this.#seen.slice(end);
    return before;
  }
}

const written = (name: string): string => `MODIFY ${name}\nCLOSE_WRITE,CLOSE ${name}\n`;

test("files that the host makes, writes, replaces and removes", async () => {
  const at = volume.path;
  writeFileSync(`${at}/old`, "1");
  writeFileSync(`${at}/unseen`, "1");
  await output(it.guest, "cat /v/old");
  const watcher = await Watcher.start("", "old");
  expect(await watcher.events(() => appendFileSync(`${at}/old`, "2"))).toContain(written("old"));
  expect(await output(it.guest, "cat /v/old")).toBe("12");
  expect(await watcher.events(() => writeFileSync(`${at}/new`, "1"))).toBe(`CREATE new\n${written("new")}`);
  // As editors save: the file has another number then, and its watchers hear that theirs is gone.
  const save = (): void => {
    writeFileSync(`${at}/.old.swp`, "3");
    renameSync(`${at}/.old.swp`, `${at}/old`);
  };
  const saved = await watcher.events(save);
  expect(saved).toContain("DELETE old\n");
  expect(saved).toContain("DELETE_SELF old\n");
  expect(saved).toContain(`CREATE old\n${written("old")}`);
  expect(saved).not.toContain("swp");
  expect(await output(it.guest, "cat /v/old")).toBe("3");
  expect(await watcher.events(() => rmSync(`${at}/new`))).toBe("DELETE new\n");
  // The guest has never asked for it, but watches the directory that it is in.
  expect(await watcher.events(() => appendFileSync(`${at}/unseen`, "2"))).toBe(written("unseen"));
  expect(await watcher.events(() => rmSync(`${at}/unseen`))).toBe("DELETE unseen\n");
  expect(await watcher.events(() => symlinkSync("nowhere", `${at}/link`))).toBe("CREATE link\n");
  // A program must never be found open for writing.
  const program = (): void => {
    writeFileSync(`${at}/program`, "");
    chmodSync(`${at}/program`, 0o755);
  };
  expect(await watcher.events(program)).toBe("CREATE program\nMODIFY program\n");
  expect(readdirSync(at).sort()).toEqual(["link", "old", "program"]);
  watcher.stop();
  await end();
});

test("directories that the host makes, moves and removes, and what is in them", async () => {
  const at = volume.path;
  mkdirSync(`${at}/d/e`, { recursive: true });
  await output(it.guest, "ls /v/d/e");
  const watcher = await Watcher.start("", "d", "d/e");
  expect(await watcher.events(() => writeFileSync(`${at}/d/e/f`, ""))).toContain(
    `CREATE d/e/f\n${written("d/e/f")}`,
  );
  expect(await watcher.events(() => mkdirSync(`${at}/new`))).toBe("CREATE,ISDIR new\n");
  const moved = await watcher.events(() => renameSync(`${at}/d`, `${at}/m`));
  expect(moved.split("\n").sort().join(" ")).toBe(" CREATE,ISDIR m DELETE,ISDIR d");
  // It is the directory that it was, for those who are in it, too.
  expect(await watcher.events(() => writeFileSync(`${at}/m/e/g`, ""))).toContain("CREATE d/e/g\n");
  expect(await output(it.guest, "cd /v/m/e && echo x > h && ls && rmdir /v/new")).toBe("f\ng\nh\n");
  expect(await watcher.events(() => rmSync(`${at}/m`, { recursive: true }))).toContain("DELETE,ISDIR m\n");
  watcher.stop();
  await end();
});

test("what the guest does itself is not told again", async () => {
  await output(it.guest, "mkdir /v/d; echo 1 > /v/a; ls -R /v");
  const watcher = await Watcher.start("");
  const script =
    "cd /v && for i in 1 2 3; do echo $i > own$i; mv own$i d/$i; echo x >> d/$i; done; rm -r d; " +
    "ln -s a c; mkfifo p; mkdir q; rmdir q; chmod 600 a; truncate -s 9 a; : > a; echo 2 >> a; ln a b; rm a";
  await watcher.events(() => output(it.guest, script));
  expect([...new Set(told)]).toEqual(["end"]);
  watcher.stop();
  await end();
});

test("links that the guest makes in the way, and names of another place, lead nowhere", async () => {
  const at = volume.path;
  mkdirSync(`${at}/d`);
  writeFileSync(`${it.root}/kept`, "kept");
  await output(it.guest, "ls /v/d && rmdir /v/d && ln -s / /v/d");
  // As a host that knows nothing of it yet would ask.
  const change = { mode: 0o100644, gone: "file", made: true, modified: true, written: true } as const;
  const paths = ["d/kept", "../../kept", "/kept", "d/../kept", "..", ""];
  await it.guest.replay(
    place,
    paths.map((path) => ({ ...change, path })),
  );
  expect(readFileSync(`${it.root}/kept`, "utf8")).toBe("kept");
  const elsewhere = it.guest.replay("/run", [{ ...change, path: "volumes" }]);
  expect(await elsewhere.catch(({ code }) => code)).toBe("agent.bad_request");
  expect(statSync(at).isDirectory()).toBe(true);
  await end();
});

test("while a host changes things at random and a guest looks and writes: both have the same tree", async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  console.log(`SEED=${seed}`);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
  const at = volume.path;
  const name = (): string => ["a", "b", "c", "d/a", "d/b", "d/e", "d/e/a", "f", "f/a"][random(9)] as string;
  const steps = [
    () => writeFileSync(`${at}/${name()}`, String(random(1e9))),
    () => appendFileSync(`${at}/${name()}`, "more"),
    () => mkdirSync(`${at}/${name()}`),
    () => rmSync(`${at}/${name()}`, { recursive: true }),
    () => renameSync(`${at}/${name()}`, `${at}/${name()}`),
    () => symlinkSync(name(), `${at}/${name()}`),
  ];
  const watcher = await Watcher.start("");
  const work =
    "ls -lR . > /dev/null; cat a b d/a d/e/a f/a > /dev/null; echo x > guest; mv guest f/guest; rm -f f/guest";
  const busy = output(it.guest, `cd /v; while [ ! -e over ]; do ${work}; done 2> /dev/null; true`);
  for (let i = 0; i < 1500; i++) {
    try {
      steps[random(steps.length)]?.();
    } catch {
      // Of what is not there, or in the way.
    }
    if (i % 2 === 0) await Bun.sleep(1);
  }
  writeFileSync(`${at}/over`, "");
  await busy;
  // Everything that was to be told has been told when this comes, and what was believed is believed no more.
  await watcher.events(() => Bun.sleep(300));
  const tree =
    "find . ! -name end | sort | while read -r f; do echo $f; " +
    "if [ -L $f ]; then readlink $f; elif [ -f $f ]; then cat $f; fi; done";
  const inGuest = await output(it.guest, `cd /v && ${tree}`);
  expect(inGuest).toBe(Bun.spawnSync(["sh", "-c", tree], { cwd: at }).stdout.toString());
  expect(told.length).toBeGreaterThan(9);
  watcher.stop();
  await end();
});
