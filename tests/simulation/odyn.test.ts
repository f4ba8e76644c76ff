import { connect } from 'node:net';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { parseTransaction, recoverMessageAddress, recoverTransactionAddress, serializeTransaction, keccak256, type Hex } from 'viem';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startOdyn, type Odyn } from './odyn.ts';
import { createBox } from './odyn/box.ts';

const appKey: Hex = '0x4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d';
const kmsKey: Hex = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d';
const keyA: Hex = `0x${'11'.repeat(48)}`;
const keyB: Hex = `0x${'22'.repeat(48)}`;

let odyn: Odyn;

beforeEach(async () => {
  odyn = await startOdyn({ walletKey: appKey, boxKey: keyB });
});
afterEach(() => odyn.close());

const get = (path: string): Promise<Response> => fetch(odyn.url + path);
const post = (path: string, json: unknown): Promise<Response> =>
  fetch(odyn.url + path, { method: 'POST', body: typeof json === 'string' ? json : JSON.stringify(json) });
const json = async (answer: Promise<Response>): Promise<Record<string, string>> => {
  const response = await answer;
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, string>;
};
async function expectRefusal(answer: Promise<Response>, status: number, text: string): Promise<void> {
  const response = await answer;
  expect([response.status, response.headers.get('content-type')]).toEqual([status, 'text/plain']);
  const body = await response.text();
  expect(body).toContain(text);
  expect(body.startsWith('{')).toBe(false);
}

describe('wallet', () => {
  it('answers its address in lower case and its uncompressed key', async () => {
    const { address, public_key } = await json(get('/v1/eth/address'));
    expect(address).toBe('0x90f8bf6a479f320ead074411a4b0e7944ea8c9c1');
    expect(odyn.wallet).toBe(address);
    expect(public_key).toMatch(/^0x04[0-9a-f]{128}$/);
  });

  const checksummed = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8';
  const appAuth =
    '0x74d857812dcc94fea3304e32709f015ec9b44ba2e3599e0ed577d8a36cc5e2f33c33586b840bad6a4c7e1792f68efcf8e5f7c6742e9b1de3cb7834275c6b10aa1b';
  const appAuthLower =
    '0x0d26463a3fc694adea44feea1130c9882ca8490a2e46448cfcf522740b4509572edc7b57e29ea3fb87fc9fafdaaa15eb4204b0642da96d445ba10cdaa88d03621b';
  const auth = 'NovaKMS:AppAuth:AAECAwQFBgcICQoLDA0ODw==';
  it.each([
    ['app, checksummed', appKey, `${auth}:${checksummed}:1770000000`, appAuth],
    [
      'node, checksummed',
      kmsKey,
      `NovaKMS:Response:${appAuth}:${checksummed}`,
      '0x99c2af2b0f54e4fe97a2133712e3daad463425ee92d4b7d493edb151386aa89c6f1889b81b4d58d17289eeebf2ddb33f4603c65094fe6fdb62ec45a19889c9e81b',
    ],
    ['app, lower case', appKey, `${auth}:${checksummed.toLowerCase()}:1770000000`, appAuthLower],
    [
      'node, lower case',
      kmsKey,
      `NovaKMS:Response:${appAuthLower}:${checksummed.toLowerCase()}`,
      '0xdd8d02ff3a1ccef2065963c833f41b7634e2ce5e6ea4204db06b091cf0c583c220fcba4286d0e54fe210180337b0f8520e997d74c5073fc3d9af7c2e05451b5e1b',
    ],
    [
      'peer, lower case',
      appKey,
      `NovaKMS:Auth:AAECAwQFBgcICQoLDA0ODw==:${checksummed.toLowerCase()}:1770000000`,
      '0xd9dfab04eeba5792bc1491465c86915fd176dfe3cc7ff4240baa43fd6051b9c0140d2e810ddb262175e801a54d352ce679af554de9a733098efdf102f5a1f2821c',
    ],
  ] as const)('signs the vector of the %s with v = 0 or 1', async (_, walletKey, message, expected) => {
    await withOdyn(await startOdyn({ walletKey }), async (signer) => {
      const answer = await json(fetch(`${signer.url}/v1/eth/sign`, { method: 'POST', body: JSON.stringify({ message }) }));
      const v = Number(`0x${expected.slice(-2)}`) - 27;
      expect(answer).toEqual({ signature: `${expected.slice(0, -2)}0${v}`, address: signer.wallet, attestation: null });
    });
  });

  it('signs text beyond ASCII by its bytes', async () => {
    const message = 'ключ 🔑';
    const { signature } = await json(post('/v1/eth/sign', { message }));
    expect((await recoverMessageAddress({ message, signature: signature as Hex })).toLowerCase()).toBe(odyn.wallet);
  });

  it.each([
    ['an empty message', { message: '' }, 400, 'Message cannot be empty'],
    ['no message', {}, 400, 'missing field `message`'],
    ['a message that is no string', { message: 5 }, 400, 'expected a string'],
    ['a switch that is no boolean', { message: 'x', include_attestation: 'no' }, 400, 'expected a boolean'],
    ['what is not JSON', '{"message":', 400, 'invalid JSON'],
    ['a list', [], 400, 'expected an object'],
  ])('refuses %s', (_, body, status, text) => expectRefusal(post('/v1/eth/sign', body), status, text));
});

