import { describe, expect, test } from "bun:test";
import { SmolError } from "../../errors.ts";
import { bypasses } from "./no-proxy.ts";
import { chooseProxy } from "./proxy.ts";

const https = new URL("https://registry.example/v2/");
const http = new URL("http://registry.example/v2/");
const P = "http://proxy.example:3128/";
const chosen = (...words: Parameters<typeof chooseProxy>) => chooseProxy(...words)?.url;

describe("which proxy", () => {
  test("by scheme, upper case first, then ALL_PROXY", () => {
    expect(chosen(https, { HTTPS_PROXY: P, https_proxy: "http://no", ALL_PROXY: "http://no" })).toBe(P);
    expect(chosen(https, { https_proxy: P, HTTP_PROXY: "http://no" })).toBe(P);
    expect(chosen(http, { HTTP_PROXY: P, HTTPS_PROXY: "http://no" })).toBe(P);
    expect(chosen(http, { http_proxy: P })).toBe(P);
    expect(chosen(https, { all_proxy: P, HTTP_PROXY: "http://no" })).toBe(P);
    expect(chosen(https, { HTTP_PROXY: P })).toBeUndefined();
    expect(chosen(https, {})).toBeUndefined();
    expect(chosen(https, { HTTPS_PROXY: "" })).toBeUndefined();
  });

  test("not HTTP_PROXY in a CGI program, where it is a header of a stranger (CVE-2016-5385)", () => {
    expect(chosen(http, { HTTP_PROXY: P, REQUEST_METHOD: "GET" })).toBeUndefined();
    expect(chosen(http, { http_proxy: P, REQUEST_METHOD: "GET" })).toBe(P);
  });

  test("options win over the environment, an empty one means none", () => {
    expect(chosen(https, { HTTPS_PROXY: "http://no" }, { url: P })).toBe(P);
    expect(chosen(https, { HTTPS_PROXY: P }, { url: "" })).toBeUndefined();
    expect(chosen(https, { HTTPS_PROXY: P, NO_PROXY: "*" }, { noProxy: "" })).toBe(P);
    expect(chosen(https, { HTTPS_PROXY: P }, { noProxy: "registry.example" })).toBeUndefined();
  });

  test("this machine is never reached through one", () => {
    for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"]) {
      expect(chosen(new URL(`http://${host}:5000/`), {}, { url: P })).toBeUndefined();
    }
    for (const host of ["localhost.example", "128.0.0.1", "[::2]", "127.0.0.1.example"]) {
      expect(chosen(new URL(`http://${host}/`), {}, { url: P })).toBe(P);
    }
  });

  test("a host without a scheme, and credentials that only the proxy sees", () => {
    expect(chosen(https, { HTTPS_PROXY: "proxy.example:3128" })).toBe(P);
    const proxy = chooseProxy(https, { HTTPS_PROXY: "http://me:canary%40@proxy.example:3128" });
    expect(proxy).toMatchObject({
      url: "http://me:canary%40@proxy.example:3128/",
      host: "proxy.example:3128",
    });
    expect(proxy?.address.href).toBe(P);
  });

  test("what is no address, or no http: refused, without a word of it", () => {
    for (const text of [
      "http://me:canary@",
      "http://me:canary@[",
      "socks5://me:canary@host",
      "ftp://canary@h",
    ]) {
      try {
        chooseProxy(https, { HTTPS_PROXY: text });
        throw new Error(`${text} was accepted`);
      } catch (error) {
        if (!(error instanceof SmolError)) throw error;
        expect(error.code).toBe("registry.bad_proxy");
        expect(`${error.message} ${error.hint}`).not.toContain("canary");
      }
    }
  });
});

describe("NO_PROXY", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["*", "https://anything.example/", true],
    ["example.com", "https://example.com/", true],
    ["example.com", "https://a.example.com/", true],
    ["example.com", "https://notexample.com/", false],
    ["EXAMPLE.com", "https://Example.COM/", true],
    [".example.com", "https://a.example.com/", true],
    [".example.com", "https://example.com/", false],
    ["*.example.com", "https://a.b.example.com/", true],
    ["*.example.com", "https://example.com/", false],
    ["example.com:8443", "https://example.com:8443/", true],
    ["example.com:8443", "https://example.com/", false],
    ["example.com:443", "https://example.com/", true],
    ["example.com:80", "http://example.com/", true],
    ["10.0.0.1", "http://10.0.0.1/", true],
    ["10.0.0.1", "http://10.0.0.11/", false],
    ["10.0.0.1:5000", "http://10.0.0.1:5000/", true],
    ["10.0.0.1:5000", "http://10.0.0.1/", false],
    ["10.0.0.0/8", "http://10.200.3.4/", true],
    ["10.0.0.0/8", "http://11.0.0.1/", false],
    ["0.0.0.0/0", "http://11.0.0.1/", true],
    ["192.168.1.128/25", "http://192.168.1.127/", false],
    ["10.0.0.0/33", "http://10.0.0.1/", false],
    ["10.0.0.0/x", "http://10.0.0.1/", false],
    ["fd00::/8", "http://[fd12:3456::1]/", true],
    ["fd00::/8", "http://[fe80::1]/", false],
    ["2001:db8::1", "http://[2001:db8:0:0::1]/", true],
    ["[2001:db8::1]:80", "http://[2001:db8::1]/", true],
    ["[2001:db8::1]:81", "http://[2001:db8::1]/", false],
    ["0.1", "http://10.0.0.1/", false],
    ["other, ,example.com", "https://example.com/", true],
    ["other example.com", "https://example.com/", true],
    ["", "https://example.com/", false],
    [".", "https://example.com/", false],
    [",,", "https://example.com/", false],
  ];
  for (const [list, url, expected] of cases) {
    test(`${JSON.stringify(list)} and ${url}: ${expected}`, () => {
      expect(bypasses(new URL(url), list)).toBe(expected);
    });
  }
});
