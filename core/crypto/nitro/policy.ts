/**
 * Whether a verified attestation is the one that was asked for. Pure. Every expectation is said: what may be anything is `any`, so that a
 * value that was never found out cannot pass for one that does not matter.
 */
import { parseWallet } from '../../identity.ts';
import { equalBytes, parseUtf8 } from '../../wire/bytes.ts';
import { parseJsonObject } from '../../wire/json.ts';
import type { Hash, Wallet } from '../../identity.ts';
import type { Attestation } from './attestation.ts';

export interface Expectation {
  readonly nowMs: number;
  /** How old a document may be. */
  readonly ageMsMax: number;
  /** How far ahead of our clock the one of the enclave's host may be. */
  readonly aheadMsMax: number;
  readonly measurement: Hash | 'any';
  readonly nonce: Uint8Array | 'any';
  readonly publicKey: Uint8Array | 'any';
  /** Of the enclave, as Odyn writes it into the user data. */
  readonly wallet: Wallet | 'any';
}

export type PolicyFault =
  'debug' | 'too_old' | 'from_the_future' | 'measurement_mismatch' | 'nonce_mismatch' | 'public_key_mismatch' | 'wallet_mismatch';

const WALLET_MEMBER = '"eth_addr"';
const WALLET_TEXT = /"eth_addr":"(0x[0-9a-fA-F]{40})"/;

/** The first expectation that is not met; `undefined` when all are. */
export function faultOf(attestation: Attestation, expected: Expectation): PolicyFault | undefined {
  const { nowMs, ageMsMax, aheadMsMax, measurement, nonce, publicKey, wallet } = expected;
  if (attestation.isDebug) return 'debug';
  const ageMs = nowMs - attestation.timeMs;
  // Written so that a bound that is no number is kept by nothing.
  if (!(ageMs <= ageMsMax)) return 'too_old';
  if (!(-ageMs <= aheadMsMax)) return 'from_the_future';
  if (measurement !== 'any' && attestation.measurement !== measurement) return 'measurement_mismatch';
  if (nonce !== 'any' && !isSame(attestation.nonce, nonce)) return 'nonce_mismatch';
  if (publicKey !== 'any' && !isSame(attestation.publicKey, publicKey)) return 'public_key_mismatch';
  if (wallet !== 'any' && (attestation.userData === undefined || walletIn(attestation.userData) !== wallet)) return 'wallet_mismatch';
  return undefined;
}

function isSame(given: Uint8Array | undefined, expected: Uint8Array): boolean {
  return given !== undefined && equalBytes(given, expected);
}

/**
 * The wallet that Odyn put into the user data, when there can be no doubt which. Odyn lets whoever asks put members of his own beside it:
 * one that has an `eth_addr` inside comes before the real one in the text, and a reader of bytes would find that. So the name stands there
 * once, and a reader of bytes and a reader of JSON find the same.
 */
function walletIn(userData: Uint8Array): Wallet | undefined {
  const text = parseUtf8(userData) ?? '';
  const written = WALLET_TEXT.exec(text)?.[1];
  const member = parseJsonObject(text)?.['eth_addr'];
  if (text.split(WALLET_MEMBER).length !== 2 || written === undefined || member !== written) return undefined;
  return parseWallet(written);
}
