/**
 * A cluster as its clients see it, in one process: a stub chain that names the nodes, and nodes with real keys behind a fetch
 * port. Each node checks the client's request as the real one does and answers honestly, unless a test bends what it sends.
 */
import { verifyRequestSignature } from '../../../core/auth/httpsig.ts';
import { createKmsClient } from '../../../core/client/client.ts';
import { createKeys } from '../../../core/client/keys.ts';
import { contentDigestOf } from '../../../core/crypto/digest.ts';
import { parseSignature, recoverWallet } from '../../../core/crypto/wallet.ts';
import { hex, parseHex, parseUtf8, utf8 } from '../../../core/wire/bytes.ts';
import { encodeEnvelope, parseEnvelope } from '../../../core/wire/envelope.ts';
import { encodeResponseInput, encodeSignature, responseBase } from '../../../core/wire/httpsig.ts';
import { appResponseText } from '../../../core/wire/pop.ts';
import { createTestAttester } from '../../attestation/attester.ts';
import {
  callerAnswer,
  createClock,
  createRandom,
  createStubChain,
  epochAnswer,
  hashOf,
  operatorAnswer,
  profile,
  signerNamed,
  STATES,
} from '../fakes.ts';
import type { ClientDependencies, KmsClient } from '../../../core/client/client.ts';
import type { EnclaveKeys } from '../../../core/client/keys.ts';
import type { Json } from '../../../core/wire/json.ts';
import type { OutboundAnswer, OutboundLimits, OutboundRequest } from '../../../core/ports.ts';
import type { TestAttester } from '../../attestation/attester.ts';
import type { LocalSigner, StubChain, VirtualClock } from '../fakes.ts';

export interface StubNode {
  readonly name: string;
  readonly url: string;
  readonly signer: LocalSigner;
  readonly keys: EnclaveKeys;
  readonly teePubkey: string;
  /** Its enclave's hardware. */
  readonly attester: TestAttester;
  /** Requests that arrived, `/nonce` and `/attestation` aside. */
  readonly asked: OutboundRequest[];
  bend: Bend;
  /** What it answers to a challenge, and how often it was asked. */
  attest: (nonce: Uint8Array, limits: OutboundLimits, request: OutboundRequest) => Promise<OutboundAnswer>;
  attested: number;
}

/** What a node, or a host before it, sends instead of the honest answer. */
export type Bend = (sent: Sent) => Promise<OutboundAnswer>;

export interface Sent {
  readonly request: OutboundRequest;
  readonly limits: OutboundLimits;
  /** The honest answer, or one whose sealed members are changed by an enclave that is broken. */
  readonly honest: (changes?: Record<string, Json | undefined>) => Promise<OutboundAnswer>;
}

export interface StubCluster {
  readonly clock: VirtualClock;
  readonly chain: StubChain;
  readonly app: LocalSigner;
  readonly appKeys: EnclaveKeys;
  readonly nodes: readonly [StubNode, StubNode, StubNode];
  readonly client: (changes?: Partial<ClientDependencies>) => KmsClient;
}

export const APP_ID = 9;
/** Long before every block of the stub chain. */
export const APP_CREATED_S = 1_700_000_000;

export function keysNamed(name: string): EnclaveKeys {
  const secret = (what: string, bytes: number) => hex(createRandom(`${what} of ${name}`).bytes(bytes));
  return createKeys({ walletPrivateKey: secret('wallet', 32), teePrivateKey: `00${secret('tee', 47)}` }, createRandom(`seals of ${name}`));
}

/** The key that every honest node gives. */
export function keyOf(path: string, length = 32): Uint8Array {
  return createRandom(`key of ${path}`).bytes(length);
}

export async function createStubCluster(): Promise<StubCluster> {
  const clock = createClock();
  const chain = createStubChain(clock);
  const app = signerNamed('app');
  const appKeys = keysNamed('app');
  const appTee = await appKeys.box.publicKey();
  const nodes = await Promise.all(['one', 'two', 'three'].map((name, index) => createNode(name, index + 1, clock)));
  chain.operators = nodes.map((node, index) => ({
    ...operatorAnswer(node.signer.wallet, index + 1, node.url),
    teePubkey: `0x${node.teePubkey}` as const,
  }));
  chain.epochs = [epochAnswer(0, STATES.active, hashOf(0xe0), 1n, BigInt(APP_CREATED_S - 100))];
  chain.callers.set(app.wallet, { ...callerAnswer(app.wallet), appId: BigInt(APP_ID), teePubkey: `0x${hex(appTee)}` });
  chain.mine(profile.confirmationBlocks + 1);

  const dependencies: ClientDependencies = {
    profile,
    chain,
    signer: app,
    box: appKeys.box,
    clock,
    random: createRandom('client'),
    proof: 'erc8128',
    attestNodes: false,
    fetch: async (request, limits) => {
      const node = nodes.find(({ url }) => request.url.startsWith(`${url}/`));
      if (!node) throw new Error(`nobody listens at ${request.url}`);
      if (request.url.endsWith('/nonce')) return plain(200, { nonce: 'YSBub25jZQ==' });
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === '/attestation') {
        node.attested += 1;
        return await node.attest(parseHex(searchParams.get('nonce') ?? '') ?? new Uint8Array(0), limits, request);
      }
      node.asked.push(request);
      return await node.bend({ request, limits, honest: (changes) => answerHonestly(node, request, appTee, clock, changes) });
    },
  };
  const client = (changes: Partial<ClientDependencies> = {}) => createKmsClient({ ...dependencies, ...changes });
  return { clock, chain, app, appKeys, nodes: nodes as unknown as StubCluster['nodes'], client };
}

