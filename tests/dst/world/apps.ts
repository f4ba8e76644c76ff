/** The apps: each operation is asked of a node's real handlers, signed and sealed, and every answer is judged against what the node holds. */
import { appRegistered } from './chain.ts';
import { createAnswers } from '../judges/answers.ts';
import { appProofText } from '../../../core/wire/pop.ts';
import { base64, hex, parseHex, utf8 } from '../../../core/wire/bytes.ts';
import { CSR } from './csr.ts';
import { hold } from '../judges/invariants.ts';
import { START_MS } from '../../core/fakes.ts';
import { APPS, APPS_PARTY } from './schedule.ts';
import { VALUE_MARK } from './world.ts';
import type { Wallet } from '../../../core/identity.ts';
import type { Answers } from '../judges/answers.ts';
import type { Boot } from './node.ts';
import type { Enclave } from './platform.ts';
import type { Operation } from './schedule.ts';
import type { World } from './world.ts';

export interface App {
  readonly appId: bigint;
  readonly enclave: Enclave;
  readonly wallet: Wallet;
  /** The version of each key as this app was last told. */
  readonly versions: Map<string, string | null>;
  /** Where its next page of keys begins. */
  readonly page: { cursor: string | undefined };
}

export interface Told {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Apps {
  readonly apps: readonly App[];
  readonly answers: Answers;
  /** Outcomes by operation and status. */
  readonly outcomes: Map<string, number>;
  perform(operation: Operation): void;
  revoke(app: App, isRevoked: boolean): void;
}

const ROUTES = {
  put: 'PUT /kms/data',
  delete: 'DELETE /kms/data',
  batch: 'POST /kms/data/batch',
  derive: 'POST /kms/derive',
  cert: 'POST /kms/sign_cert',
};

/** A request that comes later finds that its app waits no more; one that comes twice is one that its app tried again. */
const PATIENCE_MS = 2_500;

export function valueOf(operation: Operation): string {
  return JSON.stringify({
    mark: VALUE_MARK,
    app: operation.app,
    key: operation.key,
    id: operation.id,
    pad: 'x'.repeat(operation.valueBytes),
  });
}

export function createApps(world: World): Apps {
  const outcomes = new Map<string, number>();
  const apps: App[] = Array.from({ length: APPS }, (_, index) => {
    const enclave = world.platform.enclave(
      `app ${index}`,
      () => Promise.resolve(),
      () => START_MS + world.timeline.nowMs(),
    );
    return {
      appId: BigInt(9 + index),
      enclave,
      wallet: enclave.wallet,
      versions: new Map(),
      page: { cursor: undefined },
    };
  });
  const answers = createAnswers(world, apps);
  for (const app of apps) revoke(app, false);

  const count = (outcome: string): void => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);

  function revoke(app: App, isRevoked: boolean): void {
    world.chain.submit(appRegistered(app.wallet, app.enclave.teePubkey, app.appId, isRevoked));
  }

  async function request(boot: Boot, app: App, route: string, body: unknown): Promise<Request> {
    const [method = '', path = ''] = route.split(' ');
    const { wallet, teePubkey } = boot.kms.identity;
    const nonce = boot.kms.nonces.issue();
    const timestamp = String(Math.floor((START_MS + world.timeline.nowMs()) / 1_000));
    const signature = await app.enclave.signer.sign(appProofText(nonce, wallet, timestamp));
    const headers = new Headers({ 'x-app-signature': signature, 'x-app-nonce': nonce, 'x-app-timestamp': timestamp });
    const url = `https://${boot.slot.name}.nova.example${path}`;
    if (body === undefined) return new Request(url, { method, headers });
    headers.set('content-type', 'application/json');
    const {
      senderTeePubkey,
      nonce: sealNonce,
      encrypted,
    } = await app.enclave.box.seal(parseHex(teePubkey) as Uint8Array, JSON.stringify(body));
    const envelope = { sender_tee_pubkey: hex(senderTeePubkey), nonce: hex(sealNonce), encrypted_data: hex(encrypted) };
    return new Request(url, { method, headers, body: JSON.stringify(envelope) });
  }

