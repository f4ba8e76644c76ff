/**
 * What an app's document must be. Each deviation stands beside the good document, and is shown to be taken where the registry's word is all
 * that is asked for; then it is refused, with one line in the log.
 */
import { describe, expect, it } from 'vitest';
import { createCallerAttestations } from '../../../core/auth/attested.ts';
import {
  ATTESTATION_AGE_MAX_MS,
  ATTESTATION_SKEW_MAX_MS,
  CALLER_DOCUMENT_BYTES_MAX,
  CALLER_DOCUMENTS_BURST,
  CALLER_DOCUMENTS_PER_SECOND,
} from '../../../core/limits.ts';
import { base64, parseBase64, parseHex, utf8 } from '../../../core/wire/bytes.ts';
import { bent, createTestApp } from '../../attestation/app.ts';
import { MEASUREMENT } from '../../attestation/attester.ts';
import { measurementOf, pcrsOf } from '../../attestation/pcrs.ts';
import { foreignRoot } from '../../attestation/roots.ts';
import { createClock, createRecordingLog, flipped, profile, reasonOf, teePubkeyOf } from '../fakes.ts';
import type { Caller } from '../../../core/auth/standing.ts';
import type { SecurityModule } from '../../attestation/module.ts';
import type { TestApp } from '../../attestation/app.ts';

const TEXT = 'what the wallet signed to prove this request';

function setUp(appAttestation: 'ignore' | 'require' = 'require') {
  const clock = createClock();
  const logs = createRecordingLog();
  const attestations = createCallerAttestations({ profile: { ...profile, appAttestation }, clock, log: logs.log });
  const [app, other] = [createTestApp(clock), createTestApp(clock)];
  const says = (header: string | null, caller = callerOf(app), text = TEXT) =>
    reasonOf(() => attestations.require(caller, { header, text }));
  return { clock, logs, attestations, app, other, says };
}
type World = ReturnType<typeof setUp>;

function callerOf({ wallet }: TestApp, change: Partial<Caller> = {}): Caller {
  const ids = { instanceId: 21n, appId: 9n as Caller['appId'], versionId: 4n };
  return { wallet, ...ids, teePubkey: teePubkeyOf(wallet), appCreatedAtMs: 0, measurement: MEASUREMENT, blockNumber: 1, ...change };
}

type Bend = (world: World) => string;
const good: Bend = ({ app }) => app.header(TEXT);
const bytesOf = (header: string) => parseBase64(header) as Uint8Array;
const module =
  (change: Partial<SecurityModule>): Bend =>
  (world) =>
    bent(world.app.module, change, () => good(world));

const BENDS: readonly (readonly [string, string, Bend])[] = [
  ['nothing', 'header_malformed', () => '*'],
  ['no bytes', 'cbor_malformed', () => ''],
  [
    'hex',
    'header_malformed',
    (world) =>
      Buffer.from(bytesOf(good(world)))
        .toString('hex')
        .slice(0, 4_001),
  ],
  ['more than is read', 'header_malformed', () => base64(new Uint8Array(CALLER_DOCUMENT_BYTES_MAX + 3))],
  ['a bit of its signature flipped', 'document_signature_invalid', (world) => base64(flipLast(bytesOf(good(world))))],
  ['another proof of the same wallet', 'nonce_mismatch', ({ app }) => app.header(`${TEXT}, to another node`)],
  ['a text that was not prefixed as texts of wallets are', 'nonce_mismatch', ({ app }) => app.header(TEXT, { nonce: utf8(TEXT) })],
  ['no text', 'nonce_mismatch', ({ app }) => app.header(TEXT, { nonce: null })],
  ['another enclave', 'wallet_mismatch', ({ other }) => other.header(TEXT)],
  ['two wallets', 'wallet_mismatch', ({ app, other }) => app.header(TEXT, { userData: twoWallets(other, app) })],
  ['the key of another wallet', 'public_key_mismatch', ({ app, other }) => app.header(TEXT, { publicKey: other.claim(TEXT).publicKey })],
  ['no key', 'public_key_mismatch', ({ app }) => app.header(TEXT, { publicKey: null })],
  ['its TEE key, as anybody gets one of its Odyn', 'public_key_mismatch', ({ app }) => app.header(TEXT, { publicKey: tee(app) })],
  ['the bare point of its key', 'public_key_mismatch', ({ app }) => app.header(TEXT, { publicKey: app.claim(TEXT).publicKey.slice(-65) })],
  ['its key with a byte behind', 'public_key_mismatch', ({ app }) => app.header(TEXT, { publicKey: longer(app.claim(TEXT).publicKey) })],
  ['other code', 'measurement_mismatch', module({ pcrs: pcrsOf(2) })],
  ['debug mode', 'debug', module({ isDebug: true })],
  ['another root', 'root_unknown', module({ root: foreignRoot() })],
  ['a time long ago', 'too_old', module({ shiftMs: -ATTESTATION_AGE_MAX_MS - 1 })],
  ['a time to come', 'from_the_future', module({ shiftMs: ATTESTATION_SKEW_MAX_MS + 1 })],
];
const flipLast = (bytes: Uint8Array) => flipped(bytes, bytes.length - 8);
const longer = (bytes: Uint8Array) => new Uint8Array([...bytes, 0]);
const tee = ({ wallet }: TestApp) => parseHex(teePubkeyOf(wallet)) as Uint8Array;
const twoWallets = (first: TestApp, second: TestApp) => utf8(`{"a":{"eth_addr":"${first.wallet}"},"eth_addr":"${second.wallet}"}`);

