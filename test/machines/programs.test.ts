import { afterAll, expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { apkRepository } from "../support/apk.ts";
import { debianImage } from "../support/debian.ts";
import { git, gitFolder, serveRepositories } from "../support/git-server.ts";
import { useMachines } from "../support/machines.ts";
import { debianRepository } from "../support/mirror.ts";
import { onQemu } from "../support/register.ts";

/** People's own programs in a guest, through its network: package managers from mirrors of the host's, and what they bring. */

const machines = useMachines();
const servers: Bun.Server<undefined>[] = [];
afterAll(() => Promise.all(servers.map((server) => server.stop(true))));

/** Serves files by the last part of a path. */
function serve(files: ReadonlyMap<string, Buffer>): { readonly port: number; readonly asked: string[] } {
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => {
      const name = decodeURIComponent(new URL(url).pathname.split("/").at(-1) ?? "");
      asked.push(name);
      const file = files.get(name);
      return file === undefined
        ? new Response("not found", { status: 404 })
        : new Response(new Uint8Array(file));
    },
  });
  servers.push(server);
  return { port: server.port ?? 0, asked };
}

/** As many pages as are asked for; none is answered before all of them have been. */
function servePages(count: number): number {
  const all = Promise.withResolvers<void>();
  let asked = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: async ({ url }) => {
      asked += 1;
      if (asked === count) all.resolve();
      await all.promise;
      return new Response(`${new URL(url).pathname}\n`);
    },
  });
  servers.push(server);
  return server.port ?? 0;
}

const HOST = "host.smolvm.internal";

onQemu("apk adds a package from a mirror, and finds none where the list does not have it", async () => {
  const mirror = serve(apkRepository("greet", "#!/bin/sh\necho hello from a mirror\n"));
  const add = `apk add -q --allow-untrusted --repositories-file /dev/null -X http://${HOST}:${mirror.port} greet`;
  const open = ["--allow-host", `${HOST}:${mirror.port}`];
  await machines.create("alpine", ...open);
  await machines.ok("start", "alpine");
  expect(await machines.sh("alpine", `${add} && greet`)).toBe("hello from a mirror\n");
  expect(mirror.asked.filter((name) => name.startsWith("greet-"))).toHaveLength(1);
  await machines.ok("update", "alpine", "--remove-allow-host", open[1] as string);
  const before = mirror.asked.length;
  const { exitCode } = await machines.machine([
    "exec",
    "--name",
    "alpine",
    "--",
    "sh",
    "-c",
    `apk del -q greet; ${add}`,
  ]);
  expect([exitCode, mirror.asked.length]).toEqual([1, before]);
  await machines.ok("delete", "-f", "alpine");
});

/** Where the guest has git and its libraries. */
const GIT = "/opt/git";

/** A repository of the host's is cloned, fetched from and pushed to, by both ways that git's own servers have. */
async function cloneFetchPush(inside: (script: string) => Promise<string>): Promise<void> {
  const [seed, bare] = ["seed", "shared.git"].map((name) => `${machines.path}/repositories/${name}`) as [
    string,
    string,
  ];
  mkdirSync(seed, { recursive: true });
  git(seed, "init", "-q", "-b", "main");
  writeFileSync(`${seed}/large`, crypto.getRandomValues(new Uint8Array(65_536)));
  for (let i = 0; i < 40; i++) writeFileSync(`${seed}/file-${i}`, `${i}\n`.repeat(1000));
  git(seed, "add", ".");
  git(seed, "commit", "-qm", "of the host");
  git(seed, "clone", "-q", "--bare", ".", bare);
  const server = await serveRepositories(`${machines.path}/repositories`);
  try {
    const [http, plain] = [`http://${HOST}:${server.http}`, `git://${HOST}:${server.git}`];
    const found = `export GIT_EXEC_PATH=${GIT}/usr/lib/git-core PATH=$PATH:${GIT}/usr/bin
       LD_LIBRARY_PATH=$(echo ${GIT}/usr/lib/*-linux-gnu); export LD_LIBRARY_PATH`;
    await inside(
      `${found}
       git config --global user.name Guest; git config --global user.email guest@example.test
       git clone -q ${http}/shared.git /tmp/web; git clone -q ${plain}/shared.git /tmp/plain
       cd /tmp/web; git fsck --strict; echo web >web; git add web; git commit -qm "over http"; git push -q
       cd /tmp/plain; git pull -q; cat web; git commit -q --allow-empty -m "over git"; git push -q
       cd /tmp/web; git fetch -q; git merge -q --ff-only origin/main`,
    );
    expect(git(bare, "log", "--format=%an: %s", "main").split("\n")).toEqual([
      "Guest: over git",
      "Guest: over http",
      "Host: of the host",
    ]);
    expect(await inside(`${found}; git -C /tmp/web rev-parse HEAD HEAD^{tree}`)).toBe(
      git(bare, "rev-parse", "main", "main^{tree}"),
    );
  } finally {
    server.close();
  }
}

