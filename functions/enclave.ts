/**
 * The main of the enclave binary: one node from the profile that was built in, on a Node HTTP server, ticked by a timer.
 * The environment gives addresses only; whatever else it holds that could act is refused (U-16).
 */
import { parseConfig } from '../core/config.ts';
import { createWasmRecover } from '../core/crypto/recover-wasm.ts';
import { recoverWallet } from '../core/crypto/wallet.ts';
import { readEnvironment } from '../core/environment.ts';
import { CONNECTIONS_FILES_PERCENT, CONNECTIONS_MAX, STOP_MS_MAX } from '../core/limits.ts';
import { createDial } from '../core/platform/dial.ts';
import { createLog, systemClock } from '../core/platform/system.ts';
import { profileOf } from '../core/release.ts';
import { createNode } from './boot.ts';
import { startServer } from './server.ts';
import { runTicks } from './ticks.ts';
import type { NodeConfig } from '../core/config.ts';
import type { Environment } from '../core/environment.ts';
import type { Recover } from '../core/ports.ts';
import type { Build } from '../core/release.ts';

/** Put in by `build.mjs`. */
declare const NOVA_KMS_BUILD: Build & { readonly profile: { readonly name: string } };

/** As in sysexits.h, but for usage. `docs/operations.md` has them. */
const EXIT = { usage: 2, unavailable: 69, software: 70, listen: 71, configuration: 78 } as const;

const USAGE = `nova-kms           runs one node, until SIGTERM or SIGINT
nova-kms --profile the network that this binary was built for, as JSON
nova-kms --version
nova-kms --help

Environment: NOVA_KMS_LISTEN    (0.0.0.0:8000)
             NOVA_KMS_ODYN_URL  (http://127.0.0.1:18000)
             NOVA_KMS_RPC_URL   (http://127.0.0.1:18545)
             https_proxy        what calls to peers leave by, on loopback`;

const write = (line: string): void => console.log(line);
const log = createLog(write, systemClock);

function tell(args: readonly string[]): number {
  const { version, release, profile } = NOVA_KMS_BUILD;
  const answers: Readonly<Record<string, string>> = {
    '--help': USAGE,
    '--version': `nova-kms ${version}, ${profile.name}${release ? '' : ', not for release'}`,
    '--profile': JSON.stringify({ version, release, profile }, null, 2),
  };
  const answer = args.length === 1 && Object.hasOwn(answers, args[0] ?? '') ? answers[args[0] ?? ''] : undefined;
  if (answer === undefined) {
    console.error(`nova-kms does not take ${args.join(' ')}\n\n${USAGE}`);
    return EXIT.usage;
  }
  console.log(answer);
  return 0;
}

function refuse(detail: string, code: number): number {
  log('binary.refused', { detail });
  return code;
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function run(): Promise<number> {
  const { version, release, profile } = NOVA_KMS_BUILD;
  log('binary.started', { version, profile: profile.name, release });
  const ending = new AbortController();
  endBySignal(ending);
  const settings = readSettings();
  return typeof settings === 'string' ? refuse(settings, EXIT.configuration) : await serve(settings, ending.signal);
}

interface Settings extends Environment {
  readonly config: NodeConfig;
  readonly connectionsMax: number;
}

/** What it runs with, or why it does not. */
function readSettings(): Settings | string {
  const { release, profile } = NOVA_KMS_BUILD;
  try {
    const environment = readEnvironment(process.env);
    emptyEnvironment();
    const { odynUrl, rpcUrl, proxyUrl } = environment;
    profileOf(NOVA_KMS_BUILD);
    // Without a proxy this process would look names up and dial what they lead to.
    if (release && proxyUrl === undefined)
      return 'built for release, and no way out of the enclave: set https_proxy to its egress proxy, http://127.0.0.1:<port>, as Odyn does';
    const config = parseConfig({ PROFILE: profile, ODYN_URL: odynUrl, RPC_URL: rpcUrl });
    return { ...environment, config, connectionsMax: connectionsMax() };
  } catch (error) {
    return textOf(error);
  }
}

/** As many as a node takes, and never so many that it could open no connection of its own. */
function connectionsMax(): number {
  // Without the network: for that part it would look names up.
  const report = Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = report.getReport() as unknown as { userLimits: { open_files: { soft: number | string } } };
  const files = Number(userLimits.open_files.soft);
  return Number.isNaN(files) ? CONNECTIONS_MAX : Math.min(CONNECTIONS_MAX, Math.floor((files * CONNECTIONS_FILES_PERCENT) / 100));
}

async function serve({ listen, proxyUrl, config, connectionsMax }: Settings, signal: AbortSignal): Promise<number> {
  const dial = createDial({ hosts: config.profile.peerUrls.hosts, proxyUrl });
  const node = createNode(config, write, { recover: await loadRecover(), dial });
  const started = await startServer({ answer: node.fetch, listen, clock: systemClock, log, connectionsMax }).catch(textOf);
  if (typeof started === 'string') return refuse(started, EXIT.listen);
  log('binary.listening', { ...started.address, connectionsMax, proxy: proxyUrl ?? null });
  const ended = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined));
  });
  const obstacle = await Promise.race([ended, runTicks({ node, tickMs: config.profile.tickMs, clock: systemClock, log, signal })]);
  const code = obstacle ? refuse(obstacle.message, EXIT.unavailable) : 0;
  log('binary.stopped', { cut: await started.stop(STOP_MS_MAX) });
  return code;
}

/** Whatever reads it later, in the runtime or a library, finds nothing: least of all other ways out than the one that was read. */
function emptyEnvironment(): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
}

/** Seven times as fast where WebAssembly loads, the same answers where it does not. */
async function loadRecover(): Promise<Recover> {
  return await createWasmRecover().catch((error: unknown) => {
    log('recover.slow', { detail: textOf(error) });
    return recoverWallet;
  });
}

/** The first signal ends in order, the second at once. */
function endBySignal(ending: AbortController): void {
  const signals = { SIGINT: 2, SIGTERM: 15 } as const;
  for (const [signal, number] of Object.entries(signals))
    process.on(signal, () => {
      if (ending.signal.aborted) process.exit(128 + number);
      log('binary.stopping', { signal });
      ending.abort();
    });
}

// A reader of the log that goes away takes nothing with it.
for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined);
// A promise that nobody waits for takes no node from those who do.
process.on('unhandledRejection', (error) => log('binary.failed', { detail: textOf(error) }));
process.on('uncaughtException', fail);
const args = process.argv.slice(2);
if (args.length > 0) process.exit(tell(args));
run().then((code) => process.exit(code), fail);

function fail(error: unknown): never {
  log('binary.failed', { detail: textOf(error) });
  process.exit(EXIT.software);
}
