/**
 * The world of the core's tests, one small fake per port: a clock that moves when told, randomness from a seed, wallets with
 * real keys, a chain that answers real ABI encodings, and a wire between nodes of one process. None of them knows the
 * code under test; the stub chain judges an activation as the contract does.
 */
import { createHash } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { decodeFunctionData, encodeFunctionResult } from 'viem';
import { kmsNodeAbi } from '../../core/chain/abi.ts';
import { personalDigest, recoverWallet, walletOf } from '../../core/crypto/wallet.ts';
import { Refusal } from '../../core/errors.ts';
import { createAttestations } from '../../core/cluster/attestations.ts';
import { createKms } from '../../core/kms.ts';
import { concat, hex, parseBase64, parseHex, parseUtf8, utf8 } from '../../core/wire/bytes.ts';
import { endorsementText } from '../../core/wire/pop.ts';
import { createTestAttester, MEASUREMENT } from '../attestation/attester.ts';
import { SIMULATED_ROOT } from '../attestation/roots.ts';
import { ENTROPY, noteLine, noteSecret } from '../secrecy/recorder.ts';
import type { Attestations } from '../../core/cluster/attestations.ts';
import type { FrameType } from '../../core/cluster/frames.ts';
import type { FrameHandler } from '../../core/cluster/sessions.ts';
import type { EventFields, EventName } from '../../core/events.ts';
import type { Epoch, Hash, Wallet, AppId } from '../../core/identity.ts';
import type { Kms } from '../../core/kms.ts';
import type { NetworkProfile } from '../../core/networks.ts';
import type { Box, Chain, Clock, Fetch, Log, OutboundAnswer, Random, Signer } from '../../core/ports.ts';
import type { TestAttester } from '../attestation/attester.ts';

/** The reason of the refusal that `act` throws; what is no refusal passes through. `none` when it throws nothing. */
export function reasonOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Refusal) return error.reason;
    throw error;
  }
  return 'none';
}

export async function reasonOfAsync(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Refusal) return error.reason;
    throw error;
  }
  return 'none';
}

/** A copy with one bit of one byte turned over. */
export function flipped(bytes: Uint8Array, index = 0, bit = 0): Uint8Array {
  const copy = bytes.slice();
  copy[index] = (copy[index] ?? 0) ^ (1 << bit);
  return copy;
}

/** The same bytes as a view into a longer buffer, so that whoever forgets the offset reads the padding. */
export function asView(bytes: Uint8Array): Uint8Array {
  return concat(new Uint8Array(7).fill(0xee), bytes, new Uint8Array(5).fill(0xee)).subarray(7, 7 + bytes.length);
}

export interface VirtualClock extends Clock {
  advance(ms: number): void;
  /** Sets the clock so much forward, or back; no time passes. */
  set(byMs: number): void;
}

export const START_MS = 1_770_000_000_000;

/** Whoever sleeps wakes when time is moved past the end of its sleep, or when its signal aborts. */
export function createClock(startMs = START_MS): VirtualClock {
  let nowMs = startMs;
  let setMs = 0;
  const sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();
  return {
    nowMs: () => nowMs + setMs,
    elapsedMs: () => nowMs - startMs,
    set: (byMs) => void (setMs += byMs),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { untilMs: nowMs + ms, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        });
      }),
    advance(ms) {
      nowMs += ms;
      for (const sleeper of sleepers) {
        if (sleeper.untilMs > nowMs) continue;
        sleepers.delete(sleeper);
        sleeper.wake();
      }
    },
  };
}

export function createRandom(seed: string): Random {
  let drawn = 0;
  return {
    bytes(length) {
      const parts: Uint8Array[] = [];
      for (let have = 0; have < length; have += 32)
        parts.push(
          new Uint8Array(
            createHash('sha256')
              .update(`${seed}:${(drawn += 1)}`)
              .digest(),
          ),
        );
      return concat(...parts).slice(0, length);
    },
  };
}

/** A wallet with a real key, signing as Odyn does (v 0 or 1). A transaction is its fields as JSON: the stub chain reads it. */
export interface LocalSigner extends Signer {
  readonly wallet: Wallet;
  signNow(text: string): `0x${string}`;
}

export function signerOf(privateKey: Uint8Array): LocalSigner {
  const wallet = walletOf(secp256k1.getPublicKey(privateKey, false));
  function signNow(text: string): `0x${string}` {
    const recovered = secp256k1.sign(personalDigest(text), privateKey, { prehash: false, format: 'recovered' });
    return `0x${hex(recovered.subarray(1))}${hex(recovered.subarray(0, 1))}`;
  }
  return {
    wallet,
    signNow,
    address: () => Promise.resolve(wallet),
    sign: (text) => Promise.resolve(signNow(text)),
    signTransaction: ({ data, nonce }) => Promise.resolve(`0x${hex(utf8(JSON.stringify({ from: wallet, nonce, data })))}` as const),
  };
}

