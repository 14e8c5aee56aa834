import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Home } from "../support/home.ts";
import { file, imageWith } from "../support/images.ts";
import { type Result, until } from "../support/process.ts";
import { slowness } from "../support/program.ts";

/** Containers of a real machine: its kernel mounts images from files of its storage disk. One machine for all. */

const home = new Home();
const LIMIT_MS = 120_000 * slowness;

const image = await imageWith(
  { Env: ["PATH=/bin", "COLOUR=red"], WorkingDir: "/srv", User: "7", Volumes: { "/data": {} } },
  file("srv/file", "of the image\n"),
);
/** Ends well when it is asked to, by a signal of its own. */
const polite = await imageWith({ Entrypoint: ["sh", "-c"], StopSignal: "SIGUSR1" });
const politely = "trap 'echo bye > /bye; exit 3' USR1; echo ready; while :; do sleep 0.1; done";

async function smolvm(...args: string[]): Promise<string> {
  const result = await attempt(...args);
  if (result.exitCode !== 0) throw new Error(`${args.join(" ")}: ${result.stderr}`);
  return result.output.trim();
}
const attempt = (...args: string[]): Promise<Result> => home.smolvm(args, { seconds: 100 });
const create = (...args: string[]) => smolvm("container", "create", "-q", "box", ...args);
const inside = (id: string, script: string) =>
  smolvm("container", "exec", "-u", "0", "box", id, "--", "sh", "-c", script);
const inMachine = (script: string) => smolvm("machine", "exec", "--name", "box", "--", "sh", "-c", script);
const states = async () => {
  const all = JSON.parse(await smolvm("container", "ls", "-a", "--json", "box")) as {
    id: string;
    state: string;
    exit_code: number | null;
  }[];
  return Object.fromEntries(all.map(({ id, state, exit_code }) => [id, `${state} ${exit_code}`]));
};

beforeAll(async () => {
  await smolvm("machine", "create", "box", "--cpus", "1", "--mem", "256");
  await smolvm("machine", "start", "box");
}, LIMIT_MS);
afterAll(async () => {
  await smolvm("machine", "delete", "box", "-f");
  home.remove();
}, LIMIT_MS);