onQemu(
  "apt-get installs curl, dig and iperf3 from a mirror; they find names, carry data both ways and 500 pages at once; git clones, fetches and pushes",
  async () => {
    const image = await debianImage();
    const mirror = serve(await debianRepository(["curl", "bind9-dnsutils", "iperf3"]));
    const pages = servePages(500);
    const folder = ["-v", `${await gitFolder()}:${GIT}:ro`];
    const options = ["--mem", "1024", "--outbound-localhost-only", "-p", "0:5201", ...folder];
    await machines.ok("create", "debian", "--image", image, ...options);
    await machines.ok("start", "debian");
    const inside = async (script: string) => {
      const words = ["exec", "--name", "debian", "--", "bash", "-euc", script];
      const { exitCode, output, stderr } = await machines.machine(words, { seconds: 240 });
      if (exitCode !== 0) throw new Error(`${script}: ${exitCode}: ${output}${stderr}`);
      return output.trim();
    };
    const source = `deb [trusted=yes] http://${HOST}:${mirror.port} ./`;
    await inside(
      `rm -rf /etc/apt/sources.list.d/*; echo '${source}' >/etc/apt/sources.list
       export DEBIAN_FRONTEND=noninteractive; apt-get -qq update
       apt-get -qq -y -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends curl bind9-dnsutils iperf3`,
    );
    expect(mirror.asked.filter((name) => /^(curl|iperf3)_/.test(name))).toHaveLength(2);

    const dig = (...words: string[]) => inside(`dig +short ${words.join(" ")}`);
    expect([await dig(HOST), await dig("+tcp", HOST), await dig("nobody.test")]).toEqual([
      "100.96.0.1",
      "100.96.0.1",
      "",
    ]);
    // A command of curl's has 300 transfers at once at most.
    const fetched = await inside(
      `fetch() { curl -sS -Z --parallel-immediate --parallel-max 250 "http://${HOST}:${pages}/$1-[1-250]"; }
       fetch a >/tmp/a & fetch b >/tmp/b; wait $!; sort -u /tmp/a /tmp/b | wc -l`,
    );
    expect(fetched).toBe("500");

    const [published] = (await machines.state("debian")).published;
    // A server for each: one that goes on closes its socket between two tests, and refuses who comes then.
    const measure = async (...words: string[]) => {
      const server = machines.ok("exec", "--name", "debian", "--", "iperf3", "--server", "--one-off");
      // 0x1451 is its port, 0A that it listens.
      await inside("until grep -q ':1451 .* 0A ' /proc/net/tcp*; do sleep 0.05; done");
      const port = String(published?.host_port);
      const child = Bun.spawn(["iperf3", "-J", "-c", "127.0.0.1", "-p", port, "-t", "3", ...words]);
      const { error, end } = JSON.parse(await new Response(child.stdout).text());
      if (error !== undefined) throw new Error(error);
      await server;
      return end.sum_received.bytes;
    };
    // In one round trip it would be less; how fast it is says bench/net.ts.
    expect(await measure("-P", "4")).toBeGreaterThan(2 ** 20);
    expect(await measure("--reverse")).toBeGreaterThan(2 ** 20);
    await cloneFetchPush(inside);
    await machines.ok("delete", "-f", "debian");
  },
  300,
);
