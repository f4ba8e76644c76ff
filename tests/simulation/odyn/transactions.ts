/**
 * What the Odyn signs as a transaction, and what it refuses.
 * A payload names its kind and carries every number as a hex string; names in camel case count as missing,
 * and members that nobody knows are passed over in silence, as the real service does.
 */
import {
  keccak256,
  parseSignature,
  parseTransaction,
  serializeTransaction,
  type AccessList,
  type TransactionSerializableEIP1559,
} from 'viem';
import type { Hex } from './box.ts';
import { asFields, OdynFailure, readText, type Fields } from './failure.ts';
import type { Wallet } from './wallet.ts';

export interface SignedTransaction {
  readonly rawTransaction: Hex;
  readonly transactionHash: Hex;
  readonly signature: Hex;
  /** What the signature is over. */
  readonly signedHash: Hex;
}

export function signTransaction(wallet: Wallet, payload: unknown): SignedTransaction {
  const unsigned = parsePayload(asFields(payload, '`payload`'));
  const signedHash = keccak256(serialize(unsigned));
  const signature = wallet.signHash(signedHash);
  const { r, s, yParity } = parseSignature(signature);
  const rawTransaction = serializeTransaction(unsigned, { r, s, yParity });
  return { rawTransaction, transactionHash: keccak256(rawTransaction), signature, signedHash };
}

function parsePayload(payload: Fields): TransactionSerializableEIP1559 {
  const kind = readText(payload, 'kind');
  if (kind === 'structured') return parseStructured(payload);
  if (kind === 'raw_rlp') return parseRaw(payload);
  throw new OdynFailure(400, `unknown variant \`${kind}\`, expected \`structured\` or \`raw_rlp\``);
}

function parseStructured(payload: Fields): TransactionSerializableEIP1559 {
  const chainId = readCount(payload, 'chain_id');
  if (chainId === 0) throw new OdynFailure(400, 'chain_id cannot be zero');
  const to = payload['to'] === undefined || payload['to'] === null ? {} : { to: readAddress(payload, 'to') };
  return {
    type: 'eip1559',
    chainId,
    nonce: readCount(payload, 'nonce'),
    maxPriorityFeePerGas: readQuantity(payload, 'max_priority_fee_per_gas'),
    maxFeePerGas: readQuantity(payload, 'max_fee_per_gas'),
    gas: readQuantity(payload, 'gas_limit'),
    ...to,
    value: payload['value'] === undefined ? 0n : readQuantity(payload, 'value'),
    data: payload['data'] === undefined ? '0x' : readBytes(payload, 'data'),
    accessList: readAccessList(payload['access_list']),
  };
}

/** An unsigned typed transaction: `0x02` and the list of its nine members. */
function parseRaw(payload: Fields): TransactionSerializableEIP1559 {
  const raw = readBytes(payload, 'raw_payload');
  if (!raw.startsWith('0x02')) throw new OdynFailure(400, 'raw_payload is not an EIP-1559 transaction');
  try {
    const { r, s, yParity, v, ...unsigned } = parseTransaction(raw as `0x02${string}`);
    if (r !== undefined || s !== undefined || yParity !== undefined || v !== undefined) throw new Error('it is signed already');
    return unsigned;
  } catch (cause) {
    throw new OdynFailure(400, `raw_payload cannot be read: ${(cause as Error).message}`);
  }
}

function serialize(unsigned: TransactionSerializableEIP1559): Hex {
  try {
    return serializeTransaction(unsigned);
  } catch (cause) {
    throw new OdynFailure(400, `transaction cannot be encoded: ${(cause as Error).message}`);
  }
}

function readQuantity(fields: Fields, name: string): bigint {
  const text = readText(fields, name);
  if (!/^0x[0-9a-fA-F]{1,64}$/.test(text)) throw new OdynFailure(400, `invalid hex number for \`${name}\``);
  return BigInt(text);
}

/** Chain ids and nonces are JavaScript numbers in the encoder: what it would round is refused. */
function readCount(fields: Fields, name: string): number {
  const count = readQuantity(fields, name);
  if (count > BigInt(Number.MAX_SAFE_INTEGER)) throw new OdynFailure(400, `\`${name}\` is too large`);
  return Number(count);
}

function readBytes(fields: Fields, name: string): Hex {
  const text = readText(fields, name);
  if (!/^0x([0-9a-fA-F]{2})*$/.test(text)) throw new OdynFailure(400, `invalid hex for \`${name}\``);
  return text.toLowerCase() as Hex;
}

function readAddress(fields: Fields, name: string): Hex {
  const address = readBytes(fields, name);
  if (address.length !== 42) throw new OdynFailure(400, `invalid address for \`${name}\``);
  return address;
}

function readAccessList(value: unknown): AccessList {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new OdynFailure(400, 'invalid type for `access_list`: expected a sequence');
  return value.map((item) => {
    const entry = asFields(item, 'an entry of `access_list`');
    const keys: unknown = entry['storage_keys'] ?? [];
    if (!Array.isArray(keys)) throw new OdynFailure(400, 'invalid type for `storage_keys`: expected a sequence');
    return { address: readAddress(entry, 'address'), storageKeys: keys.map(readStorageKey) };
  });
}

function readStorageKey(value: unknown): Hex {
  const key = readBytes({ storage_key: value }, 'storage_key');
  if (key.length !== 66) throw new OdynFailure(400, 'invalid storage key');
  return key;
}