describe('transactions', () => {
  const storageKey: Hex = `0x${'0'.repeat(63)}1`;
  const payload = {
    kind: 'structured',
    chain_id: '0x7a69',
    nonce: '0x0',
    max_priority_fee_per_gas: '0x3b9aca00',
    max_fee_per_gas: '0x77359400',
    gas_limit: '0x5208',
    to: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
    value: '0x1',
    data: '0xdeadbeef',
    access_list: [{ address: `0x${'ab'.repeat(20)}`, storage_keys: [storageKey] }],
  };
  const sign = (changed: object): Promise<Response> => post('/v1/eth/sign-tx', { payload: { ...payload, ...changed } });

  it('signs a typed transaction that recovers to the wallet', async () => {
    const answer = await json(sign({}));
    const raw = answer['raw_transaction'] as `0x02${string}`;
    expect(await recoverTransactionAddress({ serializedTransaction: raw })).toBe('0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1');
    expect(answer['transaction_hash']).toBe(keccak256(raw));
    expect(answer['signature']).toMatch(/^0x[0-9a-f]{128}0[01]$/);
    expect(answer['address']).toBe(odyn.wallet);
    expect(parseTransaction(raw)).toMatchObject({
      chainId: 31337,
      maxFeePerGas: 2_000_000_000n,
      maxPriorityFeePerGas: 1_000_000_000n,
      gas: 21_000n,
      value: 1n,
      data: '0xdeadbeef',
      accessList: [{ address: `0x${'ab'.repeat(20)}`, storageKeys: [storageKey] }],
    });
  });

  it('fills in value, data and access list, and creates a contract without a recipient', async () => {
    const { to: _to, value: _value, data: _data, access_list: _accessList, ...bare } = payload;
    const { raw_transaction } = await json(post('/v1/eth/sign-tx', { include_attestation: false, payload: bare }));
    const parsed = parseTransaction(raw_transaction as `0x02${string}`);
    expect([parsed.to, parsed.value, parsed.data]).toEqual([undefined, undefined, undefined]);
  });

  it('passes over members that nobody knows', async () => {
    expect((await sign({ gas: '0x1', memo: 'x' })).status).toBe(200);
  });

  it('signs a raw payload as the same transaction', async () => {
    const raw_payload = serializeTransaction({
      type: 'eip1559',
      chainId: 31337,
      nonce: 7,
      gas: 21000n,
      maxFeePerGas: 2n,
      maxPriorityFeePerGas: 1n,
    });
    const { raw_transaction } = await json(post('/v1/eth/sign-tx', { payload: { kind: 'raw_rlp', raw_payload } }));
    const raw = raw_transaction as `0x02${string}`;
    expect(await recoverTransactionAddress({ serializedTransaction: raw })).toBe('0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1');
    expect(parseTransaction(raw)).toMatchObject({ nonce: 7, gas: 21000n });
  });

  it('refuses the camel-case payload without a kind', () =>
    expectRefusal(
      post('/v1/eth/sign-tx', {
        payload: {
          chainId: 31337,
          type: 2,
          from: odyn.wallet,
          to: odyn.wallet,
          nonce: 0,
          data: '0x',
          value: '0x0',
          maxPriorityFeePerGas: '0x1',
          maxFeePerGas: '0x2',
          gas: '0x5208',
        },
      }),
      400,
      'missing field `kind`',
    ));

  it.each(['chain_id', 'nonce', 'max_priority_fee_per_gas', 'max_fee_per_gas', 'gas_limit', 'kind'])(
    'refuses a payload without %s',
    (name) => expectRefusal(sign({ [name]: undefined }), 400, `missing field \`${name}\``),
  );

  it.each(['chain_id', 'nonce', 'max_priority_fee_per_gas', 'max_fee_per_gas', 'gas_limit', 'value', 'to', 'data'])(
    'refuses %s as a number',
    (name) => expectRefusal(sign({ [name]: 1 }), 400, 'expected a string'),
  );

  it.each([
    ['an unknown kind', { kind: 'transaction' }, 'unknown variant'],
    ['chain zero', { chain_id: '0x0' }, 'chain_id cannot be zero'],
    ['a decimal number', { nonce: '12' }, 'invalid hex number for `nonce`'],
    ['an empty number', { nonce: '0x' }, 'invalid hex number for `nonce`'],
    ['a number over 256 bits', { value: `0x1${'0'.repeat(64)}` }, 'invalid hex number for `value`'],
    ['a short address', { to: '0x1234' }, 'invalid address'],
    ['half a byte of data', { data: '0x123' }, 'invalid hex for `data`'],
    ['a null value', { value: null }, 'expected a string'],
    ['an access list that is none', { access_list: {} }, 'expected a sequence'],
    ['a short storage key', { access_list: [{ address: `0x${'ab'.repeat(20)}`, storage_keys: ['0x01'] }] }, 'invalid storage key'],
    ['a tip above the fee', { max_priority_fee_per_gas: '0x77359401' }, 'cannot be encoded'],
    ['raw bytes of another type', { kind: 'raw_rlp', raw_payload: '0x01c0' }, 'not an EIP-1559'],
    ['raw bytes that are broken', { kind: 'raw_rlp', raw_payload: '0x02c1' }, 'cannot be read'],
    ['raw bytes left out', { kind: 'raw_rlp' }, 'missing field `raw_payload`'],
  ])('refuses %s', (_, changed, text) => expectRefusal(sign(changed), 400, text));

  it('refuses a body without payload', () => expectRefusal(post('/v1/eth/sign-tx', {}), 400, 'payload'));
});

