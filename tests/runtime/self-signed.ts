/** A certificate that nobody issued, for `localhost` and any name given: what an attacker between a node and its peer would show. */
import { generateKeyPairSync, sign } from 'node:crypto';

export interface SelfSigned {
  readonly certificate: string;
  readonly privateKey: string;
}

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const length = content.length < 0x80 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));

/** X.509 v3, ECDSA with SHA-256 over P-256, good from 2020 to 2049 or the UTCTime given (RFC 5280 §4.1). */
export function selfSigned(names: readonly string[] = ['localhost'], until = '491231235959Z'): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const algorithm = sequence(oid('2a8648ce3d040302'));
  const name = sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(names[0] ?? '')))));
  const validity = sequence(der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from(until)));
  const alternatives = sequence(...names.map((each) => der(0x82, Buffer.from(each))), der(0x87, Buffer.from([127, 0, 0, 1])));
  const authority = sequence(oid('551d13'), der(0x01, Buffer.from([0xff])), der(0x04, sequence(der(0x01, Buffer.from([0xff])))));
  const extensions = der(0xa3, sequence(authority, sequence(oid('551d11'), der(0x04, alternatives))));
  const [version, serial] = [der(0xa0, der(0x02, Buffer.from([2]))), der(0x02, Buffer.from([1]))];
  const key = publicKey.export({ type: 'spki', format: 'der' });
  const body = sequence(version, serial, algorithm, name, validity, name, key, extensions);
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey));
  const base64 = sequence(body, algorithm, signature).toString('base64').replaceAll(/.{64}/g, '$&\n');
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