export function signerNamed(name: string): LocalSigner {
  return signerOf(new Uint8Array(createHash('sha256').update(`wallet of ${name}`).digest()));
}

export function hashOf(byte: number): Hash {
  return `0x${byte.toString(16).padStart(2, '0').repeat(32)}` as Hash;
}

export const epochOf = (number: number): Epoch => number as Epoch;
export const NOVA_APP_REGISTRY = `0x${'aa'.repeat(20)}` as Wallet;
export const KMS_REGISTRY = `0x${'bb'.repeat(20)}` as Wallet;
export const BLOCK_MS = 2_000;

export const profile: NetworkProfile = {
  name: 'test',
  chainId: 31_337,
  novaAppRegistry: NOVA_APP_REGISTRY,
  kmsRegistry: KMS_REGISTRY,
  kmsAppId: 7n as AppId,
  confirmationBlocks: 3,
  headAgeMaxMs: 60_000,
  tickMs: 2_000,
  proposalWindowBlocks: 30,
  peerUrls: { scheme: 'https', hosts: [], hostSuffixes: ['.nova.example'] },
  platformProof: 'accept',
  trustDomain: 'kms.nova.example',
  trustedProxies: [],
  appAttestation: 'ignore',
  attestationRoot: parseBase64(SIMULATED_ROOT) as Uint8Array,
};

/** What `clusterView` and `callerView` answer, in the words of the ABI. */
export type OperatorAnswer = ReturnType<typeof operatorAnswer>;
export type EpochAnswer = ReturnType<typeof epochAnswer>;

export function clusterAnswer(
  operators: readonly OperatorAnswer[],
  epochs: readonly EpochAnswer[],
  blockNumber: bigint,
  blockTimestamp: bigint,
) {
  const live = operators.filter((operator) => operator.live).length;
  return {
    blockNumber,
    blockTimestamp,
    chainId: BigInt(profile.chainId),
    novaAppRegistry: NOVA_APP_REGISTRY as `0x${string}`,
    kmsAppId: profile.kmsAppId as bigint,
    configured: true,
    minOperators: 3n,
    majority: BigInt(Math.max(2, Math.floor(live / 2) + 1)),
    operators,
    epochs,
  };
}

export function operatorAnswer(wallet: Wallet, instanceId: number, instanceUrl = `https://node-${instanceId}.nova.example`) {
  return {
    wallet: wallet as `0x${string}`,
    instanceId: BigInt(instanceId),
    versionId: 1n,
    operator: `0x${'cc'.repeat(20)}` as `0x${string}`,
    instanceUrl,
    teePubkey: `0x${teePubkeyOf(wallet)}` as `0x${string}`,
    codeMeasurement: MEASUREMENT as `0x${string}`,
    versionStatus: 0,
    instanceStatus: 0,
    zkVerified: true,
    superseded: false,
    measurementApproved: true,
    live: true,
    eligible: true,
  };
}

export function epochAnswer(
  id: number,
  state: number,
  secretHash: `0x${string}` = `0x${'0'.repeat(64)}`,
  openedAtBlock = 1n,
  activatedAt = 0n,
) {
  return { id: BigInt(id), state, secretHash, openedAtBlock, activatedAtBlock: openedAtBlock, activatedAt };
}

export function callerAnswer(wallet: Wallet) {
  return {
    blockNumber: 0n,
    blockTimestamp: 0n,
    instanceId: 21n,
    appId: 9n,
    versionId: 4n,
    wallet: wallet as `0x${string}`,
    teePubkey: '0xABCDEF' as `0x${string}`,
    zkVerified: true,
    instanceStatus: 0,
    appRecordId: 9n,
    appStatus: 0,
    appCreatedAt: 1_700_000_000n,
    versionRecordId: 4n,
    versionStatus: 0,
    codeMeasurement: hashOf(0x22) as `0x${string}`,
  };
}

export type CallerAnswer = ReturnType<typeof callerAnswer>;

export const encodeClusterAnswer = (result: ReturnType<typeof clusterAnswer>): `0x${string}` =>
  encodeFunctionResult({ abi: kmsNodeAbi, functionName: 'clusterView', result });
export const encodeCallerAnswer = (result: CallerAnswer): `0x${string}` =>
  encodeFunctionResult({ abi: kmsNodeAbi, functionName: 'callerView', result });

