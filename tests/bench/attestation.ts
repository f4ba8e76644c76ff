/** What it costs two nodes to prove to each other what they run: both ends in this process, wallets and hardware emulated. */
import { createNonces } from '../../core/auth/nonces.ts';
import { createAttestations } from '../../core/cluster/attestations.ts';
import { createHandover } from '../../core/cluster/handover.ts';
import { decodeGiven, encodeWanted } from '../../core/cluster/messages.ts';
import { createSessions } from '../../core/cluster/sessions.ts';
import { verifyAttestation } from '../../core/crypto/nitro/attestation.ts';
import { secretHash } from '../../core/crypto/kdf.ts';
import { createWasmRecover } from '../../core/crypto/recover-wasm.ts';
import { createVault } from '../../core/crypto/vault.ts';
import { systemClock, systemRandom } from '../../core/platform/system.ts';
import { createTestAttester, credulous } from '../attestation/attester.ts';
import { blocksOf, operator } from '../core/cluster/facts.ts';
import { epochOf, noHandlers, profile, signerNamed, teePubkeyOf } from '../core/fakes.ts';
import { figure, median } from './figures.ts';
import type { Attestations } from '../../core/cluster/attestations.ts';
import type { PeerWire, Sessions } from '../../core/cluster/sessions.ts';
import type { Recover } from '../../core/ports.ts';
import type { Figure } from './figures.ts';

const SERIES = 9;
const CALLS = 25;
const EPOCH = epochOf(0);
const SECRET = new Uint8Array(32).fill(1);
const WANTED = encodeWanted([{ epoch: EPOCH, hash: secretHash(SECRET) }]);
const log = (): void => undefined;

interface Node {
  readonly attestations: Attestations;
  readonly signer: ReturnType<typeof signerNamed>;
}

interface Pair {
  /** A secret, handed over by one to the other. */
  hand(): Promise<void>;
}

function attestingNode(name: string): Node {
  const signer = signerNamed(name);
  const attester = createTestAttester(signer.wallet, teePubkeyOf(signer.wallet), systemClock);
  return { signer, attestations: createAttestations({ attester, profile, clock: systemClock, log }) };
}

/** Without a session yet. */
function pairOf(a: Node, b: Node, recover: Recover): Pair {
  const nonces = createNonces({ clock: systemClock, random: systemRandom });
  const vault = createVault();
  vault.install(EPOCH, secretHash(SECRET), SECRET);
  const view = { refresh: () => Promise.resolve(), state: () => ({ kind: 'fresh', blocks: blocksOf() }) as const };
  const sessionsOf = ({ signer, attestations }: Node): Sessions =>
    createSessions({
      ...{ clock: systemClock, random: systemRandom, signer, recover, nonces, attestations, log, heard: log },
      self: { wallet: signer.wallet, incarnation: systemRandom.bytes(16) },
      member: (wallet) => operator(wallet, 1),
      handlers: { ...noHandlers, handover: createHandover({ view, vault, clock: systemClock, log }) },
    });
  const [asking, asked] = [sessionsOf(a), sessionsOf(b)];
  const wire: PeerWire = {
    nonce: () => Promise.resolve(nonces.issue()),
    async post(body, headers) {
      const [signature, wallet, nonce, timestamp] = ['signature', 'wallet', 'nonce', 'timestamp'].map(
        (name) => headers[`x-kms-${name}`] ?? null,
      );
      if (signature === null) return { body: await asked.acceptFrame(body), signature: null };
      return await asked.acceptHello(body, { signature, wallet, nonce, timestamp } as Parameters<Sessions['acceptHello']>[1]);
    },
  };
  return {
    async hand() {
      if (decodeGiven(await asking.call(b.signer.wallet, wire, 'handover', WANTED)).length !== 1)
        throw new Error('nothing was handed over');
    },
  };
}

/** Milliseconds for one call of each, taken in turns, so that a machine that slows down slows all of them. */
async function costs(works: readonly (() => unknown)[]): Promise<number[]> {
  const series = works.map((): number[] => []);
  for (let run = 0; run < SERIES; run += 1)
    for (const [index, work] of works.entries()) {
      const startedAtMs = performance.now();
      for (let call = 0; call < CALLS; call += 1) await work();
      series[index]?.push((performance.now() - startedAtMs) / CALLS);
    }
  return series.map(median);
}

export async function measureAttestation(): Promise<Figure[]> {
  const recover = await createWasmRecover();
  const [a, b] = [attestingNode('a'), attestingNode('b')];
  const [blindA, blindB] = [a, b].map((node): Node => ({ ...node, attestations: credulous })) as [Node, Node];
  const attester = createTestAttester(a.signer.wallet, teePubkeyOf(a.signer.wallet), systemClock);
  const document = await attester.document({ nonce: new Uint8Array(32), publicKey: 'tee' });
  const trust = { root: profile.attestationRoot, skewMsMax: 60_000 };
  const verify = (): void => {
    const verdict = verifyAttestation(document, { ...trust, nowMs: Date.now() });
    if (verdict.kind !== 'verified') throw new Error(verdict.why);
  };
  /** Each session of a member asks for few secrets: a pair is made anew before its rate ends. */
  const standing = { pair: pairOf(blindA, blindB, recover), handed: 0 };
  const handAgain = async (): Promise<void> => {
    standing.handed += 1;
    await standing.pair.hand();
  };
  const [verifyMs, blindMs, attestedMs] = (await costs([
    verify,
    () => pairOf(blindA, blindB, recover).hand(),
    () => pairOf(a, b, recover).hand(),
  ])) as [number, number, number];
  await handAgain();
  const startedAtMs = performance.now();
  while (standing.handed < 15) await handAgain();
  const handoverMs = (performance.now() - startedAtMs) / (standing.handed - 1);
  return [
    figure('verification of an attestation document', verifyMs, 'ms', `${document.length} bytes, five certificates`),
    figure('hello and handover without documents', blindMs, 'ms', 'a weakened copy; both ends and their wallets in one thread'),
    figure('hello and handover, attested', attestedMs, 'ms', 'two documents made, two verified; every ten minutes for each peer'),
    figure('handover in a standing session', handoverMs, 'ms', 'both ends'),
  ];
}
