/** Trees for tests of copies, and other people's tools that judge what became of them. Needs Linux and GNU find. */
import { mkdirSync } from "node:fs";

async function shell(script: string, cwd: string): Promise<string> {
  const child = Bun.spawn(["bash", "-euc", script], { cwd, stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${script}: ${code}: ${err}`);
  return out;
}

/** One of everything that a copy keeps. */
export async function makeTree(path: string): Promise<void> {
  mkdirSync(path, { recursive: true });
  await shell(
    `umask 022
     mkdir -p empty deep/er/est shut
     echo text > plain; : > nothing; echo run > run; chmod 755 run; echo secret > secret; chmod 600 secret
     head -c 300000 /dev/urandom > deep/random
     ln plain deep/er/again; ln deep/random random-too
     ln -s plain link; ln -s /etc/passwd absolute; ln -s ../../gone deep/er/dangling
     truncate -s 64M holes; printf middle | dd of=holes bs=1 seek=33554432 conv=notrunc status=none
     truncate -s 5M hole
     echo x > $'odd \\xff\\n name'; echo y > "$(printf 'n%.0s' {1..255})"; echo z > -dash
     echo in > shut/inside; chmod 444 shut/inside
     chmod 1777 empty; chmod 2755 deep; chmod 4755 run
     touch -d '2001-02-03 04:05:06.123456789Z' plain; touch -hd '1999-12-31 23:59:59.999999999Z' link
     touch -d '1965-01-01 00:00:00.5Z' nothing
     find . -type d -exec touch -d '2011-11-11 11:11:11.111111111Z' {} +
     chmod 555 shut`,
    path,
  );
}

/** What find(1) says of each file: type, mode, links, size, time, target; with owners if asked. */
export async function listing(
  path: string,
  options: { readonly owners?: boolean; readonly modes?: string } = {},
) {
  const owners = options.owners ? " %U:%G" : "";
  const modes = options.modes ?? "%m";
  return await shell(
    `find . -mindepth 1 ! -type d -printf '%y ${modes} %n %s %T@${owners} %l %P\\0' -o -type d -mindepth 1 -printf '%y ${modes} %T@${owners} %P\\0' | sort -z | tr '\\0' '\\n'`,
    path,
  );
}

/** Digests of all files, by sha256sum(1). */
export async function digests(path: string): Promise<string> {
  return await shell("find . -type f -print0 | sort -z | xargs -0 sha256sum", path);
}

/** Bytes that a file takes on the disk. */
export async function blocksOf(path: string): Promise<number> {
  return Number(await shell(`stat -c %b '${path}'`, "/")) * 512;
}
