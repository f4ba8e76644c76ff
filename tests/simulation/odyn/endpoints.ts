/**
 * The questions that an Odyn answers, each a function from the request's body to the answer: JSON, but for attestation documents.
 * Signing and sealing are real; documents are of an emulated hardware, under the root of the simulated network.
 */
import { createPublicKey, randomBytes } from 'node:crypto';
import { hashMessage } from 'viem';
import { schedules, usedNonce, type Box } from './box.ts';
import { OdynFailure, parseFields, readHexBytes, readSwitch, readText, type Fields } from './failure.ts';
import { createNonceMemory } from './nonces.ts';
import { signTransaction } from './transactions.ts';
import type { Attestation } from './attestation.ts';
import type { Wallet } from './wallet.ts';

export interface Endpoint {
  readonly method: 'GET' | 'POST';
  answer(body: Uint8Array): Fields | Uint8Array;
}

export type Endpoints = Readonly<Record<string, Endpoint>>;

export function createEndpoints(wallet: Wallet, box: Box, attestation: Attestation): Endpoints {
  return { ...walletEndpoints(wallet, attestation), ...boxEndpoints(box), ...otherEndpoints(attestation) };
}

function walletEndpoints(wallet: Wallet, { ofSigned }: Attestation): Endpoints {
  const address = wallet.address;
  return {
    '/v1/eth/address': { method: 'GET', answer: () => ({ address, public_key: wallet.publicKey }) },
    '/v1/eth/sign': {
      method: 'POST',
      answer(body) {
        const fields = parseFields(body);
        const message = readText(fields, 'message');
        const isAttested = readSwitch(fields, 'include_attestation');
        if (message === '') throw new OdynFailure(400, 'Message cannot be empty');
        return { signature: wallet.signText(message), address, attestation: isAttested ? ofSigned(hashMessage(message)) : null };
      },
    },
    '/v1/eth/sign-tx': {
      method: 'POST',
      answer(body) {
        const fields = parseFields(body);
        const isAttested = readSwitch(fields, 'include_attestation');
        const { rawTransaction, transactionHash, signature, signedHash } = signTransaction(wallet, fields['payload']);
        const attestation = isAttested ? ofSigned(signedHash) : null;
        return { raw_transaction: rawTransaction, transaction_hash: transactionHash, signature, address, attestation };
      },
    },
  };
}

function boxEndpoints(box: Box): Endpoints {
  const opened = createNonceMemory();
  const spki = Buffer.from(box.teePubkey, 'hex');
  const pem = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'pem', type: 'spki' }).toString().trimEnd();
  return {
    '/v1/encryption/public_key': { method: 'GET', answer: () => ({ public_key_der: `0x${box.teePubkey}`, public_key_pem: pem }) },
    '/v1/encryption/encrypt': {
      method: 'POST',
      answer(body) {
        const fields = parseFields(body);
        const plaintext = new TextEncoder().encode(readText(fields, 'plaintext'));
        const client = hexOf(readHexBytes(fields, 'client_public_key'));
        const { nonce, encryptedData } = orRefuse('Encryption failed', () => box.sealTo(client, plaintext));
        return { encrypted_data: encryptedData, enclave_public_key: box.teePubkey, nonce };
      },
    },
    '/v1/encryption/decrypt': {
      method: 'POST',
      answer(body) {
        const fields = parseFields(body);
        const nonce = readHexBytes(fields, 'nonce');
        const client = hexOf(readHexBytes(fields, 'client_public_key'));
        const encryptedData = hexOf(readHexBytes(fields, 'encrypted_data'));
        const schedule = schedules[box.keySchedule];
        const used = orRefuse('Decryption failed', () => usedNonce(schedule, nonce));
        if (schedule.refusesReuse && opened.has(client, used)) throw new OdynFailure(400, 'Nonce reuse detected for client_public_key');
        const plaintext = orRefuse('Decryption failed', () => box.openFrom(client, { nonce: hexOf(nonce), encryptedData }));
        // Remembered once the tag has verified: a stranger who knows the key must not be able to burn nonces of its owner.
        opened.add(client, used);
        return { plaintext: orRefuse('Invalid UTF-8 in plaintext', () => decodeUtf8(plaintext)) };
      },
    },
  };
}

function otherEndpoints(attestation: Attestation): Endpoints {
  return {
    '/v1/random': { method: 'GET', answer: () => ({ random_bytes: `0x${randomBytes(32).toString('hex')}` }) },
    '/v1/attestation': { method: 'POST', answer: (body) => attestation.answer(body) },
  };
}

function orRefuse<Result>(what: string, act: () => Result): Result {
  try {
    return act();
  } catch (cause) {
    throw new OdynFailure(400, `${what}: ${(cause as Error).message}`);
  }
}

/** A leading U+FEFF is part of the text: the platform does not strip it. */
function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
