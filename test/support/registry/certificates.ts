import { readFileSync, writeFileSync } from "node:fs";

/** PEM files. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** Signs a new key for these names or addresses. @param days negative: it has run out already */
  readonly issue: (names: readonly string[], options?: { days?: number }) => Certificate;
}

/** A certificate authority that nobody knows, made by openssl; its files are in `directory`. */
export function createAuthority(directory: string, name = "smolvm test authority"): Authority {
  const label = name.replaceAll(/\W+/g, "-");
  const path = (part: string) => `${directory}/${label}-${part}`;
  const own = { certificate: path("ca.pem"), key: path("ca.key") };
  newKey(own.key);
  const authority = ["-x509", "-key", own.key, "-out", own.certificate, "-days", "2", "-subj", `/CN=${name}`];
  openssl("req", ...authority, "-addext", "keyUsage=critical,keyCertSign,cRLSign");
  let serial = 0;
  const issue = (names: readonly string[], { days = 2 }: { days?: number } = {}) => {
    const of = (kind: string) => path(`${++serial}.${kind}`);
    const issued = { certificate: of("pem"), key: of("key") };
    const [request, extensions] = [of("csr"), of("ext")];
    newKey(issued.key);
    openssl("req", "-new", "-key", issued.key, "-out", request, "-subj", `/CN=${names[0]}`);
    const alternatives = names.map((one) => (/^[\d.]+$/.test(one) ? `IP:${one}` : `DNS:${one}`));
    writeFileSync(
      extensions,
      `subjectAltName=${alternatives.join(",")}\nextendedKeyUsage=serverAuth,clientAuth\n`,
    );
    const dates = ["-days", String(days), "-set_serial", String(serial)];
    const signer = ["-CA", own.certificate, "-CAkey", own.key];
    const files = ["-in", request, "-out", issued.certificate, "-extfile", extensions];
    openssl("x509", "-req", ...files, ...signer, ...dates);
    return issued;
  };
  return { ...own, issue };
}

/** The certificate in a PEM file as base64 of its DER form, as `x5c` of a JSON web signature wants it (RFC 7515 4.1.6). */
export function certificateBase64(path: string): string {
  return readFileSync(path, "utf8").replaceAll(/-----[^-]+-----|\s/g, "");
}

function newKey(path: string): void {
  openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path);
}

function openssl(...words: string[]): void {
  if (Bun.which("openssl") === null) throw new Error("this test needs openssl: apt install openssl");
  const { exitCode, stderr } = Bun.spawnSync(["openssl", ...words]);
  if (exitCode !== 0) throw new Error(`openssl ${words.join(" ")}: ${stderr}`);
}
