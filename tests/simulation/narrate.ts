/** What a person reads while the cluster comes up: the nodes' log lines in plain words, tables, and the time each took. */
import type { NodeLogLine } from './node.ts';

const short = (hex: unknown) => `${String(hex).slice(0, 10)}…`;

/** Reasons as a newcomer can follow them; the nodes' own words stay in their log and at `/ready`. */
const REASONS: Readonly<Record<string, string>> = {
  chain_unreadable: 'it has not read the chain yet',
  not_registered: 'its wallet is not registered at a confirmed block yet',
  genesis_not_open: 'the owner has not opened the first epoch',
  awaiting_proposal: 'the proposer has not offered a secret',
  collecting_endorsements: 'a majority has not endorsed yet',
  awaiting_activation: 'the activation is not confirmed on chain yet',
  fetching_secret: 'no peer has handed over the secret yet',
};

/** One line for what matters in the birth of a cluster, wallets by the names of their nodes; `undefined` for the rest. */
export function narrate(line: NodeLogLine, names: ReadonlyMap<string, string>): string | undefined {
  const named = (text: unknown) => String(text).replaceAll(/0x[0-9a-f]{40}/g, (wallet) => names.get(wallet) ?? short(wallet));
  switch (line.event) {
    case 'node.waiting':
      return `waits: ${REASONS[String(line['reason'])] ?? String(line['reason'])} (${named(line['detail'])})`;
    case 'candidate.generated':
      return `is the proposer: drew a secret, hash ${short(line['hash'])}`;
    case 'candidate.fetched':
      return `fetched the candidate, sealed, from ${named(line['peer'])}`;
    case 'candidate.endorsed':
      return `endorsed hash ${short(line['hash'])}`;
    case 'activation.sent':
      return `relayed the activation with ${String(line['signatures'])} signatures, transaction ${short(line['transaction'])}`;
    case 'secret.installed':
      return `holds the active secret, ${line['source'] === 'handover' ? `handed over by ${named(line['peer'])}` : 'from the candidate it kept'}`;
    case 'node.serving':
      return `serves epoch ${String(line['epoch'])}`;
    default:
      return undefined;
  }
}

/** Columns as wide as their widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd();
  return [line(header), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n');
}

export function elapsed(sinceMs: number): string {
  return `${((Date.now() - sinceMs) / 1_000).toFixed(1).padStart(5)} s`;
}