/** Stands in for a TEE key: the core only compares it. */
export function teePubkeyOf(wallet: Wallet): string {
  return createHash('sha512').update(wallet).digest('hex');
}

export const STATES = { open: 1, active: 2, previous: 3, retired: 4, lost: 5 } as const;

interface Block {
  readonly timeMs: number;
  readonly operators: readonly OperatorAnswer[];
  readonly epochs: readonly EpochAnswer[];
  readonly callers: ReadonlyMap<string, CallerAnswer>;
}

/** A chain of blocks with two lenses. What the test changes shows from the next block on; the clock moves with the blocks. */
export interface StubChain extends Chain {
  operators: OperatorAnswer[];
  epochs: EpochAnswer[];
  callers: Map<string, CallerAnswer>;
  /** Of the registry, at any block. */
  owner: Wallet;
  /** Set to make every read and write fail. */
  outage: boolean;
  readonly calls: { block: number; data: string }[];
  /** Every activation that arrived, good or not. */
  readonly activations: { from: Wallet; epoch: number; hash: string; accepted: boolean }[];
  readonly headBlock: number;
  mine(blocks?: number): void;
  /** Opens the next epoch in the next block. */
  openNext(): void;
}

export function createStubChain(clock: VirtualClock, height = 20): StubChain {
  const blocks: Block[] = [];
  const encoded = new Map<number, `0x${string}`>();
  let pending: (() => void)[] = [];

  function guard<T>(value: () => T): Promise<T> {
    return chain.outage ? Promise.reject(new Refusal('chain_unavailable', 'the stub chain is out')) : Promise.resolve().then(value);
  }

  function push(): void {
    for (const apply of pending) apply();
    pending = [];
    blocks.push({
      timeMs: clock.nowMs(),
      operators: chain.operators.map((operator) => ({ ...operator })),
      epochs: chain.epochs.map((epoch) => ({ ...epoch })),
      callers: new Map(chain.callers),
    });
  }

  function clusterAt(blockNumber: number): `0x${string}` {
    const block = blocks[blockNumber] as Block;
    const known =
      encoded.get(blockNumber) ??
      encodeClusterAnswer(clusterAnswer(block.operators, block.epochs, BigInt(blockNumber), BigInt(Math.floor(block.timeMs / 1_000))));
    encoded.set(blockNumber, known);
    return known;
  }

  function callerAt(blockNumber: number, wallet: string): `0x${string}` {
    const block = blocks[blockNumber] as Block;
    const known = block.callers.get(wallet.toLowerCase()) ?? zeroedCaller();
    return encodeCallerAnswer({ ...known, blockNumber: BigInt(blockNumber), blockTimestamp: BigInt(Math.floor(block.timeMs / 1_000)) });
  }

  /** The contract's rule: an open epoch, a text that lives, ascending eligible signers, a majority of the live. */
  function accepts(epoch: bigint, hash: Hash, validUntil: bigint, signatures: readonly `0x${string}`[]): boolean {
    const next = blocks.length;
    const text = endorsementText(profile.chainId, KMS_REGISTRY, Number(epoch) as Epoch, hash, Number(validUntil));
    const signers = signatures.map((signature) => recoverWallet(text, parseHex(signature) ?? new Uint8Array(0)));
    const ascending = signers.every((signer, index) => signer !== undefined && (index === 0 || signer > (signers[index - 1] as string)));
    const eligible = signers.every((signer) => chain.operators.some((operator) => operator.wallet === signer && operator.eligible));
    const live = chain.operators.filter((operator) => operator.live).length;
    const open = chain.epochs[Number(epoch)]?.state === STATES.open;
    return (
      open &&
      ascending &&
      eligible &&
      signers.length >= Math.max(2, Math.floor(live / 2) + 1) &&
      Number(validUntil) >= next &&
      Number(validUntil) <= next + 1_200
    );
  }

  function activate(from: Wallet, data: `0x${string}`): void {
    const { args } = decodeFunctionData({ abi: kmsNodeAbi, data }) as unknown as { args: [bigint, Hash, bigint, `0x${string}`[]] };
    const [epoch, hash, validUntil, signatures] = args;
    const accepted = accepts(epoch, hash, validUntil, signatures);
    chain.activations.push({ from, epoch: Number(epoch), hash, accepted });
    if (!accepted) return;
    chain.epochs = chain.epochs.map((record) => {
      if (record.id === epoch)
        return { ...record, state: STATES.active, secretHash: hash, activatedAt: BigInt(Math.floor(clock.nowMs() / 1_000)) };
      return record.state === STATES.active ? { ...record, state: STATES.previous } : record;
    });
  }

  const chain: StubChain = {
    operators: [],
    epochs: [],
    callers: new Map(),
    owner: `0x${'0e'.repeat(20)}` as Wallet,
    outage: false,
    calls: [],
    activations: [],
    get headBlock() {
      return blocks.length - 1;
    },
    mine(count = 1) {
      for (let mined = 0; mined < count; mined += 1) {
        clock.advance(BLOCK_MS);
        push();
      }
    },
    openNext() {
      chain.epochs = [...chain.epochs, epochAnswer(chain.epochs.length, STATES.open, undefined, BigInt(blocks.length))];
    },
    headNumber: () => guard(() => blocks.length - 1),
    call: (_to, data, blockNumber) =>
      guard(() => {
        chain.calls.push({ block: blockNumber, data });
        const { functionName, args } = decodeFunctionData({ abi: kmsNodeAbi, data });
        if (functionName === 'owner') return encodeFunctionResult({ abi: kmsNodeAbi, functionName, result: chain.owner });
        return functionName === 'clusterView' ? clusterAt(blockNumber) : callerAt(blockNumber, (args as readonly string[])[0] as string);
      }),
    account: () => guard(() => ({ balanceWei: 10n ** 18n, nonce: 0 })),
    fees: () => guard(() => ({ gasPriceWei: 10n, priorityFeeWei: 1n })),
    estimateGas: () => guard(() => 200_000n),
    send: (raw) =>
      guard(() => {
        const { from, data } = JSON.parse(parseUtf8(parseHex(raw) ?? new Uint8Array(0)) ?? '{}') as { from: Wallet; data: `0x${string}` };
        pending.push(() => activate(from, data));
        return `0x${'00'.repeat(31)}01`;
      }),
  };
  for (let block = 0; block < height; block += 1) push();
  return chain;
}

