import { createServer } from 'node:net';
import { once } from 'node:events';
import { privateKeyToAddress } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAnvil, type Anvil } from './anvil.ts';
import { identify } from './process-identity.ts';

const timestampReader = '0x425f5260205ff3';
const waitMs = { timeout: 10_000, interval: 20 };

describe('a chain', () => {
  let chain: Anvil;
  beforeAll(async () => {
    chain = await startAnvil({ chainId: 84532, accounts: 3 });
  });
  afterAll(() => chain.stop());

  const send = (): Promise<string> =>
    chain.rpc('eth_sendTransaction', [{ from: chain.accounts[0]?.address, to: chain.accounts[1]?.address, value: '0x1' }]);
  const isMined = async (hash: string): Promise<boolean> => (await chain.rpc('eth_getTransactionReceipt', [hash])) !== null;
  const number = async (): Promise<bigint> => (await chain.head()).number;
  const aheadSeconds = async (): Promise<number> => (await chain.head()).timestampSeconds - Date.now() / 1000;

  it('answers as the chain it was told, with the well-known accounts', async () => {
    expect(await chain.rpc('eth_chainId')).toBe('0x14a34');
    expect(chain.accounts[0]?.address).toBe('0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266');
    expect(await chain.rpc('eth_accounts')).toEqual(chain.accounts.map((each) => each.address.toLowerCase()));
    for (const { address, privateKey } of chain.accounts) expect(privateKeyToAddress(privateKey)).toBe(address);
  });

  it('names the error of a call that fails', async () => {
    await expect(chain.rpc('eth_nothing')).rejects.toThrow('eth_nothing: Method not found');
  });

  it('gives contracts the time of the block from the start', async () => {
    const seen = await chain.rpc<string>('eth_call', [{ data: timestampReader }, 'latest']);
    expect(Number(seen)).toBe((await chain.head()).timestampSeconds);
  });

  it('never runs ahead of wall time, however many blocks a second holds', async () => {
    let worst = -Infinity;
    for (let block = 0; block < 200; block++) {
      await send();
      worst = Math.max(worst, await aheadSeconds());
    }
    await chain.mine(200);
    expect(Math.max(worst, await aheadSeconds())).toBeLessThanOrEqual(0);
    expect(await aheadSeconds()).toBeGreaterThan(-10);
  });

  it('keeps the states of the last 256 blocks and no more', async () => {
    await chain.mine(300);
    const head = await number();
    const read = (block: bigint) => chain.rpc('eth_call', [{ data: timestampReader }, `0x${block.toString(16)}`]);
    await expect(read(head - 250n)).resolves.toBeTypeOf('string');
    await expect(read(head - 270n)).rejects.toThrow('BlockOutOfRange');
  });

  it('lets finality trail by one block and two', async () => {
    await chain.mine(3);
    const [safe, finalized] = await Promise.all(
      ['safe', 'finalized'].map((tag) => chain.rpc<{ number: string }>('eth_getBlockByNumber', [tag, false])),
    );
    const head = await number();
    expect([BigInt(safe?.number ?? 0), BigInt(finalized?.number ?? 0)]).toEqual([head - 1n, head - 2n]);
  });

  it('leaves transactions waiting while it is paused and mines them when it resumes', async () => {
    await chain.pause();
    const hash = await send();
    const before = await number();
    await chain.mine(0);
    expect([await number(), await isMined(hash)]).toEqual([before, false]);
    await chain.resume();
    await expect.poll(() => isMined(hash), waitMs).toBe(true);
  });

  it('mines on a beat, stops, and takes up the beat again', async () => {
    await chain.interval(1);
    const start = await number();
    await expect.poll(number, waitMs).toBeGreaterThan(start + 1n);
    await chain.pause();
    const paused = await number();
    const hash = await send();
    expect([await number(), await isMined(hash)]).toEqual([paused, false]);
    await chain.resume();
    await expect.poll(() => isMined(hash), waitMs).toBe(true);
    expect(await aheadSeconds()).toBeLessThanOrEqual(0);
    await chain.automine(true);
  });

  it('mines by hand alone when automining is off', async () => {
    await chain.automine(false);
    const hash = await send();
    expect(await isMined(hash)).toBe(false);
    await chain.mine();
    expect(await isMined(hash)).toBe(true);
    await chain.automine(true);
    const next = await send();
    await expect.poll(() => isMined(next), waitMs).toBe(true);
  });

  it('hangs without closing and goes on where it was', async () => {
    await chain.hang();
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] });
    const asked = fetch(chain.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(150),
    });
    try {
      await expect(asked).rejects.toThrow('timeout');
    } finally {
      chain.unhang();
    }
    expect(await chain.rpc('eth_chainId')).toBe('0x14a34');
  });

  it('runs ahead after a warp and meets wall time again', async () => {
    await chain.warp(3600);
    expect(await aheadSeconds()).toBeGreaterThan(3590);
    await chain.meetWallClock();
    await chain.mine();
    const ahead = await aheadSeconds();
    expect(ahead).toBeLessThanOrEqual(0);
    expect(ahead).toBeGreaterThan(-10);
  });
});

describe('start and stop', () => {
  it('runs two chains at once and tells each process before it answers', async () => {
    const spawned: number[] = [];
    const onSpawn = (pid: number): void => void spawned.push(pid);
    const chains = await Promise.all([startAnvil({ onSpawn }), startAnvil({ onSpawn })]);
    expect(new Set(chains.map((each) => each.rpcUrl)).size).toBe(2);
    expect(chains.map((each) => each.pid).sort()).toEqual(spawned.sort());
    await Promise.all(chains.map((each) => each.stop()));
    expect(spawned.map(identify)).toEqual([undefined, undefined]);
  });

  it('takes the port it is told, again and again', async () => {
    const first = await startAnvil();
    const port = Number(new URL(first.rpcUrl).port);
    await first.stop();
    const second = await startAnvil({ port });
    expect(second.rpcUrl).toBe(first.rpcUrl);
    await second.stop();
  });

  it('says why it cannot start and leaves no process', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    let pid = 0;
    await expect(startAnvil({ port, onSpawn: (spawned) => void (pid = spawned) })).rejects.toThrow('Address already in use');
    expect(pid).toBeGreaterThan(0);
    expect(identify(pid)).toBeUndefined();
    holder.close();
  });

  it('stops a process that hangs', async () => {
    const chain = await startAnvil();
    await chain.hang();
    await chain.stop();
    expect(identify(chain.pid)).toBeUndefined();
    await chain.stop();
  });
});