describe('box', () => {
  const app = createBox('v1.8.0', keyA);
  const text = (plaintext: string): Uint8Array => new TextEncoder().encode(plaintext);
  const request = (plaintext: Uint8Array) => {
    const { nonce, encryptedData } = app.sealTo(odyn.teePubkey, plaintext);
    return { nonce, client_public_key: app.teePubkey, encrypted_data: encryptedData };
  };

  it('answers its key as DER and as PEM without a last newline', async () => {
    const { public_key_der, public_key_pem } = await json(get('/v1/encryption/public_key'));
    expect(public_key_der).toBe(`0x${odyn.teePubkey}`);
    expect(public_key_pem).toMatch(/^-----BEGIN PUBLIC KEY-----\n[\s\S]+\n-----END PUBLIC KEY-----$/);
    expect(Buffer.from((public_key_pem ?? '').split('\n').slice(1, -1).join(''), 'base64').toString('hex')).toBe(odyn.teePubkey);
  });

  it.each(['', '0x'])('seals to a client key with prefix "%s", its answers without', async (prefix) => {
    const answer = await json(post('/v1/encryption/encrypt', { plaintext: 'héllo', client_public_key: prefix + app.teePubkey }));
    expect(answer['enclave_public_key']).toBe(odyn.teePubkey);
    expect(answer['nonce']).toMatch(/^[0-9a-f]{24}$/);
    expect(answer['encrypted_data']).toMatch(/^[0-9a-f]+$/);
    const sealed = { nonce: answer['nonce'] ?? '', encryptedData: answer['encrypted_data'] ?? '' };
    expect(app.openFrom(odyn.teePubkey, sealed)).toEqual(text('héllo'));
  });

  it('opens what a client sealed, with and without prefixes, in either case', async () => {
    expect(await json(post('/v1/encryption/decrypt', request(text('one'))))).toEqual({ plaintext: 'one' });
    const { nonce, client_public_key, encrypted_data } = request(text('\ufefftwo'));
    const shouted = {
      nonce: `0x${nonce}`,
      client_public_key: `0x${client_public_key.toUpperCase()}`,
      encrypted_data: `0x${encrypted_data.toUpperCase()}`,
    };
    expect(await json(post('/v1/encryption/decrypt', shouted))).toEqual({ plaintext: '\ufefftwo' });
  });

  it('refuses a nonce that this client used, in any of its spellings', async () => {
    const sealed = request(text('once'));
    await json(post('/v1/encryption/decrypt', sealed));
    const again = [
      sealed,
      { ...sealed, client_public_key: `0x${sealed.client_public_key.toUpperCase()}` },
      { ...sealed, nonce: sealed.nonce + '00'.repeat(20) },
    ];
    for (const each of again) await expectRefusal(post('/v1/encryption/decrypt', each), 400, 'Nonce reuse detected for client_public_key');
  });

  it('does not burn a nonce whose text did not verify', async () => {
    const sealed = request(text('late'));
    await expectRefusal(post('/v1/encryption/decrypt', { ...sealed, encrypted_data: '00'.repeat(20) }), 400, 'Decryption failed');
    expect(await json(post('/v1/encryption/decrypt', sealed))).toEqual({ plaintext: 'late' });
  });

  it('opens a text twice up to v1.3.0', async () => {
    await withOdyn(await startOdyn({ keySchedule: 'v1.3.0' }), async (old) => {
      const { nonce, encryptedData } = createBox('v1.3.0', keyA).sealTo(old.teePubkey, text('twice'));
      const body = JSON.stringify({ nonce, client_public_key: app.teePubkey, encrypted_data: encryptedData });
      for (const _ of [1, 2])
        expect(await json(fetch(`${old.url}/v1/encryption/decrypt`, { method: 'POST', body }))).toEqual({ plaintext: 'twice' });
    });
  });

  it.each([
    ['a nonce of eleven bytes', { nonce: '00'.repeat(11) }, 'Decryption failed: invalid nonce length 11'],
    ['a nonce of 13 bytes', { nonce: '00'.repeat(13) }, 'Decryption failed: invalid nonce length 13'],
    ['a nonce that is not hex', { nonce: 'zz' }, 'Invalid nonce hex'],
    ['half a byte', { encrypted_data: '123' }, 'Invalid encrypted_data hex'],
    ['a text without room for a tag', { encrypted_data: '00'.repeat(15) }, 'shorter than its tag'],
    [
      'a key of another curve',
      { client_public_key: '3059301306072a8648ce3d020106082a8648ce3d030107034200' + '04'.repeat(65) },
      'not the SPKI DER',
    ],
    ['a missing key', { client_public_key: undefined }, 'missing field `client_public_key`'],
  ])('refuses %s', (_, changed, reason) =>
    expectRefusal(post('/v1/encryption/decrypt', { ...request(text('x')), ...changed }), 400, reason),
  );

  it('refuses a text that is not UTF-8', () =>
    expectRefusal(post('/v1/encryption/decrypt', request(new Uint8Array([0xff]))), 400, 'Invalid UTF-8'));

  it('refuses to seal to what is no key', () =>
    expectRefusal(post('/v1/encryption/encrypt', { plaintext: 'x', client_public_key: '0x00' }), 400, 'Encryption failed'));
});

