/**
 * The handshake of two nodes (`docs/protocol.md` clause 7.2): each side signs, with its wallet, the ephemeral key that it
 * will use, and carries a document of its enclave's hardware for that key. The host between them can drop a hello; it cannot read, alter
 * or replay one. Building and checking only: who may talk to whom is decided by `sessions.ts`, what a document proves by `attestations.ts`.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { Refusal } from '../errors.ts';
import { parseWallet } from '../identity.ts';
import { checkTimestamp } from '../auth/proof.ts';
import { parseSignature } from '../crypto/wallet.ts';
import { ATTESTATION_BYTES_MAX, PROOF_HEADER_CHARS_MAX, TIMESTAMP_CHARS_MAX } from '../limits.ts';
import { concat, hex, utf8 } from '../wire/bytes.ts';
import { decodeCborMap, encodeCbor, readBytes, readText, readWallet } from '../wire/cbor.ts';
import { peerProofText, peerResponseText } from '../wire/pop.ts';
import { INCARNATION_BYTES } from '../store/record.ts';
import { SESSION_ID_BYTES } from './frames.ts';
import { EPHEMERAL_BYTES } from './keys.ts';
import type { Wallet } from '../identity.ts';
import type { Recover } from '../ports.ts';

/** The first was without documents, and is taken by nobody. */
const HELLO_VERSION = 2;

export interface Hello {
  readonly wallet: Wallet;
  readonly recipient: Wallet;
  readonly incarnation: Uint8Array;
  readonly ephemeral: Uint8Array;
  readonly nonce: string;
  readonly timestamp: string;
  /** Attacker-controlled until it was judged. */
  readonly attestation: Uint8Array;
}

export interface HelloAnswer {
  readonly wallet: Wallet;
  readonly recipient: Wallet;
  readonly incarnation: Uint8Array;
  readonly ephemeral: Uint8Array;
  readonly session: Uint8Array;
  /** Attacker-controlled until it was judged. */
  readonly attestation: Uint8Array;
}

/** Header values, attacker-controlled. */
export interface HelloHeaders {
  readonly signature: string | null;
  readonly wallet: string | null;
  readonly nonce: string | null;
  readonly timestamp: string | null;
}

export function encodeHello(hello: Hello): Uint8Array {
  return encodeCbor({ v: HELLO_VERSION, kind: 'hello', ...hello });
}

export function encodeHelloAnswer(answer: HelloAnswer): Uint8Array {
  return encodeCbor({ v: HELLO_VERSION, kind: 'hello', ...answer });
}

/** What the initiator's hardware answers: the responder drew the nonce, so a document made before is of no use. */
export function helloChallenge({ nonce, wallet, recipient }: Pick<Hello, 'nonce' | 'wallet' | 'recipient'>): Uint8Array {
  return sha256(utf8(`NovaKMS:Attest:hello:${nonce}:${wallet}:${recipient}`));
}

/** What the responder's hardware answers: the whole hello, whose ephemeral key is new. */
export function answerChallenge(hello: Uint8Array): Uint8Array {
  return sha256(concat(utf8('NovaKMS:Attest:answer:'), hello));
}

/** What the initiator's wallet signs (clause 7.2); `body` is the hello as it is sent. */
export function helloText(hello: Hello, body: Uint8Array): string {
  return peerProofText(hello.nonce, hello.recipient, hello.timestamp, hex(sha256(body)));
}

/** What the responder's wallet signs; `clientSignature` verbatim, as the hello's header had it. */
export function helloAnswerText(clientSignature: string, responder: Wallet, body: Uint8Array): string {
  return peerResponseText(clientSignature, responder, hex(sha256(body)));
}

/**
 * The hello that its own wallet signed for `self`, now. Throws `frame_malformed`, `peer_proof_refused`, `timestamp_malformed`,
 * `timestamp_stale`, or what `requireMember` does.
 */
export function verifyHello(
  body: Uint8Array,
  headers: HelloHeaders,
  self: Wallet,
  nowMs: number,
  recover: Recover,
  requireMember: (wallet: Wallet) => void,
): Hello {
  const map = decodeCborMap(body, ['v', 'kind', 'wallet', 'recipient', 'incarnation', 'ephemeral', 'nonce', 'timestamp', 'attestation']);
  if (map.get('v') !== HELLO_VERSION || map.get('kind') !== 'hello')
    throw new Refusal('frame_malformed', `not a hello of version ${HELLO_VERSION}`);
  const hello: Hello = {
    wallet: readWallet(map, 'wallet'),
    recipient: readWallet(map, 'recipient'),
    incarnation: readBytes(map, 'incarnation', INCARNATION_BYTES),
    ephemeral: readBytes(map, 'ephemeral', EPHEMERAL_BYTES),
    nonce: readText(map, 'nonce', PROOF_HEADER_CHARS_MAX),
    timestamp: readText(map, 'timestamp', TIMESTAMP_CHARS_MAX),
    attestation: readBytes(map, 'attestation', { max: ATTESTATION_BYTES_MAX }),
  };
  if (hello.recipient !== self) throw new Refusal('peer_proof_refused', 'for another node');
  const headersAgree =
    headers.nonce === hello.nonce &&
    headers.timestamp === hello.timestamp &&
    (headers.wallet === null || parseWallet(headers.wallet) === hello.wallet);
  if (!headersAgree) throw new Refusal('peer_proof_refused', 'headers and body differ');
  checkTimestamp(hello.timestamp, nowMs);
  // Before the signature: a stranger buys no recovery.
  requireMember(hello.wallet);
  const signature = parseSignature(headers.signature ?? '');
  if (!signature || recover(helloText(hello, body), signature) !== hello.wallet)
    throw new Refusal('peer_proof_refused', 'not signed by its wallet');
  return hello;
}

/** The answer that `responder` signed for exactly our hello. Throws `peer_answer_odd` or `frame_malformed`. */
export function verifyHelloAnswer(
  body: Uint8Array,
  signatureHeader: string | null,
  ours: { hello: Hello; signature: string },
  recover: Recover,
): HelloAnswer {
  const responder = ours.hello.recipient;
  const signature = parseSignature(signatureHeader ?? '');
  const signer = signature && recover(helloAnswerText(ours.signature, responder, body), signature);
  if (signer !== responder) throw new Refusal('peer_answer_odd', 'not signed by the node that was asked');
  const map = decodeCborMap(body, ['v', 'kind', 'wallet', 'recipient', 'incarnation', 'ephemeral', 'session', 'attestation']);
  const answer: HelloAnswer = {
    wallet: readWallet(map, 'wallet'),
    recipient: readWallet(map, 'recipient'),
    incarnation: readBytes(map, 'incarnation', INCARNATION_BYTES),
    ephemeral: readBytes(map, 'ephemeral', EPHEMERAL_BYTES),
    session: readBytes(map, 'session', SESSION_ID_BYTES),
    attestation: readBytes(map, 'attestation', { max: ATTESTATION_BYTES_MAX }),
  };
  const ourPair =
    answer.wallet === responder && answer.recipient === ours.hello.wallet && map.get('v') === HELLO_VERSION && map.get('kind') === 'hello';
  if (!ourPair) throw new Refusal('peer_answer_odd', 'an answer for another pair');
  return answer;
}
