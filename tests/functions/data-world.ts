/**
 * One node with its real store, asked through `createApi` by two apps that sign and seal as apps do. The box of this world seals nothing,
 * so that a test reads what was inside; replication is what the test says it is.
 */
import { createApi } from '../../functions/api.ts';
import { STORE_MEMORY_BYTES_MAX, SIGNATURE_AHEAD_MAX_MS } from '../../core/limits.ts';
import { contentDigestOf } from '../../core/crypto/digest.ts';
import { createStore } from '../../core/store/store.ts';
import { hex, parseHex, parseUtf8, utf8 } from '../../core/wire/bytes.ts';
import { encodeRequestInput, encodeSignature, requestBase } from '../../core/wire/httpsig.ts';
import { callerAnswer, createCluster, epochOf, profile, signerNamed, teePubkeyOf } from '../core/fakes.ts';
import type { AppId } from '../../core/identity.ts';
import type { Kms } from '../../core/kms.ts';
import type { Store, StoredRecord } from '../../core/store/interface.ts';
import type { LocalSigner, TestCluster, TestNode } from '../core/fakes.ts';

export interface TestApp {
  readonly signer: LocalSigner;
  readonly appId: AppId;
}

/** What replication answers, for the test to change, and what it was asked. */
export interface Replicating {
  replicas: (wanted: number) => number;
  superseded: (records: readonly StoredRecord[]) => ReadonlyMap<StoredRecord, string>;
  isWaiting: boolean;
  readonly asked: { readonly records: readonly StoredRecord[]; readonly wanted: number; readonly timeoutMs: number }[];
}