describe('HTTP', () => {
  it('draws 32 fresh random bytes', async () => {
    const drawn = [await json(get('/v1/random')), await json(get('/v1/random'))].map((each) => each['random_bytes']);
    expect(drawn[0]).toMatch(/^0x[0-9a-f]{64}$/);
    expect(drawn[0]).not.toBe(drawn[1]);
    expect(odyn.calls).toEqual({ '/v1/random': 2 });
  });

  it.each([
    ['GET', '/v1/nothing', 404],
    ['GET', '/toString', 404],
    ['GET', '/__proto__', 404],
    ['GET', '/v1/eth/sign', 405],
    ['POST', '/v1/random', 405],
    ['DELETE', '/v1/eth/address', 405],
  ])('answers %s %s with %i and no body', async (method, path, status) => {
    const response = await fetch(odyn.url + path, { method });
    expect([response.status, await response.text()]).toEqual([status, '']);
  });

  it('takes a body of 10 MiB and refuses a byte more, announced or not', async () => {
    const client_public_key = odyn.teePubkey;
    const frame = JSON.stringify({ client_public_key, plaintext: '' }).length;
    const plaintext = 'a'.repeat(10 * 1024 * 1024 - frame);
    expect((await post('/v1/encryption/encrypt', { client_public_key, plaintext })).status).toBe(200);
    await expectRefusal(post('/v1/encryption/encrypt', { client_public_key, plaintext: `${plaintext}a` }), 413, 'too large');
    // A stream that never waited would starve the loop that has to read the refusal.
    const chunks = new ReadableStream({ pull: (controller) => setImmediate().then(() => controller.enqueue(new Uint8Array(65536))) });
    expect(await statusOrClosed(fetch(`${odyn.url}/v1/encryption/encrypt`, { method: 'POST', body: chunks, duplex: 'half' }))).toMatch(
      /413|closed/,
    );
  });

  it('closes the connection without an answer when a handler breaks', async () => {
    odyn.faults.set('/v1/random', { kind: 'answer', json: () => 1n });
    await expect(get('/v1/random')).rejects.toThrow('fetch failed');
  });

  it('makes new keys for every enclave', async () => {
    await withOdyn(await startOdyn(), async (one) =>
      withOdyn(await startOdyn(), async (other) => {
        expect(one.wallet).not.toBe(other.wallet);
        expect(one.teePubkey).not.toBe(other.teePubkey);
      }),
    );
  });

  it('listens where it is told and rejects a port that is taken', async () => {
    const port = Number(new URL(odyn.url).port);
    await expect(startOdyn({ port })).rejects.toThrow('EADDRINUSE');
    await odyn.close();
    odyn = await startOdyn({ port });
    expect(odyn.url).toBe(`http://127.0.0.1:${port}`);
  });
});

