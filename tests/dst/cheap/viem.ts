/**
 * Stands in for viem in the simulation's bundle only: what is encoded is kept as it is, under a token that is hex like the real data.
 * Encoding and decoding have no state and no I/O, and the real ones would take half of a run's time.
 */
const kept = new Map<string, unknown>();

function keep(value: unknown): `0x${string}` {
  const token = `0x${kept.size.toString(16).padStart(64, '0')}` as const;
  kept.set(token, value);
  return token;
}

function kind(data: `0x${string}`): unknown {
  if (!kept.has(data)) throw new TypeError('data that nobody encoded');
  return kept.get(data);
}

interface Call {
  readonly functionName: string;
  readonly args?: readonly unknown[];
}

export function encodeFunctionData({ functionName, args = [] }: Call): `0x${string}` {
  return keep({ functionName, args });
}

export function decodeFunctionData({ data }: { readonly data: `0x${string}` }): unknown {
  return kind(data);
}

export function encodeFunctionResult({ result }: { readonly result: unknown }): `0x${string}` {
  return keep(result);
}

export function decodeFunctionResult({ data }: { readonly data: `0x${string}` }): unknown {
  return kind(data);
}

/** Between two runs. */
export function forgetAll(): void {
  kept.clear();
}
