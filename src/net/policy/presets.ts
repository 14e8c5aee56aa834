/** Lists that many people need, by what they are for. Each is as narrow as its programs let it be. */

interface Preset {
  /** What is done with it. */
  readonly purpose: string;
  readonly rules: readonly string[];
  /** What one should know before one gives it. */
  readonly remark?: string | undefined;
}

const SHARED = "everybody can publish there, and fetch from there what they like";

export const PRESETS: Readonly<Record<string, Preset>> = {
  npm: {
    purpose: "packages of npm, yarn and pnpm",
    rules: ["registry.npmjs.org:443/tcp", "registry.yarnpkg.com:443/tcp"],
    remark: SHARED,
  },
  pypi: {
    purpose: "packages of pip and uv",
    rules: ["pypi.org:443/tcp", "files.pythonhosted.org:443/tcp"],
    remark: SHARED,
  },
  crates: {
    purpose: "crates of cargo",
    // The index, the downloads, and what they are redirected to.
    rules: ["index.crates.io:443/tcp", "static.crates.io:443/tcp", "crates.io:443/tcp"],
    remark: SHARED,
  },
  go: {
    purpose: "modules of Go, and its toolchains",
    rules: ["proxy.golang.org:443/tcp", "sum.golang.org:443/tcp", "storage.googleapis.com:443/tcp"],
    remark: "storage.googleapis.com, to which the proxy redirects large files, has everybody's buckets",
  },
  github: {
    purpose: "git over HTTPS and SSH, releases, raw files, and the API",
    // github.com includes api., codeload. and gist.; githubusercontent.com raw., objects. and release-assets.
    rules: ["github.com:443/tcp", "github.com:22/tcp", "githubusercontent.com:443/tcp"],
    remark: "a program that has a token, or brings one, can send data there",
  },
  debian: {
    purpose: "apt of Debian",
    rules: [
      ...["deb.debian.org:80/tcp", "deb.debian.org:443/tcp"],
      ...["security.debian.org:80/tcp", "security.debian.org:443/tcp"],
    ],
  },
  ubuntu: {
    purpose: "apt of Ubuntu",
    rules: [
      ...["archive.ubuntu.com:80/tcp", "archive.ubuntu.com:443/tcp", "security.ubuntu.com:80/tcp"],
      ...["security.ubuntu.com:443/tcp", "ports.ubuntu.com:80/tcp", "ports.ubuntu.com:443/tcp"],
    ],
  },
  alpine: {
    purpose: "apk of Alpine",
    rules: ["dl-cdn.alpinelinux.org:80/tcp", "dl-cdn.alpinelinux.org:443/tcp"],
  },
  docker: {
    purpose: "images of Docker Hub, for a docker inside the machine",
    // The registry, who gives out its tokens, and where layers are.
    rules: [
      ...[
        "registry-1.docker.io:443/tcp",
        "auth.docker.io:443/tcp",
        "production.cloudflare.docker.com:443/tcp",
      ],
      "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com:443/tcp",
    ],
    remark: SHARED,
  },
};

export const PRESET_NAMES: readonly string[] = Object.keys(PRESETS);

/** An unknown name, from a newer version's record, allows nothing. */
export function presetRules(name: string): readonly string[] {
  return Object.hasOwn(PRESETS, name) ? (PRESETS[name] as Preset).rules : [];
}
