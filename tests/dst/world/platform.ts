/**
 * The enclaves' hardware, cheap: signatures that only their wallet's signer makes, documents, envelopes that only their recipient opens, random
 * bytes from the seed. What is signed, sealed or drawn is the node's own business and real.
 */
import { createHash } from 'node:crypto';
import { Refusal } from '../../../core/errors.ts';
import { hex, parseHex, utf8 } from '../../../core/wire/bytes.ts';
import { MEASUREMENT } from '../../attestation/attester.ts';
import { attest } from '../cheap/attestation.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { Attester, Box, Recover, Signer } from '../../../core/ports.ts';
import type { Dice } from './dice.ts';

export interface Enclave {
  readonly wallet: Wallet;
  /** Lower-case hex. */
  readonly teePubkey: string;
  readonly signer: Signer;
  readonly box: Box;
  readonly attester: Attester;
}

export interface Platform {
  readonly recover: Recover;
  /** In hex, master secrets that were drawn among them: none may be seen anywhere. */
  readonly secrets: readonly string[];
  /** A key that was derived is one as well. */
  keepSecret(hex: string): void;
  /** `wait` passes when its Odyn answers, and rejects while it does not. */
  enclave(name: string, wait: () => Promise<void>, nowMs: () => number): Enclave;
}

const SIGNATURE_BYTES = 65;

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function walletNamed(name: string): Wallet {
  return `0x${digest(`wallet of ${name}`).subarray(0, 20).toString('hex')}` as Wallet;
}

export function createPlatform(dice: Dice): Platform {
  /** What lies in each sealed body, by its random bytes. */
  const sealed = new Map<string, { readonly recipient: string; readonly plaintext: string }>();
  const secrets: string[] = [];

  function signatureOf(wallet: Wallet, text: string): Buffer {
    return Buffer.concat([Buffer.from(wallet.slice(2), 'hex'), Buffer.alloc(12, 1), digest(`signed by ${wallet}: ${text}`), Buffer.of(0)]);
  }

  function recover(text: string, signature: Uint8Array): Wallet | undefined {
    if (signature.length !== SIGNATURE_BYTES) return undefined;
    const wallet = `0x${hex(signature.subarray(0, 20))}` as Wallet;
    return signatureOf(wallet, text).equals(signature) ? wallet : undefined;
  }

  function boxOf(teePubkey: string, wait: () => Promise<void>): Box {
    const own = parseHex(teePubkey) as Uint8Array;
    return {
      publicKey: () => Promise.resolve(own),
      async seal(recipient, plaintext) {
        await wait();
        const encrypted = dice.bytes(32);
        sealed.set(hex(encrypted), { recipient: hex(recipient), plaintext });
        return { senderTeePubkey: own, nonce: dice.bytes(12), encrypted };
      },
      async open({ encrypted }) {
        await wait();
        const found = sealed.get(hex(encrypted));
        if (found?.recipient !== teePubkey) throw new Refusal('envelope_unopenable');
        return found.plaintext;
      },
      async entropy() {
        await wait();
        const bytes = dice.bytes(32);
        secrets.push(hex(bytes));
        return bytes;
      },
    };
  }

  return {
    recover,
    secrets,
    keepSecret(text) {
      if (!secrets.includes(text)) secrets.push(text);
    },
    enclave(name, wait, nowMs) {
      const wallet = walletNamed(name);
      const teePubkey = digest(`TEE key of ${name}`).toString('hex');
      const signer: Signer = {
        async address() {
          await wait();
          return wallet;
        },
        async sign(text) {
          await wait();
          return `0x${hex(signatureOf(wallet, text))}`;
        },
        async signTransaction({ data }) {
          await wait();
          return `0x${hex(utf8(JSON.stringify({ from: wallet, data })))}`;
        },
      };
      const attester: Attester = {
        async document(request) {
          await wait();
          return attest(request, { wallet, measurement: MEASUREMENT, timeMs: nowMs() });
        },
      };
      return { wallet, teePubkey, signer, box: boxOf(teePubkey, wait), attester };
    },
  };
}