export interface Asked {
  readonly status: number;
  readonly headers: Headers;
  /** Of a refusal. */
  readonly reason: string | undefined;
  /** Opened when it came sealed, else as it came. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly isSealed: boolean;
}

/** Nodes that serve, and two apps that are registered: most of the work of a world, so that the tests of a file share it where they leave it as it was. */
export interface DataCluster {
  readonly cluster: TestCluster;
  readonly node: TestNode;
  readonly a: TestApp;
  readonly b: TestApp;
  /** Never the same twice: for nonces. */
  next(): number;
}

export interface DataWorld {
  readonly cluster: TestCluster;
  readonly node: TestNode;
  readonly kms: Kms;
  readonly store: Store;
  readonly replicating: Replicating;
  readonly a: TestApp;
  readonly b: TestApp;
  send(request: Request): Promise<Response>;
  /** A signed request; `body` is sealed, text as it is and everything else as JSON. */
  ask(app: TestApp, method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Asked>;
  request(app: TestApp, method: string, path: string, text?: string, headers?: Readonly<Record<string, string>>): Request;
  envelope(app: TestApp, body: unknown): string;
}

const TAG = '00'.repeat(16);
export const QUOTA_BYTES = 4_000_000;

export async function createDataWorld(members?: readonly string[]): Promise<DataWorld> {
  return createWorldOn(await createDataCluster(members));
}

export async function createDataCluster(members: readonly string[] = ['a', 'b', 'c']): Promise<DataCluster> {
  const cluster = createCluster(...members);
  const [a, b] = [appNamed(cluster, 'app A', 9n), appNamed(cluster, 'app B', 10n)];
  cluster.chain.openNext();
  await cluster.until(() => cluster.nodes.every(({ kms }) => kms.admission.gate().kind === 'serving'));
  cluster.clock.advance(2 * SIGNATURE_AHEAD_MAX_MS);
  let given = 0;
  return { cluster, node: cluster.nodes[0] as TestNode, a, b, next: () => (given += 1) };
}

/** With an empty store, and edges of its own. */
export function createWorldOn({ cluster, node, a, b, next }: DataCluster): DataWorld {
  const store = storeOf(node, cluster);
  const replicating: Replicating = { replicas: (wanted) => wanted, superseded: () => new Map(), isWaiting: false, asked: [] };
  const kms: Kms = { ...node.kms, store, replication: replicationOf(replicating, node), box: openBox(node) };
  const api = createApi(kms);

  function request(app: TestApp, method: string, path: string, text?: string, headers: Readonly<Record<string, string>> = {}): Request {
    const created = Math.floor(cluster.clock.nowMs() / 1_000);
    const { pathname, search: query } = new URL(`http://node${path}`);
    const content = text === undefined ? [] : ['content-digest'];
    const components = ['@method', '@authority', '@path', ...(query === '' ? [] : ['@query']), ...content];
    const keyId = { chainId: profile.chainId, wallet: app.signer.wallet };
    const input = encodeRequestInput(components, { created, expires: created + 60, nonce: `n-${next()}`, keyId });
    const all = new Headers(headers);
    if (text !== undefined) all.set('content-digest', contentDigestOf(utf8(text)));
    if (text !== undefined) all.set('content-type', 'application/json');
    const target = { method, authority: new URL(node.origin).host, path: pathname, query, headers: all };
    const signature = app.signer.signNow(requestBase(target, components, input) ?? '');
    all.set('signature-input', `eth=${input}`);
    all.set('signature', `eth=${encodeSignature(parseHex(signature) as Uint8Array)}`);
    return new Request(`http://node${path}`, { method, headers: all, ...(text !== undefined && { body: text }) });
  }

  function envelope({ signer }: TestApp, body: unknown): string {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const nonce = next().toString(16).padStart(24, '0');
    return JSON.stringify({ sender_tee_pubkey: teePubkeyOf(signer.wallet), nonce, encrypted_data: `${hex(utf8(text))}${TAG}` });
  }

  return {
    cluster,
    node,
    kms,
    store,
    replicating,
    a,
    b,
    send: api,
    request,
    envelope,
    async ask(app, method, path, body, headers) {
      // Below the rate of one app, however many a test asks.
      cluster.clock.advance(2);
      return await readAnswer(await api(request(app, method, path, body === undefined ? undefined : envelope(app, body), headers)));
    },
  };
}

async function readAnswer(response: Response): Promise<Asked> {
  const wire = (await response.json()) as Record<string, unknown>;
  const encrypted = wire['encrypted_data'];
  const isSealed = typeof encrypted === 'string';
  const opened = isSealed ? (parseUtf8(parseHex(encrypted.slice(0, -TAG.length)) as Uint8Array) ?? '') : '';
  const body = isSealed ? (JSON.parse(opened) as Record<string, unknown>) : wire;
  const reason = typeof body['reason'] === 'string' ? body['reason'] : undefined;
  return { status: response.status, headers: response.headers, reason, body, isSealed };
}

function appNamed(cluster: TestCluster, name: string, appId: bigint): TestApp {
  const signer = signerNamed(name);
  const known = { ...callerAnswer(signer.wallet), appId, appRecordId: appId, instanceId: appId + 100n };
  cluster.chain.callers.set(signer.wallet, { ...known, teePubkey: `0x${teePubkeyOf(signer.wallet)}` });
  return { signer, appId: appId as AppId };
}

function storeOf({ kms, wallet }: TestNode, { clock, nodes }: TestCluster): Store {
  const { vault, random } = kms;
  return createStore({
    isCatchingUp: () => false,
    memoryBytesMax: STORE_MEMORY_BYTES_MAX,
    self: wallet,
    clock,
    random,
    keys: { current: () => epochOf(0), recordKey: vault.recordKey, digestKey: vault.digestKey },
    members: () => new Set(nodes.map((each) => each.wallet)),
    isReplicated: () => true,
    quotaBytes: QUOTA_BYTES,
  });
}

function openBox({ kms }: TestNode): Kms['box'] {
  const senderTeePubkey = parseHex(kms.identity.teePubkey) as Uint8Array;
  return {
    ...kms.box,
    open: ({ encrypted }) => Promise.resolve(parseUtf8(encrypted.subarray(0, -TAG.length / 2)) ?? ''),
    seal: (_recipient, plaintext) =>
      Promise.resolve({ senderTeePubkey, nonce: new Uint8Array(12), encrypted: parseHex(hex(utf8(plaintext)) + TAG) as Uint8Array }),
  };
}

function replicationOf(state: Replicating, { kms, wallet }: TestNode): Kms['replication'] {
  return {
    ...kms.replication,
    replicated(records: readonly StoredRecord[], wanted: number, timeoutMs: number) {
      state.asked.push({ records, wanted, timeoutMs });
      return Promise.resolve({ replicas: state.replicas(wanted), superseded: state.superseded(records) });
    },
    gate: () => (state.isWaiting ? { kind: 'waiting', reason: 'data_catching_up', detail: '' } : { kind: 'serving' }),
    report: () => ({
      isReady: true,
      peers: [
        {
          wallet,
          incarnation: null,
          lastContactAtMs: null,
          cursor: 11,
          isBased: true,
          isReady: false,
          lagRecords: 3,
          lagMs: 1_500,
          refusedThere: { future_record: 2 },
          refusedHere: {},
        },
      ],
      totals: { rounds: 5, skipped: 1, incomplete: 0, found: 2, pushed: 4, snapshotBytes: 77 },
    }),
  };
}
