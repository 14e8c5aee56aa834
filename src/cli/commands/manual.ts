import type { Manual } from "../program/types.ts";

/** The parts of `smolvm --help` that are not made from its commands; at most 100 columns wide. */
export const MANUAL: Manual = {
  introduction: [
    {
      body: `A command runs in a virtual machine of its own, with its own kernel: it sees no file, no process
and no network of the host. machine run makes the machine for the command and removes it when the
command ends; machine create makes one that stays.`,
    },
    {
      title: "Quick start",
      body: `  smolvm machine run -- echo "hello from a microVM"     the built-in Alpine
  smolvm machine run -it                                a shell in it
  smolvm machine run --image alpine -- uname -a         an image of a registry
  docker save app -o app.tar                            an image as a file …
  smolvm machine run --image app.tar -- ./app           … and a command in it
  docker save app | smolvm machine run --image - -- ./app
  smolvm machine run --image ./rootfs/ -- ls /          a root filesystem as a directory
  tar c . | smolvm machine run -i -w /workspace -- sh -c 'tar x && ls'
  smolvm machine run -e TOKEN --timeout 5m --mem 2G -- ./untrusted
  smolvm machine create web --image nginx -l tier=1     a machine that stays …
  smolvm machine start web                              … runs until it is stopped …
  smolvm machine exec web -- nginx -t                   … takes commands …
  smolvm machine stop web; smolvm machine delete web    … and keeps its disks until then
  smolvm doctor                                         what works on this host, and why not`,
    },
  ],
  rules: [
    {
      title: "Images (--image)",
      body: `  NAME   as in docker: alpine, ghcr.io/owner/name:tag, name@sha256:...; downloaded the first time,
         checked against its digests, kept and shared by all machines (images ls, pull, rm, prune)
  PATH   begins with /, ./ or ../ or ends in .tar, .tar.gz, .tgz, .tar.zst or .tar.xz: an archive
         made by docker save or podman save, or of an OCI layout, plain, gzip or zstd; or a
         directory: an OCI image layout, or a root filesystem
  -      such an archive on stdin; the command then has no stdin of its own
  Not given: Alpine Linux, with apk. Dockerfiles are not built. ENTRYPOINT, CMD, ENV, WORKDIR and
  USER apply as in docker. The second run of an image does no work. Logins are those of docker and
  podman; proxies are those of HTTPS_PROXY, HTTP_PROXY and NO_PROXY.`,
    },
    {
      title: "Streams",
      body: `  stdout and stderr of the command are passed through byte for byte. smolvm writes its own
  messages to stderr only: "error: ...", "hint: ..." and "note: ...", one line each, and, without
  -q, "Starting ephemeral machine (NAME)..." and the progress of a download. stdin is empty without
  -i. With --json a command prints JSON on stdout (docs/json.md), and an error as
  {"error":{"code","message","hint"}} on stderr. Only machine delete without -f asks a question.`,
    },
    {
      title: "Exit codes",
      body: `  0-255  the command's own code           128+N  the command was ended by signal N
  124    --timeout was reached            125    smolvm failed before the command ran
  126    the command cannot be executed   127    there is no such command in the machine
  2      wrong options                    1      any other failure`,
    },
    {
      title: "Machines",
      body: `  4 virtual CPUs, 8 GiB of memory and disks of 10 GiB (changes to the image) and 20
  GiB (/storage) unless options say otherwise; all of it is taken from the host only as it is
  used.
  No network unless --net, a list or a port asks for one; no shared folder, no GPU
  unless --gpu asks for the host's.
  A machine is named as an argument or by --name; without, it is the one that SMOLVM_MACHINE_NAME
  names, or the one called default; delete and data-dir want a name. Without -d, Ctrl-C, SIGTERM,
  SIGHUP, a closed pipe or kill -9 end the machine of machine run and leave nothing. A machine that
  stays keeps its files until it is deleted, and what -e sets too, in a file that only you can read.
  Engines: krun where hardware virtualization works, else qemu (needs qemu-system-x86_64 7.2 or
  newer).`,
    },
    {
      title: "Environment variables",
      body: `  SMOLVM_ENGINE           krun or qemu, as --engine
  SMOLVM_CONFINE          auto, require or off, as --confine
  SMOLVM_LIBKRUN          a libkrun of your own, as for --gpu
  SMOLVM_TEMPLATES        auto, eager, require or off: go on from saved guests (qemu)
  SMOLVM_MACHINE_NAME     the machine that is meant where none is named
  SMOLVM_DATA_DIR         keep everything below this directory
  SMOLVM_MAX_IMAGE_BYTES  give up on a larger image, as --max-image-size
  SMOLVM_CONFIG           the settings file
  SMOLVM_IMAGE_CACHE_MAX_BYTES  what the image cache may hold; 0: no limit
  SMOLVM_DEBUG=1          print stack traces of errors, and the guest's console`,
    },
    {
      title: "Files",
      body: `  ~/.local/share/smolvm/machines/   machines and their disks        ($XDG_DATA_HOME)
  ~/.config/smolvm/config.toml      settings (config show)          ($XDG_CONFIG_HOME)
  ~/.cache/smolvm/                  images and unpacked parts; may  ($XDG_CACHE_HOME)
                                    be deleted when there are no machines
  $XDG_RUNTIME_DIR/smolvm-HASH/     sockets while machines run; else /tmp/smolvm-UID-HASH`,
    },
  ],
};
