/**
 * The world as the core sees it. Each port is small, named by its role and implemented once in `core/platform/`;
 * whoever composes a node hands them in. Nothing else in `core/` reaches time, randomness, keys, chain or network.
 */
import type { EventFields, EventName } from './events.ts';
import type { Wallet } from './identity.ts';
import type { Envelope } from './wire/envelope.ts';

export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Milliseconds since some moment, never back and never in jumps: for what setting the clock must not change. */
  elapsedMs(): number;
  /** Resolves after `ms`, or rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  bytes(length: number): Uint8Array;
}

/** The fields that Odyn's `structured` transaction takes (EIP-1559). */
export interface TransactionRequest {
  readonly chainId: number;
  readonly nonce: number;
  readonly maxPriorityFeePerGas: bigint;
  readonly maxFeePerGas: bigint;
  readonly gasLimit: bigint;
  readonly to: Wallet;
  readonly data: `0x${string}`;
}

/** The enclave's secp256k1 wallet. Rejects with `odyn_unavailable`. */
export interface Signer {
  address(): Promise<string>;
  /** EIP-191 signature as `0x` + 65 bytes, v in {0, 1}. */
  sign(text: string): Promise<`0x${string}`>;
  /** A signed, serialised transaction. */
  signTransaction(request: TransactionRequest): Promise<`0x${string}`>;
}

/** Whose signatures the enclave's hardware vouches for, when it is asked. */
export interface AttestedSigner extends Signer {
  /** As `sign`, with a document whose nonce is the digest of the prefixed text and whose key is the wallet's, as SPKI DER. */
  signAttested(text: string): Promise<{ readonly signature: `0x${string}`; readonly document: Uint8Array }>;
}

/** The address that signed an EIP-191 text, or `undefined` when the signature is none. Signature: 65 bytes r‖s‖v. */
export type Recover = (text: string, signature: Uint8Array) => Wallet | undefined;

/** The enclave's P-384 key and hardware randomness. Rejects with `odyn_unavailable` or `envelope_unopenable`. */
export interface Box {
  /** SPKI DER. */
  publicKey(): Promise<Uint8Array>;
  seal(recipient: Uint8Array, plaintext: string): Promise<Envelope>;
  open(envelope: Envelope): Promise<string>;
  /** Bytes of the NSM's generator: what master secrets are made of. */
  entropy(): Promise<Uint8Array>;
}

export interface AttestationRequest {
  /** Signed as it is: the challenge of whoever wants to know. */
  readonly nonce: Uint8Array;
  /** A P-384 point (SEC1, uncompressed) that the document is for, or the key of the enclave's box. */
  readonly publicKey: Uint8Array | 'tee';
}

/** The enclave's hardware. Rejects with `odyn_unavailable`. */
export interface Attester {
  /** An attestation document as the hardware signed it: COSE_Sign1, with the enclave's wallet in its user data. */
  document(request: AttestationRequest): Promise<Uint8Array>;
}

/** Chain reads at a named block and the one kind of write. Rejects with `chain_unavailable`. */
export interface Chain {
  headNumber(): Promise<number>;
  /** Return data of an `eth_call` at that block. */
  call(to: Wallet, data: `0x${string}`, blockNumber: number): Promise<`0x${string}`>;
  account(wallet: Wallet): Promise<{ readonly balanceWei: bigint; readonly nonce: number }>;
  fees(): Promise<{ readonly gasPriceWei: bigint; readonly priorityFeeWei: bigint }>;
  estimateGas(from: Wallet, to: Wallet, data: `0x${string}`): Promise<bigint>;
  /** Hash of the accepted transaction. */
  send(rawTransaction: `0x${string}`): Promise<string>;
}

/** What reading the chain takes. */
export type ChainReader = Pick<Chain, 'headNumber' | 'call'>;

export interface OutboundRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface OutboundLimits {
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
  /** Ends the call before its time. */
  readonly signal?: AbortSignal;
}

export interface OutboundAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** The only way to the network: one URL policy, no redirects, bounded time and size. Rejects with an `OutboundReason`. */
export type Fetch = (request: OutboundRequest, limits: OutboundLimits) => Promise<OutboundAnswer>;

export type Log = <Name extends EventName>(event: Name, fields: EventFields[Name]) => void;