describe("a container in a real machine", () => {
  test(
    "has its image's files, a root, processes and a host name of its own, and keeps what it writes",
    async () => {
      const id = await create(image, "-e", "SHAPE=round");
      expect(await states()).toEqual({ [id]: "created null" });
      expect(await smolvm("container", "start", "box", id.slice(0, 6))).toBe(id);

      const facts = "id -u; pwd; cat file; echo $COLOUR $SHAPE; hostname; cat /proc/1/comm; ls /data";
      const plain = await smolvm("container", "exec", "box", id, "--", "sh", "-c", facts);
      expect(plain.split("\n")).toEqual(["7", "/srv", "of the image", "red round", id, "sleep"]);
      // Neither the machine's files nor its processes.
      expect(await inside(id, "ls -A /storage /workspace /proc/2/root 2>&1; ps | wc -l")).not.toContain(
        ".smolvm",
      );
      await inside(id, "echo changed >> /srv/file; mkdir /new; mv /srv /moved; mknod /zero c 1 5");
      expect(await inMachine("hostname; ls / | grep -c moved || true")).toBe("box\n0");

      const listed = await smolvm("container", "ls", "box");
      expect(listed.split("\n")[0]).toBe("CONTAINER ID     IMAGE                STATE        COMMAND");
      expect(listed).toContain(`${id}     `);
      expect(listed).toContain(" running      sleep infinity");

      await smolvm("container", "stop", "box", id);
      await smolvm("ct", "start", "box", id);
      expect(await inside(id, "cat /moved/file; ls -d /new /zero")).toBe(
        "of the image\nchanged\n/new\n/zero",
      );
      await smolvm("container", "rm", "-f", "box", id);
      expect(await inMachine("find /storage/.smolvm | sort")).toBe(
        "/storage/.smolvm\n/storage/.smolvm/containers\n/storage/.smolvm/images",
      );
    },
    LIMIT_MS,
  );

  test(
    "shares a directory of the machine, and lacks memory alone",
    async () => {
      await inMachine("mkdir -p /workspace/src; echo from the machine > /workspace/src/a");
      const id = await create(image, "-v", "/workspace/src:/src", "-v", "/storage/out:/out:ro");
      await smolvm("container", "start", "box", id);
      expect(
        await inside(id, "cat /src/a; echo from the container > /src/b; ln -s b /src/c; cat /src/c"),
      ).toBe("from the machine\nfrom the container");
      expect(await inMachine("cat /workspace/src/c; ls -d /storage/out")).toBe(
        "from the container\n/storage/out",
      );
      expect(await inside(id, "touch /out/x 2>&1 || true")).toContain("Read-only file system");
      const greedy = await attempt("container", "exec", "box", id, "--", "tail", "/dev/zero");
      expect(greedy.exitCode).toBe(137);
      expect(greedy.stderr).toContain("out of memory");
      expect((await states())[id]).toBe("running null");
      await smolvm("container", "rm", "-f", "box", id);
    },
    LIMIT_MS,
  );

  test(
    "ends by the image's signal, with its machine too, and starts again when it is told to",
    async () => {
      const [ended, idle] = [
        await create(polite, "--", politely),
        await create(image, "--", "sleep", "1000"),
      ];
      await smolvm("container", "start", "box", ended, idle);
      const isReady = async () => (await smolvm("machine", "logs", "box", ended)).includes("ready");
      await until("the trap", isReady);
      await smolvm("container", "stop", "-t", "60", "box", ended);
      expect((await states())[ended]).toBe("exited 3");
      await smolvm("container", "start", "box", ended);
      expect(await inside(ended, "cat /bye")).toBe("bye");

      // The machine's process is gone, and its VM with it: a power cut.
      for (const pid of home.roles("__machine")) process.kill(pid, "SIGKILL");
      await until("the VM's end", () => home.vmms().length === 0);
      expect(await states()).toEqual({ [ended]: "exited null", [idle]: "exited null" });
      expect((await attempt("container", "start", "box", ended)).stderr).toContain("is not running");
      await smolvm("machine", "start", "box");
      expect(await states()).toEqual({ [ended]: "exited null", [idle]: "exited null" });
      await smolvm("container", "start", "box", ended);
      expect(await inside(ended, "cat /bye")).toBe("bye");

      await smolvm("machine", "stop", "box");
      expect((await states())[ended]).toBe("exited 3");
      const again = await attempt("machine", "start", "box");
      expect(again.stderr).not.toContain("journal");
      await smolvm("container", "rm", "box", ended, idle);
    },
    LIMIT_MS * 2,
  );

  test(
    "root of the machine damages what belongs to it: an error says so, and the machine goes on",
    async () => {
      const id = await create(image);
      await inMachine(
        "for f in /storage/.smolvm/images/*; do dd if=/dev/zero of=$f bs=4096 count=1 conv=notrunc; done",
      );
      const damaged = await attempt("container", "start", "box", id);
      expect(damaged.stderr).toContain("damaged");
      await inMachine("cd /storage/.smolvm/images && for f in *; do rm $f; ln -s /dev/vda $f; done");
      expect((await attempt("container", "start", "box", id)).exitCode).toBe(1);
      // As the hint says.
      const other = await create(image);
      await smolvm("container", "start", "box", id, other);
      await smolvm("container", "rm", "-f", "box", id, other);
      await inMachine("rm -rf /storage/.smolvm; ln -s / /storage/.smolvm");
      const linked = await attempt("container", "create", "-q", "box", image);
      expect([linked.exitCode, linked.stderr]).toEqual([1, expect.stringContaining("/storage/.smolvm")]);
      await inMachine("rm /storage/.smolvm");
    },
    LIMIT_MS,
  );
});
