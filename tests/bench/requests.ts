/**
 * Derive requests of many apps to one node, written as bytes before the clock runs. Proofs and envelopes are real; only the
 * clients' own arithmetic is kept short, by one ECDH for each app and signatures by WebAssembly.
 */
import { createCipheriv, createECDH, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { instantiateSecp256k1 } from '@bitauth/libauth/build/lib/crypto/secp256k1.js';
import { hashMessage } from 'viem';

export interface AppKeys {
  readonly wallet: string;
  readonly walletKey: string;
  readonly boxKey: string;
  readonly teePubkey: string;
}

export interface TargetNode {
  readonly port: number;
  readonly wallet: string;
  readonly teePubkey: string;
  readonly chainId: number;
}

export interface RequestMaker {
  /** As many as there are nonces. */
  platform(nonces: readonly string[]): Buffer[];
  signed(count: number): Buffer[];
}

const bytes = (hex: string): Buffer => Buffer.from(hex.replace(/^0x/, ''), 'hex');
const SPKI_HEADER_BYTES = 23;

export async function createRequestMaker(apps: readonly AppKeys[], node: TargetNode): Promise<RequestMaker> {
  const secp256k1 = await instantiateSecp256k1();
  const senders = apps.map((app) => ({ ...app, seal: createSeal(app, node), key: bytes(app.walletKey) }));
  const host = `127.0.0.1:${node.port}`;

  function sign(key: Uint8Array, text: string): Buffer {
    const signed = secp256k1.signMessageHashRecoverableCompact(key, bytes(hashMessage(text)));
    if (typeof signed === 'string') throw new Error(signed);
    return Buffer.concat([signed.signature, Buffer.of(signed.recoveryId)]);
  }

  function post(body: string, headers: Readonly<Record<string, string>>): Buffer {
    const all = { host, 'content-type': 'application/json', 'content-length': String(body.length), ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.from(`POST /kms/derive HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  }

  const senderOf = (index: number) => senders[index % senders.length] as (typeof senders)[number];
  const nowS = (): number => Math.floor(Date.now() / 1_000);

  return {
    platform: (nonces) =>
      nonces.map((nonce, index) => {
        const { key, wallet, seal } = senderOf(index);
        const timestamp = String(nowS());
        const signature = sign(key, `NovaKMS:AppAuth:${nonce}:${node.wallet}:${timestamp}`).toString('hex');
        const headers = { 'x-app-signature': `0x${signature}`, 'x-app-nonce': nonce, 'x-app-timestamp': timestamp, 'x-app-wallet': wallet };
        return post(seal(`{"path":"bench/${index}"}`), headers);
      }),
    signed: (count) =>
      Array.from({ length: count }, (_, index) => {
        const { key, wallet, seal } = senderOf(index);
        const body = seal(`{"path":"bench/${index}"}`);
        const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
        const created = nowS();
        const keyId = `erc8128:${node.chainId}:${wallet}`;
        const nonce = randomBytes(16).toString('hex');
        const names = '("@method" "@authority" "@path" "content-digest")';
        const input = `${names};created=${created};expires=${created + 120};nonce="${nonce}";keyid="${keyId}"`;
        const covered = `"@method": POST\n"@authority": ${host}\n"@path": /kms/derive\n"content-digest": ${digest}\n`;
        const signature = sign(key, `${covered}"@signature-params": ${input}`).toString('base64');
        return post(body, { 'content-digest': digest, 'signature-input': `eth=${input}`, signature: `eth=:${signature}:` });
      }),
  };
}

/** The platform's envelope (v1.8.0 and later) from one app to the node. */
function createSeal(app: AppKeys, node: TargetNode): (text: string) => string {
  const ecdh = createECDH('secp384r1');
  ecdh.setPrivateKey(bytes(app.boxKey));
  const nodePoint = bytes(node.teePubkey).subarray(SPKI_HEADER_BYTES);
  const shared = ecdh.computeSecret(nodePoint);
  const points = Buffer.concat([ecdh.getPublicKey(), nodePoint].sort(Buffer.compare));
  return (text) => {
    const nonce = randomBytes(12);
    const key = hkdfSync('sha256', shared, Buffer.concat([points, nonce]), 'capsule-ecdh-aes256gcm-v1', 32);
    const cipher = createCipheriv('aes-256-gcm', Buffer.from(key), nonce);
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return JSON.stringify({ sender_tee_pubkey: app.teePubkey, nonce: nonce.toString('hex'), encrypted_data: sealed.toString('hex') });
  };
}