  async function read(app: App, response: Response): Promise<Told> {
    const text = await response.text();
    world.seen('answer to an app', utf8(text));
    const wire = JSON.parse(text) as Record<string, unknown>;
    const isSealed = typeof wire['encrypted_data'] === 'string';
    hold('I16', isSealed || response.status >= 400, () => `an answer to an app in the clear: ${text.slice(0, 60)}`);
    if (!isSealed) return { status: response.status, body: wire };
    const [senderTeePubkey, nonce, encrypted] = ['sender_tee_pubkey', 'nonce', 'encrypted_data'].map((name) =>
      parseHex(String(wire[name])),
    );
    const opened = await app.enclave.box.open({ senderTeePubkey, nonce, encrypted } as never);
    return { status: response.status, body: JSON.parse(opened) as Record<string, unknown> };
  }

  async function ask(boot: Boot, app: App, operation: Operation): Promise<void> {
    const { kind } = operation;
    const began = answers.began(boot, app, operation);
    const route =
      kind === 'get' ? `GET /kms/data/${operation.key}` : kind === 'list' ? `GET /kms/data${queryOf(app, operation)}` : ROUTES[kind];
    const body = kind === 'get' || kind === 'list' ? undefined : bodyOf(app, operation);
    const told = await read(app, await boot.api(await request(boot, app, route, body)));
    if (!boot.isAlive) return;
    const outcome = `${kind} ${told.status === 200 || told.status === 202 ? told.status : String(told.body['reason'])}`;
    count(outcome);
    world.trace.note(`app ${operation.app} ${kind} ${operation.key} at ${boot.name}: ${outcome} ${String(told.body['version'] ?? '')}`);
    world.ledger.observe(boot);
    answers.judge(began, told);
    if (kind === 'derive' && told.status === 200)
      world.platform.keepSecret(Buffer.from(String(told.body['key']), 'base64').toString('hex'));
    world.network.carry(boot.slot.name, APPS_PARTY, () => world.judge(() => answers.delivered(began, told)));
  }

  /** A third of the lists is paged, each going on where the app's last page ended. */
  function queryOf({ page }: App, { id }: Operation): string {
    if (id % 3 > 0) return '';
    return `?prefix=k&limit=2${page.cursor === undefined ? '' : `&cursor=${encodeURIComponent(page.cursor)}`}`;
  }

  /** What travels sealed. */
  function bodyOf({ versions }: App, operation: Operation): unknown {
    const { kind, key, ttlMs, minReplicas, whenFull } = operation;
    if (kind === 'derive')
      return { path: key, context: operation.id % 3 === 0 ? 'c' : '', ...(operation.id % 2 === 0 && { epoch: 'current' }) };
    if (kind === 'cert') return { csr: CSR };
    const replicas = minReplicas === undefined ? {} : { min_replicas: minReplicas };
    const condition = operation.ifVersion ? { if_version: versions.get(key) ?? null } : {};
    if (kind === 'delete') return { key, ...condition, ...replicas };
    const put = {
      key,
      value: base64(utf8(valueOf(operation))),
      when_full: whenFull,
      ...(ttlMs !== undefined && { ttl_ms: ttlMs }),
      ...condition,
    };
    if (kind === 'put') return { ...put, ...replicas };
    const operations = [
      { op: 'get', key },
      { op: 'put', ...put },
      { op: 'get', key },
      { op: 'delete', key: 'batched' },
    ];
    return { operations, ...replicas };
  }

  return {
    apps,
    answers,
    outcomes,
    revoke,
    perform(operation) {
      const slot = world.slots.get(operation.slot);
      const app = apps[operation.app] as App;
      if (!slot) return;
      const sinceMs = world.timeline.nowMs();
      world.network.carry(APPS_PARTY, slot.name, () => {
        const { boot } = slot;
        if (world.timeline.nowMs() - sinceMs > PATIENCE_MS) return count('given up');
        if (!boot) return count('nobody there');
        world.touch(boot);
        ask(boot, app, operation).catch(world.timeline.fail);
      });
    },
  };
}