async function createNode(name: string, id: number, clock: VirtualClock): Promise<StubNode> {
  const keys = keysNamed(name);
  const teePubkey = hex(await keys.box.publicKey());
  const url = `https://node-${id}.nova.example`;
  const signer = signerNamed(name);
  const attester = createTestAttester(signer.wallet, teePubkey, clock);
  const attest = async (nonce: Uint8Array) => document(await attester.document({ nonce, publicKey: 'tee' }));
  return { name, url, signer, keys, teePubkey, attester, asked: [], bend: ({ honest }) => honest(), attest, attested: 0 };
}

export function document(body: Uint8Array, status = 200): OutboundAnswer {
  return { status, headers: new Headers(), body };
}

async function answerHonestly(
  node: StubNode,
  request: OutboundRequest,
  appTee: Uint8Array,
  clock: VirtualClock,
  changes: Record<string, Json | undefined> = {},
): Promise<OutboundAnswer> {
  checkRequest(node, request, clock);
  const outcome = parseEnvelope(parseUtf8(request.body as Uint8Array) ?? '');
  if (outcome.kind !== 'envelope') throw new Error('the client sent no envelope');
  const asked = JSON.parse(await node.keys.box.open(outcome.envelope)) as { path: string; context: string; length: number };
  const { path, context, length } = asked;
  const key = Buffer.from(keyOf(path, length)).toString('base64');
  const answer = { app_id: APP_ID, path, context, length, key, epoch: 0, block: 21, ...changes };
  return vouch(node, request, 200, encodeEnvelope(await node.keys.box.seal(appTee, JSON.stringify(answer))));
}

/** As the node does: the client's own signature must hold for this node's authority. */
function checkRequest(node: StubNode, { url, method, headers = {} }: OutboundRequest, clock: VirtualClock): void {
  if (headers['x-app-signature'] !== undefined) return;
  const { host: authority, pathname: path, search: query } = new URL(url);
  const target = { method, authority: new URL(node.url).host, path, query, headers: new Headers(headers) };
  if (authority !== target.authority) throw new Error('asked under another name');
  verifyRequestSignature(target, { chainId: profile.chainId, bootedAtMs: 0, clock, recover: recoverWallet });
}

export interface Vouched {
  readonly by?: LocalSigner;
  readonly chainId?: number;
  /** Named in `keyid`, whoever signs. */
  readonly as?: LocalSigner['wallet'];
  readonly requestSignature?: string;
  readonly v27?: boolean;
}

/** An answer signed over its status, its body and a request's signature, each of which a test may choose. */
export function vouch(node: StubNode, request: OutboundRequest, status: number, text: string, vouched: Vouched = {}): OutboundAnswer {
  const { headers = {} } = request;
  const { by = node.signer, chainId = profile.chainId, as = by.wallet, v27 = false } = vouched;
  const body = utf8(text);
  const ours = headers['x-app-signature'];
  if (ours !== undefined) {
    const signature = by.signNow(appResponseText(ours, node.signer.wallet));
    return { status, headers: new Headers(status < 300 ? { 'x-kms-response-signature': signature } : {}), body };
  }
  const requestSignature = vouched.requestSignature ?? String(headers['signature']).slice('eth='.length);
  const digest = contentDigestOf(body);
  const input = encodeResponseInput(1_770_000_000, { chainId, wallet: as });
  const signature = parseSignature(by.signNow(responseBase(status, digest, requestSignature, input))) ?? new Uint8Array(65);
  if (v27) signature[64] = (signature[64] ?? 0) + 27;
  const signed = { 'content-digest': digest, 'signature-input': `eth=${input}`, signature: `eth=${encodeSignature(signature)}` };
  return { status, headers: new Headers(signed), body };
}

/** A refusal as the node words it. */
export function refusal(reason: string, message = 'plain words'): string {
  return JSON.stringify({ code: 'x', message, reason, request_id: '0123456789abcdef' });
}

export function plain(status: number, value: Json): OutboundAnswer {
  return { status, headers: new Headers(), body: utf8(JSON.stringify(value)) };
}

export function withHeader({ status, headers, body }: OutboundAnswer, name: string, value: string | undefined): OutboundAnswer {
  const changed = new Headers(headers);
  if (value === undefined) changed.delete(name);
  else changed.set(name, value);
  return { status, headers: changed, body };
}

/** Lets everything that is due run, then moves time on, until the work is done. */
export async function passing<T>(clock: VirtualClock, work: Promise<T>, stepMs = 100): Promise<T> {
  let done = false;
  const end = () => {
    done = true;
  };
  work.then(end, end);
  for (let steps = 0; steps < 2_000; steps += 1) {
    for (let turn = 0; turn < 40 && !done; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    if (done) return await work;
    clock.advance(stepMs);
  }
  throw new Error('it never ends');
}