/** What the registry answers for a wallet it does not know: every field zero, which reads as ACTIVE and ENROLLED. */
export function zeroedCaller(): CallerAnswer {
  const none = callerAnswer(`0x${'0'.repeat(40)}` as Wallet);
  return {
    ...none,
    instanceId: 0n,
    appId: 0n,
    versionId: 0n,
    teePubkey: '0x',
    zkVerified: false,
    appRecordId: 0n,
    appCreatedAt: 0n,
    versionRecordId: 0n,
    codeMeasurement: `0x${'0'.repeat(64)}`,
  };
}

export interface Logged<Name extends EventName = EventName> {
  readonly event: Name;
  readonly fields: EventFields[Name];
}

export interface RecordingLog {
  readonly log: Log;
  readonly lines: Logged[];
  named<Name extends EventName>(event: Name): EventFields[Name][];
}

export function createRecordingLog(): RecordingLog {
  const lines: Logged[] = [];
  return {
    lines,
    log(event, fields) {
      noteLine('a node of the core’s tests', JSON.stringify({ event, ...fields }));
      lines.push({ event, fields });
    },
    named: <Name extends EventName>(event: Name) =>
      lines.filter((line) => line.event === event).map((line) => line.fields as EventFields[Name]),
  };
}

/** A box of which the core uses only the entropy. */
export function createBox(random: Random): Box & { drawn: Uint8Array[] } {
  const drawn: Uint8Array[] = [];
  return {
    drawn,
    publicKey: () => Promise.reject(new Refusal('odyn_unavailable')),
    seal: () => Promise.reject(new Refusal('odyn_unavailable')),
    open: () => Promise.reject(new Refusal('odyn_unavailable')),
    entropy() {
      const bytes = random.bytes(32);
      drawn.push(bytes.slice());
      noteSecret(ENTROPY, bytes);
      return Promise.resolve(bytes);
    },
  };
}

export interface TestNode {
  readonly name: string;
  readonly kms: Kms;
  readonly signer: LocalSigner;
  readonly wallet: Wallet;
  readonly origin: string;
  readonly box: ReturnType<typeof createBox>;
  readonly attester: TestAttester;
  readonly logs: RecordingLog;
}

/** What an honest enclave attests, and what it believes. */
export function attestationsOf(wallet: Wallet, clock: Clock, log: Log): Attestations & { readonly attester: TestAttester } {
  const attester = createTestAttester(wallet, teePubkeyOf(wallet), clock);
  return { ...createAttestations({ attester, profile, clock, log }), attester };
}

const noHandler: FrameHandler = () => Promise.reject(new Refusal('internal', 'a frame that this test does not send'));
/** For sessions whose frames do not matter: each test puts in what it needs. */
export const noHandlers: Readonly<Record<FrameType, FrameHandler>> = {
  endorsement: noHandler,
  handover: noHandler,
  delta: noHandler,
  ack: noHandler,
  snapshot: noHandler,
  digest: noHandler,
};

