import { mkdirSync, readFileSync } from "node:fs";
import { writeErofs } from "../../build/erofs.ts";
import { EPOCH_SECONDS } from "../../build/host.ts";
import { type TarEntry, writeTar } from "../../build/tar.ts";
import { cardArguments } from "../../src/engine/qemu/arguments.ts";
import { network } from "../../src/net/index.ts";
import { bareCommand } from "./bare-qemu.ts";
import { LIMIT_MS, outputOf, startPeer } from "./net-backend.ts";

/** Whoever is behind a backend's wire, with a service that answers on port 7. */
export interface Guest {
  /** Runs `net-peer` or `iperf3` inside, to its end. @returns what it printed */
  inside(program: "net-peer" | "iperf3", ...words: readonly string[]): Promise<string>;
  stop(): void;
}

/**
 * This host's kernel as a guest: a network namespace behind a TAP device, whose frames test/network/tap.c carries.
 *
 * @param programs where `tap` and `net-peer` are
 */
export async function namespaceGuest(programs: string, socket: string): Promise<Guest> {
  const tap = await startPeer(["unshare", "-n", `${programs}/tap`, socket, "65520"]);
  const enter = ["nsenter", "-t", String(tap.pid), "-n"];
  const service = await startPeer([...enter, `${programs}/net-peer`, "once", "7"]);
  return {
    inside: (program, ...words) =>
      outputOf([...enter, program === "iperf3" ? program : `${programs}/${program}`, ...words]),
    stop() {
      service.kill();
      tap.kill();
    },
  };
}

/** PID 1 of the virtual guest: sets the card up, and does what it is told, a line at a time. */
const INIT = `#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev 2>/dev/null
mount -t proc proc /proc
mount -t tmpfs tmp /tmp
stty -echo -onlcr
ip link set lo up
ip link set eth0 mtu 65520 up
ip addr add 100.96.0.2/30 dev eth0
ip route add default via 100.96.0.1
net-peer once 7 >/dev/null &
echo END 0
while read -r line; do
  timeout 40 sh -c "$line" </dev/null 2>&1
  echo "END $?"
done
`;

/**
 * A virtual machine of QEMU's, emulated, with our kernel and the card of our machines.
 *
 * @param programs where `net-peer` is
 */
export async function virtualGuest(programs: string, socket: string): Promise<Guest> {
  const root = `${programs}/guest.erofs`;
  const card = cardArguments({ socket, mac: network.guestMac }, socket);
  const command = await bareCommand(root, programs, { cpus: 1, memoryMib: 512 }, card);
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "ignore" });
  const answers = answersOf(child.stdout);
  /** Answers come in the order of questions. */
  let last = answers.next();
  await last;
  return {
    async inside(program, ...words) {
      await last;
      child.stdin.write(`${[program, ...words].join(" ")}\n`);
      last = answers.next();
      const limit = setTimeout(() => child.kill(), LIMIT_MS);
      const { value } = await last;
      clearTimeout(limit);
      if (value === undefined) throw new Error(`no end after ${LIMIT_MS / 1000} s`);
      if (value.code !== 0) throw new Error(value.text.slice(-300));
      return value.text;
    },
    stop: () => child.kill(),
  };
}

/** What is printed before each END, with what that says. */
async function* answersOf(
  console: ReadableStream<Uint8Array>,
): AsyncGenerator<{ readonly text: string; readonly code: number }> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of console) {
    text += decoder.decode(bytes, { stream: true });
    for (let end = END.exec(text); end !== null; end = END.exec(text)) {
      yield { text: text.slice(0, end.index), code: Number(end[1]) };
      text = text.slice(end.index + end[0].length);
    }
  }
}

const END = /END (\d+)\r?\n/;

/** Makes the virtual guest's disk: busybox, iperf3 and `net-peer`. @param programs where `net-peer` is, and the disk will be */
export async function makeGuestDisk(programs: string): Promise<void> {
  const directories = ["bin", "dev", "proc", "tmp", "lib", "lib64", "lib/x86_64-linux-gnu"];
  const own = { uid: 0, gid: 0 };
  const file = (path: string, from: string): TarEntry => ({
    ...{ path, mode: 0o755, ...own },
    content: { file: readFileSync(from) },
  });
  const iperf3 = Bun.which("iperf3");
  const busybox = Bun.which("busybox");
  if (iperf3 === null || busybox === null) throw new Error("iperf3 or busybox-static is missing");
  const libraries = [...(await outputOf(["ldd", iperf3])).matchAll(/(\/lib\S+) \(0x/g)].map(
    ([, path]) => path ?? "",
  );
  const applets = ["sh", "mount", "ip", "stty", "timeout"].map(
    (name): TarEntry => ({
      ...{ path: `bin/${name}`, mode: 0o777, ...own },
      content: { symlink: "busybox" },
    }),
  );
  const entries: TarEntry[] = [
    ...directories.map((path): TarEntry => ({ path, mode: 0o755, ...own, content: { directory: true } })),
    ...[
      file("bin/busybox", busybox),
      file("bin/iperf3", iperf3),
      file("bin/net-peer", `${programs}/net-peer`),
    ],
    ...applets,
    ...libraries.map((path) => file(path.slice(1), path)),
    { path: "init", mode: 0o755, ...own, content: { file: Buffer.from(INIT) } },
  ];
  mkdirSync(programs, { recursive: true });
  await writeErofs(writeTar(entries, EPOCH_SECONDS), `${programs}/guest.erofs`);
}