describe('the document of an instance', () => {
  it('S-M5 is taken when it is good, with any age and skew that may be', () => {
    for (const bend of [good, module({ shiftMs: -ATTESTATION_AGE_MAX_MS }), module({ shiftMs: ATTESTATION_SKEW_MAX_MS })]) {
      const world = setUp();
      expect(world.says(bend(world))).toBe('none');
      expect(world.logs.lines).toEqual([]);
    }
  });

  it.each(BENDS)('S-M5 is refused when it is of %s: %s', (_what, fault, bend) => {
    const believing = setUp('ignore');
    expect(believing.says(bend(believing))).toBe('none');
    const world = setUp();
    expect(world.says(bend(world))).toBe('attestation_refused');
    const fields = { wallet: world.app.wallet, instanceId: '21', fault, measurement: MEASUREMENT };
    expect(world.logs.lines).toEqual([{ event: 'caller.unattested', fields }]);
    expect(world.says(good(world))).toBe('none');
  });

  it('S-M5 is asked for, and refused in no one’s name, when there is none', () => {
    const world = setUp();
    for (let asked = 0; asked <= 2 * CALLER_DOCUMENTS_BURST; asked += 1) expect(world.says(null)).toBe('attestation_required');
    expect(world.logs.lines).toEqual([]);
    expect(world.says(good(world))).toBe('none');
  });

  it('S-M5 is asked for once, and anew for another instance, version or measurement', () => {
    const world = setUp();
    const other = measurementOf(pcrsOf(5));
    expect(world.says(good(world))).toBe('none');
    // What comes with it is not read any more.
    for (const header of [null, '*']) expect(world.says(header)).toBe('none');
    for (const change of [{ instanceId: 22n }, { versionId: 5n }, { measurement: other }]) {
      const changed = callerOf(world.app, change);
      expect(world.says(null, changed)).toBe('attestation_required');
      expect(reasonOf(() => world.attestations.requireUnchanged(changed))).toBe('attestation_required');
    }
    expect(world.says(good(world), callerOf(world.app, { measurement: other }))).toBe('attestation_refused');
    expect(world.says(module({ pcrs: pcrsOf(5) })(world), callerOf(world.app, { measurement: other }))).toBe('none');
    expect(reasonOf(() => world.attestations.requireUnchanged(callerOf(world.app)))).toBe('none');
  });

  it('S-M5 R-5 is verified so often for a wallet that brings bad ones, and no more; others are not touched', () => {
    const world = setUp();
    for (let version = 0n; version < 3n * BigInt(CALLER_DOCUMENTS_BURST); version += 1n)
      expect(world.says(good(world), callerOf(world.app, { versionId: version }))).toBe('none');
    const again = callerOf(world.app, { versionId: 1_000n });
    const bad = module({ isDebug: true })(world);
    for (let count = 0; count < CALLER_DOCUMENTS_BURST; count += 1) expect(world.says(bad, again)).toBe('attestation_refused');
    expect(world.says(bad, again)).toBe('rate_limited');
    expect(world.says(good(world), again)).toBe('rate_limited');
    expect(world.logs.lines).toHaveLength(CALLER_DOCUMENTS_BURST);
    expect(world.says(world.other.header(TEXT), callerOf(world.other))).toBe('none');
    world.clock.advance(1_000 / CALLER_DOCUMENTS_PER_SECOND);
    expect(world.says(good(world), again)).toBe('none');
  });
});