describe('faults', () => {
  const address = '/v1/eth/address';

  it('hangs until the caller gives up', async () => {
    odyn.faults.set('*', { kind: 'hang' });
    await expect(fetch(odyn.url + address, { signal: AbortSignal.timeout(50) })).rejects.toThrow('timeout');
  });

  it('delays an honest answer', async () => {
    odyn.faults.set(address, { kind: 'delay', delayMs: 80 });
    const startMs = performance.now();
    expect((await json(get(address)))['address']).toBe(odyn.wallet);
    expect(performance.now() - startMs).toBeGreaterThan(75);
  });

  it('answers the status and text it was told', async () => {
    odyn.faults.set(address, { kind: 'status', status: 500, text: 'NSM is gone' });
    await expectRefusal(get(address), 500, 'NSM is gone');
  });

  it('redirects', async () => {
    odyn.faults.set(address, { kind: 'redirect', location: 'http://127.0.0.1:1/' });
    const response = await fetch(odyn.url + address, { redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).toEqual([302, 'http://127.0.0.1:1/']);
  });

  it('answers 200 with what is not JSON', async () => {
    odyn.faults.set(address, { kind: 'garbage' });
    const response = await get(address);
    expect(response.status).toBe(200);
    await expect(response.json()).rejects.toThrow(SyntaxError);
  });

  it('streams without an end until the reader goes', async () => {
    odyn.faults.set(address, { kind: 'endless' });
    const reader = (await get(address)).body?.getReader();
    let readBytes = 0;
    while (readBytes < 1_000_000) readBytes += (await reader?.read())?.value?.length ?? Number.NaN;
    await reader?.cancel();
    odyn.faults.clear();
    await json(get(address));
  });

  it('drops the connection', async () => {
    odyn.faults.set(address, { kind: 'drop' });
    await expect(get(address)).rejects.toThrow('fetch failed');
  });

  it('changes an honest answer', async () => {
    odyn.faults.set(address, { kind: 'answer', json: (honest) => ({ ...honest, address: `0x${'0'.repeat(40)}` }) });
    const answer = await json(get(address));
    expect(answer['address']).toBe(`0x${'0'.repeat(40)}`);
    expect(answer['public_key']).toMatch(/^0x04/);
  });

  it('leaves other paths alone, ends after its count, and counts every call', async () => {
    odyn.faults.set(address, { kind: 'status', status: 500, text: 'once' }, 1);
    expect((await get('/v1/random')).status).toBe(200);
    expect((await get(address)).status).toBe(500);
    expect((await get(address)).status).toBe(200);
    expect(odyn.calls).toEqual({ [address]: 2, '/v1/random': 1 });
  });
});

it('closes with hung requests, delayed answers, endless bodies and silent connections open', async () => {
  odyn.faults.set('/hang', { kind: 'hang' });
  odyn.faults.set('/delay', { kind: 'delay', delayMs: 600_000 });
  odyn.faults.set('/endless', { kind: 'endless' });
  const silent = connect(Number(new URL(odyn.url).port), '127.0.0.1');
  await once(silent, 'connect');
  const open = ['/hang', '/delay'].map((path) => get(path).catch(() => 'closed'));
  const endless = (await get('/endless')).text().catch(() => 'closed');
  await expect.poll(() => Object.keys(odyn.calls).length, { timeout: 10_000 }).toBe(3);
  const silentClosed = once(silent, 'close');
  await odyn.close();
  await silentClosed;
  expect(await Promise.all([...open, endless])).toEqual(['closed', 'closed', 'closed']);
  await expect(get('/v1/random')).rejects.toThrow('fetch failed');
});

async function withOdyn(odyn: Odyn, body: (odyn: Odyn) => Promise<void>): Promise<void> {
  try {
    await body(odyn);
  } finally {
    await odyn.close();
  }
}

/** A caller that is still sending may see the connection end before it reads the refusal. */
async function statusOrClosed(answer: Promise<Response>): Promise<string> {
  return answer.then(
    (response) => String(response.status),
    () => 'closed',
  );
}
