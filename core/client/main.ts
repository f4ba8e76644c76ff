/**
 * `nova-kms/client`: what an app imports. It joins the client with this host's clock, randomness and fetch; everything else is
 * in `core/client/client.ts`. Runs in Node 20.3 and newer and in workers with `nodejs_compat`.
 */
import { createFetch } from '../platform/fetch.ts';
import { createOdyn } from '../platform/odyn.ts';
import { createRpc } from '../platform/rpc.ts';
import { systemClock, systemRandom } from '../platform/system.ts';
import { Refusal } from '../errors.ts';
import { isJsonObject } from '../wire/json.ts';
import { createKmsClient } from './client.ts';
import { KmsError } from './error.ts';
import { createKeys } from './keys.ts';
import type { NetworkProfile } from '../networks.ts';
import type { ChainReader } from '../ports.ts';
import type { KmsClient } from './client.ts';
import type { EnclaveKeys, SecretKeys } from './keys.ts';

/** Whether records are the audit trail whose head a node signed. For operators; it asks nobody anything. */
export { verifyMilestones, verifyTrail } from '../audit/verify.ts';
/** Throws a `TypeError` that names the field, for JSON that is no profile. */
export { parseProfile } from '../networks.ts';
export { KmsError } from './error.ts';
export type { NetworkProfile, PeerUrlPolicy } from '../networks.ts';
export type { Expected, TrailFault, TrailVerdict } from '../audit/verify.ts';
export type { ChainReader } from '../ports.ts';
export type { CallOptions, RequestBody } from './arguments.ts';
export type { Answered, DeriveOptions, KmsClient, SignCertificateOptions } from './client.ts';
export type { CertificateOptions, SignedCertificate } from './certificates.ts';
export type { DerivedKey } from './derive.ts';
export type { LiveNode } from './directory.ts';
export type { BatchOptions, ByNode, DeleteOptions, KeysOptions, Kv, KvBatch, PageOptions, PutOptions } from './kv.ts';
export type { KvOperation, ListOptions, ReplicaOptions, ValueOptions, VersionOptions } from './kv-operations.ts';
export type { KvDelete, KvPage, KvPut, KvRefusal, KvResult, KvValue, KvWrite } from './kv-results.ts';
export type { Attempt, AttemptOutcome, Facts, KmsErrorCode } from './error.ts';
export type { EnclaveKeys, KeySchedule, SecretKeys } from './keys.ts';

/** Where this app's two keys are: beside it in its Odyn, or in this process. */
export type Keys = { readonly odynUrl: string } | EnclaveKeys;

export interface ClientOptions {
  /** Which network, which contracts, which node URLs. `parseProfile` reads one from JSON. */
  readonly profile: NetworkProfile;
  /** The URL of a chain endpoint that is believed (in an enclave: its light client), or a reader of one's own. */
  readonly chain: string | ChainReader;
  readonly keys: Keys;
  /** How requests are proven; default `erc8128`. The platform's older proof binds no body, and no error is signed. */
  readonly proof?: 'erc8128' | 'platform';
  /** Default false. True: no node is used whose enclave has not proven, by its hardware, to run what the chain says. */
  readonly attestNodes?: boolean;
  /** Default: the host's. */
  readonly fetch?: typeof fetch;
}

/** The keys of this enclave, in its Odyn: `odyn('http://127.0.0.1:18000')`. */
export function odyn(url: string): Keys {
  return { odynUrl: origin('the URL of Odyn', url) };
}

/** Keys in this process, for an app that has no Odyn. */
export function keysInMemory(secrets: SecretKeys): Keys {
  return createKeys(secrets, systemRandom);
}

/** Asks nothing yet. Throws `bad_argument`. */
export function createClient(options: ClientOptions): KmsClient {
  if (!isJsonObject(options)) throw new KmsError('bad_argument', 'createClient takes an object of options.');
  const { profile, chain, keys, proof = 'erc8128', attestNodes = false, fetch: hostFetch } = options as unknown as ClientOptions;
  if (typeof profile?.kmsAppId !== 'bigint') throw new KmsError('bad_argument', 'profile must be what parseProfile returns.');
  if (!isJsonObject(keys)) throw new KmsError('bad_argument', 'keys must be what odyn or keysInMemory returns.');
  if (typeof attestNodes !== 'boolean') throw new KmsError('bad_argument', 'attestNodes must be true or false.');
  if (proof === 'platform' && profile.platformProof === 'refuse')
    throw new KmsError('bad_argument', 'The nodes of this profile take no platform proof: leave proof out.');
  const odynUrl = 'odynUrl' in keys ? keys.odynUrl : '';
  const rpcUrl = typeof chain === 'string' ? origin('the URL of the chain', chain) : '';
  const fetch = createFetch({ profile, odynUrl, rpcUrl }, hostFetch ?? globalThis.fetch.bind(globalThis));
  const { signer, box }: EnclaveKeys = 'odynUrl' in keys ? createOdyn(keys.odynUrl, fetch) : keys;
  if (profile.appAttestation === 'require' && !signer.signAttested)
    throw new KmsError(
      'bad_argument',
      'The nodes of this profile ask for the word of an enclave, which keys in memory have none of: use odyn.',
    );
  const reader = typeof chain === 'string' ? createRpc(chain, fetch) : guarded(chain);
  return createKmsClient({ profile, chain: reader, signer, box, fetch, clock: systemClock, random: systemRandom, proof, attestNodes });
}

function origin(what: string, url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed && ['http:', 'https:'].includes(parsed.protocol)) return parsed.origin;
  throw new KmsError('bad_argument', `${what} must be an http or https URL.`);
}

/** A reader of the app's own may fail in any way; to the client the chain is then unreadable. */
function guarded(chain: ChainReader): ChainReader {
  async function named<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new Refusal('chain_unavailable', `${what} failed`, error);
    }
  }
  return {
    headNumber: () => named('headNumber', () => chain.headNumber()),
    call: (to, data, blockNumber) => named('call', () => chain.call(to, data, blockNumber)),
  };
}