/** Every message of the wire passes here first; answer `'drop'` to lose it. */
export type Interceptor = (from: string, to: string, url: string, body: Uint8Array) => 'pass' | 'drop';

export interface TestCluster {
  readonly clock: VirtualClock;
  readonly chain: StubChain;
  readonly nodes: TestNode[];
  /** Names of nodes that no message reaches and that do not tick. */
  readonly down: Set<string>;
  intercept: Interceptor;
  /** Every body that goes over the wire, both ways. */
  overhear: (body: Uint8Array) => void;
  /** Boots a node: a wallet, a place among the operators, a wire. */
  boot(name: string, origin?: string): TestNode;
  /** One block, then one tick of each node that is up, in order. */
  round(blocks?: number): Promise<void>;
  /** Rounds until `done`, at most `max`; the count that it took. */
  until(done: () => boolean, max?: number): Promise<number>;
}

/** Nodes of `createKms` on one stub chain and one wire, with real cryptography. */
export function createCluster(...names: readonly string[]): TestCluster {
  const clock = createClock();
  const chain = createStubChain(clock);
  const down = new Set<string>();
  const nodes: TestNode[] = [];

  function fetchFrom(name: string): Fetch {
    return async ({ url, headers, body }) => {
      const to = nodes.findLast((node) => url.startsWith(`${node.origin}/`));
      const bytes = typeof body === 'string' ? utf8(body) : (body ?? new Uint8Array(0));
      if (!to || down.has(to.name) || down.has(name) || cluster.intercept(name, to.name, url, bytes) === 'drop')
        throw new Refusal('outbound_failed', 'nobody answers');
      cluster.overhear(bytes);
      const answer = await answerOf(to.kms, url, bytes, headers ?? {});
      cluster.overhear(answer.body);
      return answer;
    };
  }

  const cluster: TestCluster = {
    clock,
    chain,
    nodes,
    down,
    intercept: () => 'pass',
    overhear: () => undefined,
    boot(name, origin = `https://${name}.nova.example`) {
      const signer = signerNamed(name);
      const random = createRandom(name);
      const box = createBox(createRandom(`nsm of ${name}`));
      const logs = createRecordingLog();
      chain.operators = [...chain.operators, operatorAnswer(signer.wallet, chain.operators.length + 1, origin)];
      const identity = { wallet: signer.wallet, teePubkey: teePubkeyOf(signer.wallet) };
      const attester = createTestAttester(signer.wallet, identity.teePubkey, clock);
      const kms = createKms({
        identity,
        profile,
        clock,
        random,
        signer,
        recover: recoverWallet,
        box,
        attester,
        chain,
        fetch: fetchFrom(name),
        log: logs.log,
      });
      const node = { name, kms, signer, wallet: signer.wallet, origin, box, attester, logs };
      nodes.push(node);
      return node;
    },
    async round(blocks = 1) {
      chain.mine(blocks);
      for (const { name, kms } of nodes) {
        if (down.has(name)) continue;
        await kms.admission.tick();
        await kms.replication.tick();
      }
    },
    async until(done, max = 60) {
      for (let rounds = 0; rounds < max; rounds += 1) {
        if (done()) return rounds;
        await cluster.round();
      }
      throw new Error(`not reached in ${max} rounds`);
    },
  };
  for (const name of names) cluster.boot(name);
  chain.mine(profile.confirmationBlocks + 1);
  return cluster;
}

/** `/nonce` and `/sync` as the handlers answer them. */
export async function answerOf(
  kms: Kms,
  url: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<OutboundAnswer> {
  const answer = (status: number, bytes: Uint8Array, extra: Record<string, string> = {}) => ({
    status,
    headers: new Headers(extra),
    body: bytes,
  });
  try {
    if (url.endsWith('/nonce')) return answer(200, utf8(JSON.stringify({ nonce: kms.nonces.issue() })));
    const signature = headers['x-kms-signature'] ?? null;
    if (signature === null) {
      kms.sessions.requireSession(headers['x-kms-session'] ?? '');
      return answer(200, await kms.sessions.acceptFrame(body));
    }
    const hello = await kms.sessions.acceptHello(body, {
      signature,
      wallet: headers['x-kms-wallet'] ?? null,
      nonce: headers['x-kms-nonce'] ?? null,
      timestamp: headers['x-kms-timestamp'] ?? null,
    });
    return answer(200, hello.body, { 'x-kms-peer-signature': hello.signature });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return answer(403, utf8(JSON.stringify({ reason: error.reason })));
  }
}
