/**
 * The client of a cluster, for apps in their enclaves. It believes its own chain about who the nodes are, and a node as far as
 * its signature, its seal and the chain's word on epochs go. What hosts and the network do costs time, never a wrong key, and
 * so does a node that is down or behind. What a broken enclave vouches for is believed: nothing on chain names a derived key.
 * Kept are the last look at the chain and which node failed last, nothing else.
 */
import { parseWallet } from '../identity.ts';
import { hex } from '../wire/bytes.ts';
import { choiceOf, kmsRequestOf } from './arguments.ts';
import { attempt } from './attempt.ts';
import { certificateOrder, confirmCa, readCertificate } from './certificates.ts';
import { deriveRequest, epochUnavailable, readDerived, rightEpochs } from './derive.ts';
import { createDirectory } from './directory.ts';
import { AttemptFailed } from './error.ts';
import { createDocuments } from './documents.ts';
import { createFailover } from './failover.ts';
import { createKv } from './kv.ts';
import { createNodeChecks } from './node-checks.ts';
import { proveByPlatform, proveBySignature } from './proofs.ts';
import { Refusal } from '../errors.ts';
import type { Wallet } from '../identity.ts';
import type { NetworkProfile } from '../networks.ts';
import type { Box, ChainReader, Clock, Fetch, Random, Signer } from '../ports.ts';
import type { JsonObject } from '../wire/json.ts';
import type { CallOptions, RequestBody } from './arguments.ts';
import type { KmsRequest, Purpose } from './attempt.ts';
import type { CertificateOptions, SignedCertificate } from './certificates.ts';
import type { DerivedKey, DeriveRequest, KeyOptions } from './derive.ts';
import type { AppSigner } from './documents.ts';
import type { Known, LiveNode, Self } from './directory.ts';
import type { Kv } from './kv.ts';
import type { Choice } from './failover.ts';

export interface DeriveOptions extends KeyOptions, CallOptions {}
export interface SignCertificateOptions extends CertificateOptions, CallOptions {}

export interface Answered {
  /** Opened; its members are the node's own. */
  readonly answer: JsonObject;
  readonly node: Wallet;
}

/** Every method rejects with a `KmsError`. */
export interface KmsClient {
  derive(path: string, options?: DeriveOptions): Promise<DerivedKey>;
  /** A key pair made here and a certificate for it, under a CA that a second node serves as well. */
  signCertificate(options?: SignCertificateOptions): Promise<SignedCertificate>;
  /** This app's keys and values, on every node. */
  readonly kv: Kv;
  /** A proven and sealed request to any private endpoint, answered by any one node. Judging the answer is left to the caller. */
  request(method: KmsRequest['method'], path: string, body?: RequestBody, options?: CallOptions): Promise<Answered>;
  /** The live nodes, as the chain names them. */
  nodes(): Promise<readonly LiveNode[]>;
}

export interface ClientDependencies {
  readonly profile: NetworkProfile;
  readonly chain: ChainReader;
  readonly signer: AppSigner;
  readonly box: Pick<Box, 'publicKey' | 'seal' | 'open'>;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly random: Random;
  readonly proof: 'erc8128' | 'platform';
  /** Whether a node is used only once its enclave has proven itself. */
  readonly attestNodes: boolean;
}

export function createKmsClient(dependencies: ClientDependencies): KmsClient {
  const { profile, chain, signer, box, clock, random } = dependencies;
  const self = rememberSelf(signer, box);
  const directory = createDirectory({ chain, clock, profile, self });
  const failover = createFailover({ clock, random, directory });
  const checks = dependencies.attestNodes ? createNodeChecks({ ...dependencies, self }) : undefined;
  const prove = dependencies.proof === 'platform' ? proveByPlatform : proveBySignature;
  const documents = createDocuments(prove, signer, profile.appAttestation);

  async function ask<T>(request: KmsRequest, choice: Choice, { require, read, onSend }: Purpose<T>): Promise<T> {
    return await failover.ask(choice, async (node, known, signal) => {
      await require?.(known);
      await checks?.require(node);
      const limits = { signal, timeoutMs: choice.attemptMs };
      return await documents.attempt(node.wallet, async (proving) => {
        let undo: (() => void) | undefined;
        const sending = () => void (undo = onSend?.());
        const tools = { ...dependencies, prove: proving, chainId: profile.chainId, wallet: known.app.wallet, onSend: sending };
        try {
          const answer = await attempt(tools, node, request, limits);
          return await read(answer, known, node, limits);
        } catch (error) {
          if (error instanceof AttemptFailed && error.isUndone) undo?.();
          throw error;
        }
      });
    });
  }

  /** Our view may be the older one: nothing is called wrong before the chain was asked again. */
  async function isRight(known: Known, named: DeriveRequest['epoch'], fits: (right: readonly number[]) => boolean): Promise<boolean> {
    return fits(rightEpochs(known, named, profile)) || fits(rightEpochs(await directory.renewed(), named, profile));
  }

  return {
    async derive(path, options = {}) {
      const choice = choiceOf(options, 'context', 'length', 'epoch');
      const asked = deriveRequest(path, options);
      const { epoch: named } = asked;
      return await ask(kmsRequestOf('POST', '/kms/derive', { ...asked }), choice, {
        async require(known) {
          if (!(await isRight(known, named, (right) => right.length > 0))) throw epochUnavailable(named, await directory.known());
        },
        async read(answer, known, node) {
          const derived = readDerived(answer, asked, known, node);
          if (await isRight(known, named, (right) => right.includes(derived.epoch))) return derived;
          throw new AttemptFailed('wrong_epoch', `derived in epoch ${derived.epoch}, which the chain does not make right`);
        },
      });
    },
    async signCertificate(options = {}) {
      const choice = choiceOf(options, 'ttlSeconds');
      const order = certificateOrder(options, random);
      return await ask(kmsRequestOf('POST', '/kms/sign_cert', { ...order.body }), choice, {
        async read(answer, known, node, limits) {
          const isOld = !rightEpochs(known, 'current', profile).some((right) => right === answer['epoch']);
          const signed = readCertificate(answer, order, isOld ? await directory.renewed() : known, profile, clock.nowMs());
          const others = known.nodes.filter(({ wallet, url }) => wallet !== node.wallet && url !== node.url);
          return { ...signed, node: node.wallet, confirmedBy: await confirmCa(dependencies.fetch, signed.ca, others, limits, checks) };
        },
      });
    },
    kv: createKv(ask),
    async request(method, path, body, options = {}) {
      const [request, choice] = [kmsRequestOf(method, path, body), choiceOf(options)];
      return await ask(request, choice, { read: (answer, _known, node) => ({ answer, node: node.wallet }) });
    },
    nodes: async () => (await directory.known()).nodes,
  };
}

/** Asked once: an enclave keeps its keys for its life. */
function rememberSelf(signer: Pick<Signer, 'address'>, box: Pick<Box, 'publicKey'>): () => Promise<Self> {
  let found: Self | undefined;
  return async () => {
    if (found) return found;
    const [address, publicKey] = await Promise.all([signer.address(), box.publicKey()]);
    const wallet = parseWallet(address);
    if (!wallet) throw new Refusal('odyn_unavailable', 'it gave no wallet');
    found = { wallet, teePubkey: hex(publicKey) };
    return found;
  };
}
