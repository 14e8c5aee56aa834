import { describe, expect } from "bun:test";
import { directory, file, imageWith, link, testImages } from "./support/images.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** What an image finds when it becomes a machine's root: its own files and rules, and what docker would give it. */

const home = useHome();
const images = await testImages();

/** Runs an image's own command, as user and with settings of the image. */
const runImage = async (
  config: Parameters<typeof imageWith>[0],
  members: Parameters<typeof imageWith>[1][] = [],
  options: readonly string[] = [],
) => home.run([], { options: ["-i", "--image", await imageWith(config, ...members), ...options] });

/** A shell script in an image of busybox, as root. */
const shell = (script: string, options: readonly string[] = []) =>
  home.run(["-c", script], {
    options: ["--image", images.archive, "--entrypoint", "/bin/sh", "-u", "0", "-w", "/", ...options],
  });

describe("/workspace of an image", () => {
  onBoth("has the image's files", async () => {
    const members = [directory("workspace"), file("workspace/run.sh", "#!/bin/sh\necho ran\n")];
    const result = await runImage({ WorkingDir: "/workspace", Cmd: ["./run.sh"] }, members);
    expect(result).toMatchObject({ output: "ran\n", stderr: "", exitCode: 0 });
  });

  onQemu("belongs to whom the image says", async () => {
    const config = {
      User: "1000",
      WorkingDir: "/workspace",
      Cmd: ["sh", "-c", "touch f && stat -c %u:%g f ."],
    };
    const result = await runImage(config, [directory("workspace", { uid: 1000, gid: 1001 })]);
    expect(result).toMatchObject({ output: "1000:0\n1000:1001\n", exitCode: 0 });
  });

  onQemu("that is a file stays one, and a note says so", async () => {
    const result = await runImage({ Cmd: ["cat", "/workspace"] }, [file("workspace", "text\n")]);
    expect(result).toMatchObject({ output: "text\n", exitCode: 0 });
    expect(result.stderr).toMatch(/^note: .*\/workspace.*\/storage/);
  });

  onQemu("that is a link stays one, and its target is seen", async () => {
    const members = [link("workspace", "/srv"), directory("srv"), file("srv/mine")];
    const result = await runImage({ Cmd: ["ls", "/srv", "/storage"] }, members);
    expect(result.output).toBe("/srv:\nmine\n\n/storage:\nlost+found\nworkspace\n");
    expect(result.stderr).toMatch(/^note: .*\/workspace/);
  });
});

describe("/storage", () => {
  onQemu("is the ext4 disk, and /workspace a directory of it without lost+found", async () => {
    const result = await shell(
      "stat -f -c %T /storage /workspace; echo x > /workspace/f; ls /storage/workspace; grep -c ' /storage ext4 ' /proc/mounts",
    );
    expect(result.output).toBe("ext2/ext3\next2/ext3\nf\n1\n");
  });

  onQemu("has the files that the image has there", async () => {
    const result = await runImage({ Cmd: ["ls", "/storage", "/workspace"] }, [
      directory("storage"),
      file("storage/own"),
    ]);
    expect(result.output).toBe("/storage:\nlost+found\nown\nworkspace\n\n/workspace:\n");
    expect(result.stderr).toBe("");
  });

  onBoth("of a bare machine has /workspace as a link to it", async () => {
    const result = await home.run([
      "sh",
      "-c",
      "readlink /workspace; echo x > /workspace/f; ls /storage/workspace",
    ]);
    expect(result).toMatchObject({ output: "/storage/workspace\nf\n", stderr: "", exitCode: 0 });
  });
});

describe("an image's configuration and files", () => {
  onQemu("VOLUME paths exist", async () => {
    const result = await runImage({
      Volumes: { "/data": {}, "/a/b": {} },
      Cmd: ["touch", "/data/f", "/a/b/f"],
    });
    expect(result).toMatchObject({ stderr: "", exitCode: 0 });
  });

  onQemu("hard links into AUFS's directory lead to their content", async () => {
    const members = [
      directory(".wh..wh.plnk"),
      file(".wh..wh.plnk/12.34", "content\n"),
      { path: "q", type: "1", target: ".wh..wh.plnk/12.34" },
    ];
    expect(await runImage({ Cmd: ["cat", "/q"] }, members)).toMatchObject({
      output: "content\n",
      exitCode: 0,
    });
  });

  onQemu("dangling links for /etc/resolv.conf and the like get their targets, within the root", async () => {
    const members = [
      directory("etc"),
      link("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
      link("etc/hosts", "/over/there"),
      link("etc/hostname", "../../../up"),
    ];
    const script = "cat /etc/resolv.conf && wc -l < /over/there && cat /up";
    const result = await runImage({ Cmd: ["sh", "-c", script] }, members, ["--name", "named"]);
    expect(result).toMatchObject({ output: "7\nnamed\n", exitCode: 0 });
  });

  onQemu("/etc/mtab is a link, as docker makes it", async () => {
    expect((await shell("readlink /etc/mtab")).output).toBe("/proc/mounts\n");
  });

  onQemu("the machine's full name is its name", async () => {
    expect((await shell("hostname -f; hostname -i; cat /etc/hostname", ["--name", "named"])).output).toBe(
      "named\n127.0.1.1\nnamed\n",
    );
  });
});

describe("the overlay", () => {
  onQemu("lets a directory of the image be renamed", async () => {
    // Were rename(2) refused, mv would copy, and the directory would be another one.
    const result = await shell(
      "a=$(stat -c %i /srv); mv /srv /moved && [ $a = $(stat -c %i /moved) ] && ls /moved/work",
    );
    expect(result).toMatchObject({ output: "here\n", exitCode: 0 });
  });

  onQemu("does not copy a file to change its owner", async () => {
    const used = "df -k / | tail -n 1 | tr -s ' ' | cut -d ' ' -f 3";
    const script = `a=$(${used}); chown -R 7 /large; sync; b=$(${used}); [ $((b - a)) -lt 2000 ] && stat -c %u /large/file`;
    const members = [directory("large"), file("large/file", "x".repeat(16 << 20))];
    const result = await runImage({ Cmd: ["sh", "-c", script] }, members);
    expect(result).toMatchObject({ output: "7\n", stderr: "", exitCode: 0 });
  });
});
