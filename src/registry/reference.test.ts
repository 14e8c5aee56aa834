import { describe, expect, test } from "bun:test";
import { assert, constantFrom, option, property, string, stringMatching, tuple } from "fast-check";
import { SmolError } from "../errors.ts";
import { parseReference } from "./reference.ts";

const hex64 = "e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";
const sha256 = `sha256:${hex64}`;
const sha512 = `sha512:${hex64}${hex64}`;

function refusal(text: string, defaults?: { registry?: string }): SmolError {
  try {
    parseReference(text, defaults);
  } catch (error) {
    if (error instanceof SmolError && error.code === "registry.bad_reference") return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(text)} was accepted`);
}

/** text → registry, repository, tag; the cases of distribution/reference's own tests, and more. */
const names: Readonly<Record<string, readonly [string, string, string]>> = {
  alpine: ["docker.io", "library/alpine", "latest"],
  "alpine:3.20": ["docker.io", "library/alpine", "3.20"],
  "docker/docker": ["docker.io", "docker/docker", "latest"],
  "library/debian": ["docker.io", "library/debian", "latest"],
  "localhost/library/debian": ["localhost", "library/debian", "latest"],
  "localhost/debian": ["localhost", "debian", "latest"],
  "localhost:5000/debian:1": ["localhost:5000", "debian", "1"],
  localhost: ["docker.io", "library/localhost", "latest"],
  "localhost:8080": ["docker.io", "library/localhost", "8080"],
  "LOCALDOMAIN/library/debian": ["LOCALDOMAIN", "library/debian", "latest"],
  "LOCALDOMAIN/debian": ["LOCALDOMAIN", "debian", "latest"],
  "docker.io/docker/docker": ["docker.io", "docker/docker", "latest"],
  "docker.io/library/debian": ["docker.io", "library/debian", "latest"],
  "docker.io/debian": ["docker.io", "library/debian", "latest"],
  "docker.io/library/foo/bar": ["docker.io", "library/foo/bar", "latest"],
  "index.docker.io/docker/docker": ["docker.io", "docker/docker", "latest"],
  "index.docker.io/debian": ["docker.io", "library/debian", "latest"],
  "127.0.0.1:5000/docker/docker": ["127.0.0.1:5000", "docker/docker", "latest"],
  "127.0.0.1:5000/debian": ["127.0.0.1:5000", "debian", "latest"],
  "192.168.0.1": ["docker.io", "library/192.168.0.1", "latest"],
  "192.168.0.1:80": ["docker.io", "library/192.168.0.1", "80"],
  "192.168.0.1:8/debian": ["192.168.0.1:8", "debian", "latest"],
  "192.168.1.1:5000/repo:5050": ["192.168.1.1:5000", "repo", "5050"],
  thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev: [
    "docker.io",
    "library/thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev",
    "latest",
  ],
  "[fc00::1]:5000/docker": ["[fc00::1]:5000", "docker", "latest"],
  "[fc00:1:2:3:4:5:6:7]:5000/library/debian": ["[fc00:1:2:3:4:5:6:7]:5000", "library/debian", "latest"],
  "[2001:db8::1]/repo": ["[2001:db8::1]", "repo", "latest"],
  "[2001:db8:1:2:3:4:5:6]/repo:tag": ["[2001:db8:1:2:3:4:5:6]", "repo", "tag"],
  "[2001:db8::]:5000/repo": ["[2001:db8::]:5000", "repo", "latest"],
  "[::1]:5000/repo": ["[::1]:5000", "repo", "latest"],
  [`docker.io/${hex64}`]: ["docker.io", `library/${hex64}`, "latest"],
  [hex64.slice(1)]: ["docker.io", `library/${hex64.slice(1)}`, "latest"],
  "Docker/docker": ["Docker", "docker", "latest"],
  "Foo/bar": ["Foo", "bar", "latest"],
  "docker---rules/docker": ["docker.io", "docker---rules/docker", "latest"],
  "d/docker": ["docker.io", "d/docker", "latest"],
  "dock__er/docker": ["docker.io", "dock__er/docker", "latest"],
  "test_com/foo": ["docker.io", "test_com/foo", "latest"],
  "test.com/foo": ["test.com", "foo", "latest"],
  "test-com:8080/foo": ["test-com:8080", "foo", "latest"],
  "test:5000/repo:tag": ["test:5000", "repo", "tag"],
  "xn--n3h.com:18080/foo": ["xn--n3h.com:18080", "foo", "latest"],
  "xn--7o8h.com/myimage:xn--7o8h.com": ["xn--7o8h.com", "myimage", "xn--7o8h.com"],
  "example.com/xn--7o8h.com/myimage": ["example.com", "xn--7o8h.com/myimage", "latest"],
  "example.com/some_separator__underscore/myimage": [
    "example.com",
    "some_separator__underscore/myimage",
    "latest",
  ],
  "foo_bar.com:8080": ["docker.io", "library/foo_bar.com", "8080"],
  "foo/foo_bar.com:8080": ["docker.io", "foo/foo_bar.com", "8080"],
  "lowercase:Uppercase": ["docker.io", "library/lowercase", "Uppercase"],
  "registry.io/foo/project--id.module--name.ver---sion--name": [
    "registry.io",
    "foo/project--id.module--name.ver---sion--name",
    "latest",
  ],
  "sub-dom1.foo.com/bar/baz/quux:some-long-tag": ["sub-dom1.foo.com", "bar/baz/quux", "some-long-tag"],
  "b.gcr.io/test.example.com/my-app:test.example.com": [
    "b.gcr.io",
    "test.example.com/my-app",
    "test.example.com",
  ],
  [`${"a/".repeat(127)}a:tag-puts-this-over-max`]: [
    "docker.io",
    `${"a/".repeat(127)}a`,
    "tag-puts-this-over-max",
  ],
  [`example.com/${"a".repeat(255)}:tag`]: ["example.com", "a".repeat(255), "tag"],
  sha256: ["docker.io", "library/sha256", "latest"],
  "sha256:latest": ["docker.io", "library/sha256", "latest"],
  "sha256/a:3": ["docker.io", "sha256/a", "3"],
  "ghcr.io/sha256:3": ["ghcr.io", "sha256", "3"],
  "ghcr.io/a/b:_x": ["ghcr.io", "a/b", "_x"],
  [`a:${"t".repeat(128)}`]: ["docker.io", "library/a", "t".repeat(128)],
};

describe("names that docker accepts", () => {
  for (const [text, [registry, repository, tag]] of Object.entries(names)) {
    test(text.slice(0, 80), () => {
      const reference = parseReference(text);
      const { digest, canonical } = reference;
      const expected = { registry, repository, tag, digest: undefined };
      expect({
        registry: reference.registry,
        repository: reference.repository,
        tag: reference.tag,
        digest,
      }).toEqual(expected);
      expect(canonical).toBe(`${registry}/${repository}:${tag}`);
    });
  }

  test("digests, of both algorithms, with and without a tag", () => {
    expect(parseReference(`redis@${sha256}`)).toEqual({
      registry: "docker.io",
      repository: "library/redis",
      tag: undefined,
      digest: sha256,
      canonical: `docker.io/library/redis@${sha256}`,
      familiar: `redis@${sha256}`,
    });
    const both = parseReference(`localhost:5000/name:1.0@${sha512}`);
    expect([both.registry, both.repository, both.tag, both.digest]).toEqual([
      "localhost:5000",
      "name",
      "1.0",
      sha512,
    ]);
    expect(both.canonical).toBe(`localhost:5000/name:1.0@${sha512}`);
    // No slash: a tag, not a port.
    expect(parseReference(`localhost:8080@${sha256}`).tag).toBe("8080");
  });
});

describe("the familiar form", () => {
  const familiar: Readonly<Record<string, string>> = {
    "docker.io/library/ubuntu": "ubuntu:latest",
    "index.docker.io/fooo/bar:1": "fooo/bar:1",
    "nonlibrary/ubuntu": "nonlibrary/ubuntu:latest",
    "other/library": "other/library:latest",
    "library/foo/bar": "library/foo/bar:latest",
    "store/foo/bar": "store/foo/bar:latest",
    "127.0.0.1:8000/privatebase": "127.0.0.1:8000/privatebase:latest",
    "localhost/fooo": "localhost/fooo:latest",
  };
  for (const [text, expected] of Object.entries(familiar)) {
    test(text, () => expect(parseReference(text).familiar).toBe(expected));
  }
});

describe("another default registry", () => {
  test("names without a registry are there, and nowhere is library/ put before them", () => {
    const reference = parseReference("a/b", { registry: "ghcr.io" });
    expect(reference.canonical).toBe("ghcr.io/a/b:latest");
    expect(parseReference("alpine", { registry: "localhost:5000" }).canonical).toBe(
      "localhost:5000/alpine:latest",
    );
  });

  test("nothing is shortened, so that the familiar form means the same everywhere", () => {
    expect(parseReference("alpine", { registry: "ghcr.io" }).familiar).toBe("ghcr.io/alpine:latest");
    expect(parseReference("docker.io/alpine", { registry: "ghcr.io" }).familiar).toBe(
      "docker.io/library/alpine:latest",
    );
  });

  test("Docker Hub by its old name, or none", () => {
    expect(parseReference("alpine", { registry: "index.docker.io" }).canonical).toBe(
      "docker.io/library/alpine:latest",
    );
    expect(parseReference("alpine", {}).familiar).toBe("alpine:latest");
  });

  test("that is no host: refused", () => {
    for (const registry of ["a b", "-x", "https://ghcr.io", "ghcr.io/x", "a_b.c"])
      refusal("alpine", { registry });
  });
});

describe("refused", () => {
  const refused: Readonly<Record<string, RegExp>> = {
    "": /empty/,
    ":justtag": /name of the repository is missing/,
    [`@${sha256}`]: /missing/,
    [`repo@sha256:${"f".repeat(34)}`]: /digest/,
    [`validname@invaliddigest:${hex64}`]: /digest/,
    [`repo@${sha256.toUpperCase()}`]: /digest/,
    [`repo@sha512:${hex64}`]: /digest/,
    [`repo@${sha256}@${sha256}`]: /digest/,
    "repo@": /digest/,
    "repo:": /tag/,
    "repo:in valid": /blanks/,
    "repo:~tag": /tag/,
    "repo:-tag": /tag/,
    [`repo:${"t".repeat(129)}`]: /tag/,
    "Uppercase:tag": /lower case/,
    "test:5000/Uppercase/lowercase:tag": /lower case/,
    "docker/Docker": /lower case/,
    "docker.io/docker/Docker": /lower case/,
    [`domain/${"a".repeat(256)}:tag`]: /longer/,
    "aa/asdf$$^/aa": /not a name/,
    "https://github.com/docker/docker": /scheme/,
    "docker://alpine": /scheme/,
    "-docker": /not a name/,
    "-docker/docker": /not a name/,
    "docker-/docker": /not a name/,
    "-docker.io/docker/docker": /host/,
    "docker///docker": /not a name/,
    "docker.io/docker///docker": /not a name/,
    "docker/": /not a name/,
    "docker.io/": /missing/,
    "/docker": /not a name/,
    "____/____": /not a name/,
    "_docker/_docker": /not a name/,
    "dock..er/docker": /host/,
    "dock_.er/docker": /host/,
    "x/dock..er": /not a name/,
    "x/dock_.er": /not a name/,
    "x/dock-.er": /not a name/,
    "[fc00::1]": /not a name|tag/,
    "[fc00::1]:5000": /not a name|tag/,
    "fc00::1:5000/debian": /host/,
    "[fe80::1%eth0]:5000/debian": /host/,
    "[2001:db8:3:4::192.0.2.33]:5000/debian": /host/,
    "[fd00:1:2::3]75050/x": /host/,
    "[fd00:1:2::3]::75050/x": /host/,
    "[fd00123123123]:75050/x": /host/,
    "192.168.1.1:750050/x": /host/,
    "test.com:0/x": /host/,
    "test.com:http/x": /host/,
    "foo_bar.com:8080/app": /host/,
    "docker./docker": /host/,
    ".docker/docker": /host/,
    "../docker": /host/,
    [hex64]: /64 hexadecimal/,
    [sha256]: /it is the id of an image, not a name$/,
    [sha512]: /it is the id of an image/,
    "sha256:f2ef8": /it is the id of an image/,
    "sha256:F2EF8": /it is the id of an image/,
    "library/sha256:3": /it is the id of an image/,
    "docker.io/library/sha256:3": /it is the id of an image/,
    "index.docker.io/sha256:3": /it is the id of an image/,
    // A URL would take these for 127.0.0.1 and 192.168.0.1.
    "0x7f.1/x": /host/,
    "192.168.1:80/x": /host/,
    "127.1:5000/x": /host/,
    "017700000001.:80/x": /host/,
    "a\u0000b": /control/,
    "a\nb": /control/,
    "al\u202epine": /not a name/,
    ａlpine: /not a name/,
    alpıne: /not a name/,
    "user@host/name": /not a (name|digest)/,
    "user:pass@host.com/name": /host/,
    "host.com?x/name": /host/,
    "host.com#x/name": /host/,
    "host.com\\x/name": /host/,
    "a?b": /not a name/,
    "a%2fb": /not a name/,
    "./alpine": /host/,
  };
  for (const [text, why] of Object.entries(refused)) {
    test(JSON.stringify(text).slice(0, 80), () => expect(refusal(text).message).toMatch(why));
  }

  test("says what was probably meant", () => {
    expect(refusal("ghcr.io/Owner/App:v1").hint).toBe('did you mean "ghcr.io/owner/app:v1"?');
    expect(refusal("Alpine:V1").hint).toBe('did you mean "alpine:V1"?');
    expect(refusal(`repo@${sha256.replace("e", "E")}`).hint).toMatch(/lower case/);
    expect(refusal("https://ghcr.io/a/b").hint).toMatch(/leave out/);
  });

  test("shows the text as it was given", () => {
    const shown = (text: string) => refusal(text).message.replace(/ is not a name of an image.*/, "");
    expect(shown(" ")).toBe('" "');
    expect(shown("alpine ")).toBe('"alpine "');
    expect(shown("\talpine\n")).toBe('"\\talpine\\n"');
    expect(shown('al"pi\\ne ')).toBe('"al\\"pi\\\\ne "');
    expect(shown("al\u00a0pine\u202e\u0085")).toBe('"al\\u00a0pine\\u202e\\u0085"');
    expect(shown(`${"a".repeat(300)} `)).toBe(`"${"a".repeat(199)}…"`);
  });

  test("a long or hostile text does not fill the message", () => {
    const { message } = refusal(`x${"\u202e\u001b[2J".repeat(100_000)}`);
    expect(message.length).toBeLessThan(400);
    expect(/[\p{Cc}\p{Cf}]/u.test(message)).toBe(false);
  });

  test("the worst text for the grammar takes no time", () => {
    const start = performance.now();
    for (const unit of ["a-", "a.", "a__", "-", "a/", "a", "A", "a:", "a@", "[", "0."]) {
      for (const end of ["", "!", "/x", ":", "@"]) {
        try {
          parseReference(unit.repeat(1024 / unit.length - 4) + end);
        } catch (error) {
          expect(error).toBeInstanceOf(SmolError);
        }
      }
    }
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe("properties", () => {
  const component = stringMatching(/^[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}$/);
  // With a dot it would be a host.
  const owner = stringMatching(/^[a-z0-9]{1,6}((_|__|-{1,3})[a-z0-9]{1,5}){0,2}$/).filter(
    (name) => name !== "localhost",
  );
  const path = tuple(owner, component).map(([a, b]) => `${a}/${b}`);
  const host = constantFrom(
    "docker.io",
    "ghcr.io",
    "localhost",
    "localhost:5000",
    "[::1]:80",
    "h-1.example:65535",
  );
  const tag = stringMatching(/^\w[\w.-]{0,20}$/);
  const digest = constantFrom(sha256, sha512);

  test("what is made from a reference is read as the same reference", () => {
    assert(
      property(option(host), path, option(tag), option(digest), (h, p, t, d) => {
        const text = `${h === null ? "" : `${h}/`}${p}${t === null ? "" : `:${t}`}${d === null ? "" : `@${d}`}`;
        const reference = parseReference(text);
        expect(parseReference(reference.canonical)).toEqual(reference);
        expect(parseReference(reference.familiar)).toEqual(reference);
      }),
    );
  });

  test("whatever the text: a reference that reads as itself, or registry.bad_reference", () => {
    const letters = constantFrom(
      ..."aA0.:/@-_[]% \u0000é".split(""),
      "sha256:",
      hex64,
      "localhost",
      "latest",
      "//",
    );
    const text = string({ unit: letters, maxLength: 24 });
    assert(
      property(text, (input) => {
        try {
          const reference = parseReference(input);
          expect(parseReference(reference.canonical)).toEqual(reference);
        } catch (error) {
          if (!(error instanceof SmolError)) throw error;
          expect(error.code).toBe("registry.bad_reference");
        }
      }),
      { numRuns: 3000 },
    );
  });
});
